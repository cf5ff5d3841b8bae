"""The clients of a locustfile of one's own, so far as they have to count what their users leave unanswered."""

from __future__ import annotations

import functools
import time
from typing import Any

import gevent
import locust.clients
import locust.contrib.fasthttp as fast
from failures import Unanswered
from settings import CONFIG


def count_unanswered() -> None:
    """Of Locust's own clients (2.47): who is killed in a request, or has no time left for one, leaves none uncounted."""
    for session in (locust.clients.HttpSession, fast.FastHttpSession):
        session.request = _counted(session.request)
    for response in (locust.clients.ResponseContextManager, fast.ResponseContextManager):
        response.__exit__ = _reported(response.__exit__)


def _counted(request: Any) -> Any:
    @functools.wraps(request)
    def ask(self: Any, method: str, url: str, name: str | None = None, *args: Any, **more: Any) -> Any:
        begun = time.perf_counter()
        gone_since = vars(self.user).get("told_at", begun) if self.user else begun
        if begun - gone_since > CONFIG["timeout"]:
            # What is asked now could not be waited for.
            raise gevent.GreenletExit
        try:
            return request(self, method, url, name, *args, **more)
        except gevent.GreenletExit:
            self.request_event.fire(
                request_type=method, name=name or self.request_name or url, response_length=0, exception=Unanswered(),
                context={}, response_time=1000 * (time.perf_counter() - begun),
            )  # fmt: skip
            raise

    return ask


def _reported(leave: Any) -> Any:
    """Who is killed after an answer, while it looks at it, was answered."""

    @functools.wraps(leave)
    def end(self: Any, kind: Any, value: Any, traceback: Any) -> Any:
        if kind is None or not issubclass(kind, gevent.GreenletExit):
            return leave(self, kind, value, traceback)
        leave(self, None, None, None)
        return False

    return end

"""What is tried again, when, and how long: one policy for Google and Kubernetes, with time as a parameter."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

from .digits import natural

T = TypeVar("T")

TRANSIENT = (408, 429, 500, 502, 503, 504)
"""Statuses that may pass, for a request that may be sent twice.

https://cloud.google.com/storage/docs/retry-strategy; Kubernetes' API server means the same by them.
"""

REFUSED_UNTOUCHED = (429, 503)
"""Answers that say the request was turned away before it did anything."""

RETRY_AFTER_MAX = 30.0
"""Seconds up to which a server's own wish is followed: an hour's wait would look like a hang."""

LIST_DEADLINE = 600.0
"""Seconds of one list, page by page: far above the longest; a broken server's has no end."""


@dataclass(frozen=True)
class Clock:
    """Time as a parameter: ``now`` never goes back, ``wall`` is seconds since 1970. ``cancelled``: why to stop."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    wall: Callable[[], float] = time.time
    cancelled: Callable[[], str | None] = lambda: None


@dataclass(frozen=True)
class Policy:
    """``attempts``: tries in all. Pauses double from ``first`` to ``longest`` seconds. ``deadline``: seconds for all."""

    attempts: int = 6
    first: float = 1.0
    longest: float = 10.0
    deadline: float | None = None

    def pause(self, failures: int, retry_after: float | None = None) -> float:
        """Seconds before the next try: with jitter, so that many clients do not come back at once."""
        own = min(self.longest, self.first * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
        return max(own, min(retry_after or 0.0, RETRY_AFTER_MAX))


class Transient(Exception):
    """A try failed in a way that may pass. ``error``: what to raise if it does not; ``retry_after``: in seconds."""

    def __init__(self, error: Exception, retry_after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


def retried(work: Callable[[], T], policy: Policy, clock: Clock) -> T:
    """What ``work`` returns, tried again while it raises ``Transient``; at the end that one's ``error``."""
    began = clock.now()
    failures = 0
    while True:
        try:
            return work()
        except Transient as failed:
            failures += 1
            pause = policy.pause(failures, failed.retry_after)
            late = policy.deadline is not None and clock.now() + pause - began > policy.deadline
            if failures >= policy.attempts or late:
                raise failed.error from failed.__cause__
        clock.sleep(pause)


def paged(
    page: Callable[[str | None], tuple[T, str | None]], clock: Clock, error: Callable[[str], Exception]
) -> Iterator[T]:
    """The pages of a list. ``page``: from a page's token to it and the next one's. Raises ``error``, of words, if it has no end."""
    began, token, seen = clock.now(), None, set[str]()
    while True:
        found, token = page(token)
        yield found
        if not token:
            return
        if token in seen or clock.now() - began > LIST_DEADLINE:
            raise error(
                f"its list has no end: after {len(seen) + 1} pages "
                f"{'a page came for the second time' if token in seen else f'and {LIST_DEADLINE:.0f} s there are more'}."
            )
        seen.add(token)


def seconds_of(retry_after: str | None, wall: float) -> float | None:
    """What a header Retry-After says: seconds, or an HTTP date; None for nothing that can be read."""
    text = (retry_after or "").strip()
    if natural(text) is not None:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - wall)
    except (ValueError, TypeError):
        return None

"""A kubeconfig's token is kept fresh while a run lasts: it is good for an hour at most, and a load test may take a day."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any

from ..background import in_background
from ..gcp.auth import refresh
from ..gcp.errors import GoogleError
from ..k8s.lease import alive
from ..paths import absolute_path
from ..retry import Clock
from .kubeconfig import token_user, write
from .schema import Json

MARGIN = 600.0
"""Seconds before its end at which a token is renewed: metadata servers hand out an old one until five minutes before."""

PAUSE = 20.0
LOOK = 0.5
"""Seconds between two attempts, and between looks whether the run still lives."""


def keep_fresh(found: Any, put: Callable[[str], None], lives: Callable[[], bool], clock: Clock) -> None:
    """Hands each new token of these google-auth credentials to ``put`` while the run lives."""
    tried = clock.now()
    while lives():
        left = found.expiry.replace(tzinfo=UTC).timestamp() - clock.wall()
        if left < MARGIN and clock.now() - tried >= PAUSE:
            tried, before = clock.now(), found.token
            with suppress(GoogleError):  # the next time, perhaps
                refresh(found, {})
                if found.token != before:
                    put(found.token)
        clock.sleep(LOOK)


def renew_in_background(found: Any, path: str, content: Json, process: int) -> bool:
    """Whether a process in the background renews the token in the kubeconfig until that process, the run, has ended."""
    if found.expiry is None:
        return False  # a bare token, of which nobody has a second one
    mark = Path(f"{absolute_path(path)}.renewed-for-{process}")
    try:
        mark.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        return True
    except OSError:
        return False

    def put(token: str) -> None:
        users = [{**user, "user": token_user(token)} for user in content["users"]]
        write(path, {**content, "users": users})

    def work() -> None:
        try:
            keep_fresh(found, put, lambda: alive(process), Clock())
        finally:
            mark.unlink(missing_ok=True)

    in_background(work)
    return True

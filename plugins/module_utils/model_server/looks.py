"""Asks a model server again where it may answer better: one unlucky answer is no verdict about a pod."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..k8s.errors import KubeError
from ..retry import Clock, Policy, Transient, retried
from .errors import BadAnswer

T = TypeVar("T")

LOOKS = Policy(attempts=6, first=1.0, longest=5.0, deadline=60.0)
"""Of one question to one pod: a quarter of a minute, in which a queue that is full for a moment empties, or two time-outs.

Under overload one wants to roll out the cure: of six looks one gets through where half of all requests are turned away.
"""


def looked(ask: Callable[[], T], clock: Clock | None = None) -> T:
    """What `ask`, which may be asked twice, returns; raises its last BadAnswer or KubeError."""

    def once() -> T:
        try:
            return ask()
        except (BadAnswer, KubeError) as error:
            if error.passing:
                raise Transient(error, error.retry_after) from error
            raise

    return retried(once, LOOKS, clock or Clock())

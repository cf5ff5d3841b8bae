"""Knows when a load test is to stop: a signal, or the end of the processes that wait for it."""

from __future__ import annotations

import os
import signal
import time

from ..digits import natural
from ..retry import Clock

WAKE_SECONDS = 0.2
DRIVERS = "MLOPS_TFSERVING_DRIVERS"
"""Name of the environment variable with the ids of the processes that wait."""


class Watchdog:
    """Knows when to stop: a signal, or the end of the processes that wait for this module."""

    def __init__(self) -> None:
        # No Event: its lock, held while somebody waits, is what a signal's handler would wait for.
        self._told = False
        self._drivers = [number for pid in os.environ.get(DRIVERS, "").split(",") if (number := natural(pid))]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._tell)

    def _tell(self, *_: object) -> None:
        self._told = True

    def reason(self) -> str | None:
        if self._told:
            return "the run was interrupted"
        if not all(map(_lives, self._drivers)):
            return "the playbook that had started the run is gone"
        return None

    def sleep(self, seconds: float) -> None:
        """Wakes up when it is told to stop; what is to be done then may wait, too."""
        deadline, before = time.monotonic() + seconds, self._told
        while self._told == before and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, WAKE_SECONDS))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def steady_clock() -> Clock:
    """The wall clock's time as it was at the start, and on from there without any jump."""
    offset, dog = time.time() - time.monotonic(), Watchdog()
    return Clock(lambda: offset + time.monotonic(), dog.sleep, time.time, dog.reason)

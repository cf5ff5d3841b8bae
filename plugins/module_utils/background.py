"""Processes beside the one that a run waits for."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def apart() -> None:
    """This process goes on when others are interrupted, and nobody waits for its output."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def in_background(work: Callable[[], None]) -> None:
    """Does it in a process of its own, which outlives this one and nobody waits for."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            apart()
            os.closerange(3, 65536)
            work()
    finally:
        os._exit(0)

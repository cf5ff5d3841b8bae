"""The report of a run that goes on: the page that stands at the end, written again and again while the run is driven.

By a process of its own, which has what the machine has left (`nice`) and takes 2 % of a core at most: a page that took longer to
make is made less often. It knows when the driver is gone, killed or not, and says so in its last page.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from ..background import apart
from .pages import State
from .run import WINDOW_SECONDS
from .runs import TIMELINE, replace
from .schema import Json
from .timeline import of_kind, read

SHARE = 0.015
"""Of a core from one page to the next; with the first, which comes early, no run of some minutes takes more than 2 %."""

LEAST_SECONDS = 5.0
"""From one page to the next: workers report every 3 s."""

PATIENCE_SECONDS = 60.0
"""How long the last page is waited for."""

KILLED = "its driver was killed: what is here is what was seen until then"
NOT_REPORTED = (
    "its report is made next; while this stands here nobody has made it (mlops.tfserving.scaling_report)"
)


def pause(cpu: float) -> float:
    """Seconds until the next page, of which making one took so many seconds of CPU."""
    return max(LEAST_SECONDS, cpu / SHARE)


@contextlib.contextmanager
def shown(folder: Path, told: Json) -> Iterator[None]:
    """The run's page while it is driven. ``told``: slo, workers, users, environment and terms, as for the report."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            apart()
            os.nice(10)
            os.close(writing)
            _keep_up(folder, told, reading)
        finally:
            os._exit(0)
    os.close(reading)
    words = NOT_REPORTED
    try:
        yield
    except Exception as error:
        words = str(error)
        raise
    finally:
        with contextlib.suppress(BrokenPipeError):
            os.write(writing, words.encode(errors="replace"))
        os.close(writing)
        _await(child)


def _await(child: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        time.sleep(0.02)


def _keep_up(folder: Path, told: Json, pipe: int) -> None:
    """Pages until the pipe says how the run ended, or nothing, since nobody is there to say it any more."""
    wait = due = LEAST_SECONDS
    began = time.process_time()
    draw(folder, told, due)
    while not select.select([pipe], [], [], wait)[0]:
        # How long the next page takes to come is known when this one is made; the first loads what is needed, too, and is no less.
        due = pause(time.process_time() - began)
        began = time.process_time()
        draw(folder, told, due)
        wait = pause(time.process_time() - began)
    draw(folder, told, None, os.read(pipe, 65536).decode(errors="replace") or KILLED)


def draw(folder: Path, told: Json, again: float | None, end: str = "") -> None:
    """Writes the page from what the timeline has by now. One that can't be made leaves the one before, which says its time."""
    with contextlib.suppress(Exception):
        from .reporting import page  # noqa: PLC0415 its packages take a second to load, and may be missing

        events = read(folder / TIMELINE)
        words = f"The run has ended; {end}" if again is None else now_in_words(events)
        state = State("running" if again else "ended", words, time.time(), again)
        replace(folder / "report.html", page(events, told, folder.name, state))


def now_in_words(events: list[Json]) -> str:
    """Where the run is, in a sentence."""
    loads = of_kind(events, "load")
    if not of_kind(events, "run"):
        return "Waiting for Locust's workers."
    if not loads:
        return "The load begins."
    last = loads[-1]
    if last["state"] in ("stopped", "ready") and last["requests"] and not last["users"]:
        return "The load has ended; waiting until replicas and nodes have gone again."
    much = (
        f"{last['users']} users" if last["users"] is not None else f"{last['offered'] or 0:g} requests/s due"
    )
    return f"Now: {much}, {last['rate']:g} requests/s and p95 {last['p95_ms'] or '-'} ms in the last {WINDOW_SECONDS:g} s."

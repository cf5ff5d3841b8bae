"""What programs have in common that a scenario starts and ends."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

ENDS = (signal.SIGTERM, signal.SIGINT)
LONGEST_SECONDS = 1800


def hold_signals() -> None:
    """Before any thread is there: what would end the process waits for ``answer_until_ended``."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)


def answer_until_ended(ready: Path, **more: object) -> None:
    """Says in a file that everything answers, and returns when the process is to end, at last after a while."""
    write(ready, {**more, "process": os.getpid()})
    signal.sigtimedwait(ENDS, LONGEST_SECONDS)


def write(path: Path, content: dict[str, object]) -> None:
    """All at once: whoever waits for the file reads the whole of it."""
    half = path.with_suffix(".half")
    half.touch(mode=0o600)
    half.write_text(json.dumps(content))
    half.rename(path)

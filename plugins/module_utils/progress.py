"""One line of progress to the terminal of whoever runs the playbook.

A module's standard output is its result, so lines go to a file which the module's action plugin names in the
environment and shows while the module works. Without that variable nothing happens.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

VARIABLE = "MLOPS_TFSERVING_PROGRESS"


def progress(message: str) -> None:
    """Shows a line; never fails."""
    path = os.environ.get(VARIABLE)
    if path:
        # Nobody removes a file that would be created now: its reader is gone.
        with contextlib.suppress(OSError), Path(path).open("r+", encoding="utf-8") as file:
            file.seek(0, os.SEEK_END)
            file.write(" ".join(message.split()) + "\n")

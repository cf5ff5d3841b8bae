"""What a sandbox has made on this machine outside its state folder: only that is removed when it goes.

The record lies below /run, which a restart empties as it ends these things: ``owner`` has the state folder, and each
thing is an empty file, such as ``link sbx0``, that is there before the thing is and until it is gone.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from .paths import RECORD, state_dir


def is_ours() -> bool:
    """Whether this state folder's sandbox has a record. Raises ``RuntimeError`` while another's is there."""
    owner = RECORD / "owner"
    folder = owner.read_text() if owner.exists() else ""
    if folder not in ("", str(state_dir())):
        raise RuntimeError(
            f"the sandbox of another state folder, {folder}, is on this machine, and there is one at a time: end it first, "
            f"MLOPS_TFSERVING_SANDBOX_STATE={folder} python -m sandbox down"
        )
    return bool(folder)


def begin() -> None:
    """From now on this machine has the sandbox of this state folder."""
    if not is_ours():
        RECORD.mkdir(exist_ok=True)
        (RECORD / "owner").write_text(str(state_dir()))


def end() -> None:
    """Nothing of it is left."""
    shutil.rmtree(RECORD, ignore_errors=True)


def claim(kind: str, name: str, *places: Path) -> None:
    """Notes that what is about to be made is ours. Raises ``RuntimeError`` for what somebody else made there."""
    note = RECORD / f"{kind} {name}"
    if note.exists():
        return
    for place in places:
        if place.exists():
            raise RuntimeError(f"{kind} {name} is not the sandbox's and in its way: {place}")
    note.touch()


def release(kind: str, name: str) -> None:
    """It is gone."""
    (RECORD / f"{kind} {name}").unlink(missing_ok=True)


def names(kind: str) -> list[str]:
    """What there is of a kind: namespace, cgroup or link."""
    return sorted(note.name.removeprefix(f"{kind} ") for note in RECORD.glob(f"{kind} *"))

"""What the module teardown_receipt does: reads the last receipt, makes the new one, writes it for machines and for people."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ..outcome import failure
from .receipt import begun, finished, text, words

Json = dict[str, Any]

MACHINES, PEOPLE = "receipt.json", "receipt.txt"


def receipt(params: Json, *, check_mode: bool) -> Json:
    """The module's result; ``failed`` where the file can't be written."""
    folder, now = Path(params["folder"]).expanduser(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    site = {name: str(value or "") for name, value in params["site"].items()}
    there, state = params["resources"], params["state"]
    last = _last(folder / MACHINES)
    if state == "finished" and not (last and last["site"] == site):
        return failure(f"{folder / MACHINES} was not begun for this site.")
    made = last if state == "finished" and last else begun(last, site, there, params["objects"], now)
    if state != "begun":
        left = there if state == "finished" else [one for one in there if one["of"] not in params["going"]]
        made = finished(made, left, params["unread"], params["kept"], params["prices"], now, params["shared"])
    if state != "planned" and not check_mode:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder / MACHINES, json.dumps(made, indent=2) + "\n")
            _write(folder / PEOPLE, text(made))
        except OSError as error:
            return failure(f"The receipt can't be written: {error}.")
    return {"changed": False, "receipt": made, "lines": words(made), "path": str(folder / MACHINES)}


def _last(path: Path) -> Json | None:
    """The receipt that is there; None for a file that is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return (
        found
        if isinstance(found, dict) and {"site", "finished", "there", "objects"} <= found.keys()
        else None
    )


def _write(path: Path, content: str) -> None:
    """Whole or not at all: whoever is killed meanwhile leaves the former one."""
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    draft.write_text(content, encoding="utf-8")
    draft.replace(path)

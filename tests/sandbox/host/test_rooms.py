"""The rooms of the sandbox stand on floors: what is imported is on a floor below."""

from __future__ import annotations

import ast
from pathlib import Path

SANDBOX = Path(__file__).resolve().parents[3] / "sandbox"
FLOORS = (
    ("host_check",),
    ("paths", "releases"),
    ("build", "made"),
    ("kube",),
    ("google",),
    ("controllers", "iam", "gcs"),
    ("gke",),
    ("compute",),
    ("app", "backend", "host", "images"),
    ("daemon", "cli"),
    ("__main__",),
)
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}


def imports(file: Path) -> set[str]:
    """The rooms of the sandbox that a file's relative imports name."""
    inside = file.relative_to(SANDBOX).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*inside[: len(inside) - node.level + 1], *(node.module or "").split(".")]
            path = [part for part in base if part]
            found |= {path[0]} if path else {alias.name for alias in node.names}
    return found


def test_every_import_goes_down() -> None:
    files = [file for file in SANDBOX.rglob("*.py") if not {"model_server", "model"} & set(file.parts)]
    assert len(files) > 60
    up = []
    for file in files:
        own = file.relative_to(SANDBOX).parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        up += [
            f"{file.relative_to(SANDBOX)} imports {room}"
            for room in imports(file) if room != own and FLOOR[room] >= FLOOR[own]
        ]  # fmt: skip
    assert not up

"""A locustfile of somebody's own: what can be said of it before it is in the cluster."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

LARGEST = 512 * 1024
"""Bytes: it stands in a ConfigMap, which holds a MiB, beside the role's own files."""


class LocustfileError(ValueError):
    """It can't be run in the cluster; why, and the way out."""


def check_locustfile(path: Path, model: str) -> None:
    """``model``: the shape's. Raises LocustfileError."""
    if model == "open":
        raise LocustfileError(
            "its users wait for their answers, so that the shape's `model: open` has nobody to keep its times: leave `model` away"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LocustfileError(f"{path} can't be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise LocustfileError(f"{path} has {len(content)} bytes, and a ConfigMap takes {LARGEST}")
    try:
        tree = ast.parse(content, str(path))
    except SyntaxError as error:
        raise LocustfileError(f"{path}, line {error.lineno}: it does not compile: {error.msg}") from None
    except ValueError as error:
        raise LocustfileError(f"{path}: it does not compile: {error}") from None
    if not any(isinstance(node, ast.ClassDef) and node.bases for node in ast.walk(tree)):
        raise LocustfileError(
            f"{path} has no class of users: Locust needs one of HttpUser, FastHttpUser or User"
        )
    for line, name in _imports(tree):
        beside = path.parent / name.partition(".")[0]
        if name.startswith(".") or beside.with_suffix(".py").exists() or (beside / "__init__.py").exists():
            raise LocustfileError(
                f"{path}, line {line}: it imports {name}, which stands beside it and does not come along: put both into one "
                "file, or into loadtest_image"
            )


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines and names of modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")

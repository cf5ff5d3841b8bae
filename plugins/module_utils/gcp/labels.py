"""Labels of Google's resources: text, where YAML has numbers, booleans and null besides; and the mark of what is ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MARK = {"made-by": "mlops-tfserving"}
"""On what this collection creates, from its creation on. Teardown takes nothing without it for its own."""

MARK_WORDS = "label made-by=mlops-tfserving"


def is_ours(labels: Mapping[str, Any] | None) -> bool:
    """Whether a resource with these labels was made by this collection."""
    return MARK.items() <= dict(labels or {}).items()


def as_texts(labels: Mapping[str, Any]) -> dict[str, Any]:
    """As they would be written: 1, true, and nothing for null."""
    return {str(key): _text(value) for key, value in labels.items()}


def _text(value: Any) -> Any:
    if isinstance(value, (Mapping, list)):
        return value  # No label: the check says so, or Google.
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)

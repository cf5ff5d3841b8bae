"""Labels of Google's resources are text; YAML has numbers, booleans and null besides."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_texts(labels: Mapping[str, Any]) -> dict[str, Any]:
    """As they would be written: 1, true, and nothing for null."""
    return {str(key): _text(value) for key, value in labels.items()}


def _text(value: Any) -> Any:
    if isinstance(value, (Mapping, list)):
        return value  # No label: the check says so, or Google.
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)

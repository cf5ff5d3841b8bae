"""Durations as k6 and Go, and so Kubernetes, write them. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import re

_DURATIONS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: object) -> float:
    """Seconds of a duration as k6 and Go write it: 30s, 1m30s, 500ms. Raises ValueError."""
    if str(text) == "0":
        return 0.0
    found = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhd])", str(text))
    if not found or "".join(map("".join, found)) != str(text):
        raise ValueError(
            f"duration {text!r} must be a number with a unit, as 30s, 1m30s or 500ms (of a number alone k6 thinks as milliseconds)"
        )
    return sum(float(number) * _DURATIONS[unit] for number, unit in found)

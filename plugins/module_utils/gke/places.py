"""Where clusters are: zones and regions. Pure."""

from __future__ import annotations

import re

REGION = re.compile(r"[a-z]+(?:-[a-z]+)+[0-9]+")
ZONE = re.compile(rf"({REGION.pattern})-[a-z](?:[a-z]*\d+[a-z])?")


def is_zone(location: str) -> bool:
    return bool(ZONE.fullmatch(location))


def region_of(location: str) -> str:
    found = ZONE.fullmatch(location)
    return found[1] if found else location

"""Reads recorded traffic: a folder of JSON lines, one file a scenario, one exchange a line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

VENDORED = Path(__file__).parent / "recorded"
_HOST = "container.googleapis.com"
_DATE = re.compile(r"@(\d{4}-\d{2}-\d{2})\b")


class NotARecording(Exception):
    """A file that is not in the form of ``recorded/README.md``; the text names the line."""


@dataclass(frozen=True)
class Exchange:
    """A request and what Google answered. ``request`` and ``response``: JSON, or None without a body."""

    method: str
    url: str
    request: Any
    status: int
    response: Any

    @cached_property
    def is_gke(self) -> bool:
        return urlsplit(self.url).hostname == _HOST

    @cached_property
    def path(self) -> str:
        """The URL's path as version 1 of the API has it: ``/v1/projects/...``."""
        _, _version, rest = urlsplit(self.url).path.split("/", 2)
        return f"/v1/{rest}"

    @cached_property
    def kind(self) -> str:
        """What the path names: cluster, clusters, nodePool, nodePools, operation ..., or ``cluster:setAddons``."""
        parts = self.path.split("/")
        last, _, verb = parts[-1].partition(":")
        named = len(parts) % 2 == 0  # "", v1, then pairs of a collection and a name
        noun = parts[-2].removesuffix("s") if named else last
        return f"{noun}:{verb}" if verb else noun


@dataclass(frozen=True)
class Scenario:
    """A life from the first request to the last."""

    name: str
    exchanges: tuple[Exchange, ...]

    @cached_property
    def date(self) -> str:
        """When it was recorded (``NAME@2026-08-22-BLOB``); empty where the name does not say."""
        found = _DATE.search(self.name)
        return found[1] if found else ""

    @cached_property
    def version(self) -> tuple[int, ...]:
        """That of its first cluster, as numbers; empty without one."""
        shown = (
            e.response.get("initialClusterVersion") for e in self.exchanges if isinstance(e.response, dict)
        )
        return tuple(map(int, re.findall(r"\d+", next(filter(None, shown), ""))))


def read_scenario(file: Path) -> Scenario:
    """Raises ``NotARecording``."""
    exchanges = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            exchange = Exchange(
                str(raw["method"]).upper(),
                str(raw["url"]),
                raw.get("request"),
                int(raw["status"]),
                raw.get("response"),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise NotARecording(
                f"{file}, line {number}: not an exchange with method, url, request, status and response: {error}"
            ) from error
        exchanges.append(exchange)
    return Scenario(file.stem, tuple(exchanges))


def scenarios(folder: Path) -> list[Scenario]:
    """The scenarios in a folder, and in those below it, that talk to GKE. Raises ``NotARecording`` without any."""
    found = [read_scenario(file) for file in sorted(folder.rglob("*.jsonl"))]
    found = [scenario for scenario in found if any(exchange.is_gke for exchange in scenario.exchanges)]
    if not found:
        raise NotARecording(f"{folder}: there is no *.jsonl file with traffic of {_HOST} in this folder.")
    return found

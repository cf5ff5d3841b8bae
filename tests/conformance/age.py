"""Which differences from a recording are its age: only those that a newer recording shows to be gone.

The evidence are the recordings themselves. Google changes what it shows, so that an old recording differs from one of
today; nobody's memory says which of the differences are such ones.
"""

from __future__ import annotations

import functools
import itertools
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "unit"))

from recorded import Scenario
from shapes import Difference, leaves

from sandbox.google.discovery import read

# A pool is shown by itself, in its cluster, and its nodes in the cluster once more.
_POOL = re.compile(r"^nodePools\[\d+\]\.")
_NODES = re.compile(r"^nodeConfig\.")
_INDEX = re.compile(r"\[\d+\]")
_DESIRED = re.compile(r"^desired(\w)")


def _lower(found: re.Match[str]) -> str:
    return found[1].lower()


def place(kind: str, path: str) -> str:
    """One name for a field wherever it is shown; ``kind``: of the request that was answered."""
    if (
        kind.startswith("operation")
        or path in ("operationType", "targetLink")
        or path.startswith("progress.")
    ):
        return f"operation {_INDEX.sub('[]', path)}"
    if path.startswith("error."):
        return f"error {_INDEX.sub('[]', path)}"
    pool = _POOL.sub("", _NODES.sub("nodePools[0].config.", path))
    what = "pool" if pool != path or kind.startswith("nodePool") else "cluster"
    return f"{what} {_INDEX.sub('[]', pool)}"


def unpublished(schema: str, value: Any, path: str = "") -> Iterator[str]:
    """The paths of a recorded answer that Google's published description of the API does not have."""
    properties = _schemas().get(schema, {}).get("properties", {})
    for key, item in value.items():
        where = f"{path}.{key}" if path else key
        spec = properties.get(key)
        if spec is None:
            if properties:
                yield where
            continue
        inner = spec.get("items", spec).get("$ref", "")
        for number, one in enumerate(item if isinstance(item, list) else [item]):
            if isinstance(one, dict):
                yield from unpublished(inner, one, f"{where}[{number}]" if isinstance(item, list) else where)


@functools.cache
def _schemas() -> dict[str, Any]:
    return dict(read("container.v1beta1")["schemas"])


@dataclass(frozen=True)
class Shown:
    """What a recording's answers show."""

    scenario: Scenario

    @cached_property
    def values(self) -> dict[str, set[str]]:
        """The values by place."""
        found: dict[str, set[str]] = defaultdict(set)
        for exchange in self.scenario.exchanges:
            if exchange.is_gke and isinstance(exchange.response, dict):
                for path, value in leaves(exchange.response):
                    found[place(exchange.kind, path)].add(value)
        return found

    @cached_property
    def places(self) -> set[str]:
        """The places of fields, and those that have others below them."""
        return {above for name in self.values for above in _above(name)} | set(self.values)

    @cached_property
    def asked(self) -> set[str]:
        """The places of all fields that its requests set, and those around them."""
        found = set()
        for exchange in self.scenario.exchanges:
            body = exchange.request or {}
            for path, _ in leaves(body.get("cluster") or body.get("nodePool") or body.get("update") or body):
                name = place("nodePool" if "nodePool" in body else exchange.kind, _DESIRED.sub(_lower, path))
                found |= {name, *_above(name)}
        return found

    @cached_property
    def of_an_insider(self) -> bool:
        """Whether Google showed it what is for its own people, and what others see later."""
        return any(
            True
            for exchange in self.scenario.exchanges
            if isinstance(exchange.response, dict) and "currentMasterVersion" in exchange.response
            for _ in unpublished("Cluster", exchange.response)
        )

    def asks_for(self, name: str) -> tuple[bool, ...]:
        """Whether it asks for the messages around a field, from the outermost on, and for the field itself."""
        return tuple(one in self.asked for one in (*_above(name)[1:], name))


def _above(name: str) -> list[str]:
    """The places around a place, the answer itself first."""
    what, _, path = name.partition(" ")
    steps = path.split(".")
    return [f"{what} {'.'.join(steps[:count])}" for count in range(len(steps))]


class Age:
    """What the recordings say of each other."""

    def __init__(self, scenarios: Iterable[Scenario]) -> None:
        found = [shown for shown in map(Shown, scenarios) if not shown.of_an_insider]
        self._all = sorted(found, key=lambda shown: (shown.scenario.date, shown.scenario.name))

    def date_of(self, scenario: Scenario) -> str:
        """Its date; without one, that of the last recording of the nearest GKE that was not newer, or before all."""
        known = ((s.scenario.version, s.scenario.date) for s in self._all)
        return scenario.date or max((one for one in known if one[0] <= scenario.version), default=((), ""))[1]

    def gone_in(self, scenario: Scenario, kind: str, difference: Difference) -> str | None:
        """The name of the newer recording that shows the difference gone; None where there is no such one.

        Like is compared with like: recordings that ask for the field, and for the messages that it is in, if this one
        does, and that do not if it does not. *extra*: none up to this one shows the field, and a newer one does.
        *missing*: none after the last one that shows it does, though there what is around it is shown. *value*: none
        after the last one that shows theirs does, and the first one that shows ours is newer than this one.
        """
        name, own, date = place(kind, difference.path), Shown(scenario), self.date_of(scenario)
        asks = own.asks_for(name)
        # Of a field that is too much, what was asked of the outermost message says little, and in the end nothing does.
        for outer in (0, 1, len(asks)) if difference.kind == "extra" else (0,):
            alike = [shown for shown in self._all if shown.asks_for(name)[outer:] == asks[outer:]]
            if found := _gone(alike, name, date, difference):
                return found
        return None


def _gone(alike: list[Shown], name: str, date: str, difference: Difference) -> str | None:
    newer = [shown for shown in alike if shown.scenario.date > date]
    match difference.kind:
        case "extra":
            early = any(name in shown.places for shown in alike if shown.scenario.date <= date)
            return None if early else _first(shown for shown in newer if name in shown.places)
        case "missing":
            last = max([date, *(shown.scenario.date for shown in newer if name in shown.places)])
            later = [shown for shown in newer if shown.scenario.date > last]
            way = [*_above(name), name]
            around = next((up for up, down in itertools.pairwise(way) if not _any(later, down)), None)
            return _first(s for s in later if around in (s.places | set(way[:1]))) if around else None
        case "value":
            values = [(shown, shown.values.get(name, set())) for shown in alike]
            last = max(
                [date, *(shown.scenario.date for shown, found in values if difference.theirs in found)]
            )
            first = next((shown.scenario.date for shown, found in values if difference.ours in found), "")
            after = (s for s, found in values if s.scenario.date > last and difference.ours in found)
            return _first(after) if first > date else None
    return None


def _any(recordings: Iterable[Shown], name: str) -> bool:
    return any(name in shown.places for shown in recordings)


def _first(recordings: Iterable[Shown]) -> str | None:
    return next((shown.scenario.name for shown in recordings), None)

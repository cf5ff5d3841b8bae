"""What an option is: where Google shows it, how it is changed, and what that does to the nodes. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .compare import same
from .schema import Json, Schema, argument, look_up, put, read, write

IN_PLACE, ROLLING, RECREATE, NEVER = "in place", "rolling", "recreation", "never"
"""How a change is made: without touching nodes, by replacing them one by one, by a new pool, not at all."""

AT_CREATION = "at creation"
"""An option that only a creation looks at."""


@dataclass(frozen=True)
class Request:
    """Where a change is sent, below the resource's path, and where in the body the value goes (dotted)."""

    method: str
    suffix: str
    at: str


@dataclass(frozen=True)
class Option:
    """One option of a module.

    ``path``: dotted, where an answer has it and a creation takes it. ``shown``: where an answer has it, if that is
    somewhere else. ``group``: options with the same one are changed by one request. ``later``: a creation does not
    take it, so that it is set afterwards. ``one_way``: what is on stays on. ``body``: the last touch to a request's value; gets it and what is desired.
    ``beside``: what goes along, from the resource.
    """

    name: str
    schema: Schema
    path: str
    how: str
    request: Request | None = None
    shown: str = ""
    group: str = ""
    later: bool = False
    one_way: bool = False
    equal: Callable[[Any, Any], bool] | None = None
    body: Callable[[Any, Any], Any] = lambda value, desired: value
    beside: Callable[[Json], Json] = lambda resource: {}
    spec: Json | None = None

    def argument(self) -> Json:
        """Ansible's argument spec for it."""
        return self.spec or argument(self.schema, self.name)

    def now(self, resource: Mapping[str, Any]) -> Any:
        """Its value as the resource is; None where Google shows nothing."""
        found = look_up(resource, self.shown) if self.shown else None
        return read(self.schema, look_up(resource, self.path) if found is None else found)

    def same(self, desired: Any, now: Any) -> bool:
        """Whether nothing has to change."""
        return self.equal(desired, now) if self.equal else same(self.schema, desired, now)

    def write_into(self, body: Json, desired: Any, resource: Json) -> None:
        """Puts the value into a request's body, and what goes along with it."""
        if self.request is not None:
            value = write(self.schema, desired, look_up(resource, self.path))
            put(body, self.request.at, self.body(value, desired))
            body |= self.beside(resource)


def cluster_update(field: str) -> Request:
    """A field of ClusterUpdate; Google takes one a request."""
    return Request("PUT", "", f"update.{field}")


def pool_update(field: str) -> Request:
    """A field of UpdateNodePoolRequest."""
    return Request("PUT", "", field)


def setter(verb: str, field: str) -> Request:
    """A method of its own."""
    return Request("POST", f":{verb}", field)


_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:-gke\.(\d+))?")


def version(text: str) -> tuple[int, ...] | None:
    """1.34.4-gke.100 as numbers, as many as are given; None for anything else."""
    found = _VERSION.fullmatch(text)
    return tuple(int(number) for number in found.groups() if number is not None) if found else None


def at_least(desired: str, now: str | None) -> bool:
    """Whether a version is the wanted one or newer; 1.34 means any 1.34."""
    asked, present = version(desired), version(now or "")
    if asked is None or present is None:
        return desired == now
    return present[: len(asked)] >= asked

"""What could be read of the Google Cloud project, as plain data. Pure; ``gather`` fills it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Json = dict[str, Any]
Known = TypeVar("Known")


@dataclass(frozen=True)
class Unread:
    """In place of what could not be read: why, and what would help."""

    reason: str
    hint: str = ""


class NotKnown(Exception):
    """A rule can't judge, since something was not read."""

    def __init__(self, unread: Unread) -> None:
        super().__init__(unread.reason)
        self.unread = unread


def known(value: Known | Unread) -> Known:
    """The value itself. Raises ``NotKnown`` where it was not read."""
    if isinstance(value, Unread):
        raise NotKnown(value)
    return value


@dataclass(frozen=True)
class Quota:
    """A quota of a region: how much there may be (below zero: any amount), and how much of it is in use."""

    limit: float
    usage: float

    @property
    def left(self) -> float:
        return max(0.0, self.limit - self.usage) if self.limit >= 0 else math.inf


@dataclass(frozen=True)
class MachineType:
    """A machine type as a zone offers it: vCPUs, memory in MiB, types and numbers of the GPUs that it comes with."""

    cores: int
    memory_mib: int
    accelerators: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Bucket:
    """A bucket that exists. ``permissions``: of those asked about, the ones that this account has on it."""

    project_number: str
    policy: Json | Unread
    permissions: frozenset[str] | Unread


NOT_ASKED = Unread("it was not asked for")


@dataclass(frozen=True)
class Project:
    """Facts of a project. ``None`` for a cluster or bucket that does not exist.

    ``machine_types`` and ``accelerator_types``: by name, then by zone. ``account_policy``: of the Google service
    account that pods act as. ``model_bytes``: size of the model that is served next, or of each of those that are
    named (0: it is not there); None: there is none yet.
    ``model_versions``: numbers that are whole, as far as names of objects tell; only where nothing is to be published.
    """

    cluster: Json | Unread | None = NOT_ASKED
    server_config: Json | Unread = NOT_ASKED
    machine_types: Mapping[str, Mapping[str, MachineType]] | Unread = NOT_ASKED
    accelerator_types: Mapping[str, frozenset[str]] | Unread = NOT_ASKED
    quotas: Mapping[str, Quota] | Unread = NOT_ASKED
    bucket: Bucket | Unread | None = NOT_ASKED
    project_policy: Json | Unread = NOT_ASKED
    account_policy: Json | Unread = NOT_ASKED
    model_bytes: int | tuple[int, ...] | Unread | None = field(default=NOT_ASKED)
    model_versions: frozenset[int] | Unread = NOT_ASKED

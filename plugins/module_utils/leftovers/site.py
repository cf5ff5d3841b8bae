"""A site as teardown looks for it, what Google answered, and what was found in that. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..preflight.project import Unread

Json = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """What may have been made. ``cluster`` is empty where it is not this site's to remove.

    ``accounts``: e-mails; ``addresses``: names of reserved ones. Both were made once for the project.
    """

    project: str
    cluster: str = ""
    location: str = ""
    namespace: str = ""
    app: str = ""
    bucket: str = ""
    accounts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def region(self) -> str:
        return "-".join(self.location.split("-")[:2])


@dataclass(frozen=True)
class Answers:
    """Resources as Google's lists have them. ``compute``: by the noun of the list. ``policy``: of the bucket, None without one."""

    clusters: list[Json] | Unread = field(default_factory=list)
    compute: Mapping[str, list[Json] | Unread] = field(default_factory=dict)
    accounts: list[Json] | Unread = field(default_factory=list)
    bucket: Json | Unread | None = None
    policy: Json | Unread | None = None


@dataclass(frozen=True)
class Found:
    """Something that is there.

    ``kind`` is gcloud's word for it; ``place`` a zone, a region, ``global``, or of a binding its bucket. ``of``: what it
    belongs to, of ``PARTS``. ``why``: by what it was known. ``sure`` is false where it may be another cluster's.
    ``month``: its price for a month; None where the table has none.
    """

    kind: str
    name: str
    place: str
    of: str
    why: str
    sure: bool = True
    month: float | None = 0.0
    id: str = ""


def plural(kind: str) -> str:
    """As gcloud says it."""
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


PARTS = {
    "cluster": "the cluster, its nodes and what it began with",
    "service": "load balancers and endpoint groups, which Services and routes have",
    "volume": "disks of claims",
    "bucket": "the bucket, and who was let into it",
    "project": "what was made once for the project",
}

"""What the settings cost an hour, and how long a reaction takes that needs a node. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..variables.settings import Settings
from .bill import bill
from .capacity import replicas_on
from .nodes import allocatable, serving_pools
from .project import NotKnown, Project
from .rates import node_hour

Json = dict[str, Any]


@dataclass(frozen=True)
class Phase:
    """A part of a reaction. Seconds at least and at most; None for what depends on things that are not known here."""

    name: str
    seconds: tuple[int, int] | None
    source: str


def cost(settings: Settings, project: Project, table: Mapping[str, Any]) -> Json | None:
    """An hour's cost with the fewest and the most nodes; None where it is not this project's, or nobody's guess.

    ``unpriced`` names pools whose machines, GPUs or disks the table does not have; they are not in the sums.
    """
    cluster = settings.cluster
    if cluster.given or cluster.autopilot or cluster.autoprovisioning or not cluster.pools:
        return None
    balanced = settings.serving.service_type == "LoadBalancer"
    least, most = (
        bill(nodes, 1.0, table, project, cluster=True, balanced=balanced)
        for nodes in (
            [(pool, float(pool.minimum)) for pool in cluster.pools],
            [(pool, float(pool.maximum)) for pool in cluster.pools],
        )
    )
    return {
        "min_per_hour": round(least["price"], 3),
        "buffer_per_hour": _buffer(settings, project, table),
        "max_per_hour": round(most["price"], 3),
        "currency": table["currency"],
        "region": table["region"],
        "date": table["date"],
        "source": table["source"],
        "unpriced": most["unpriced"],
    }


def _buffer(settings: Settings, project: Project, table: Mapping[str, Any]) -> float:
    """What the nodes cost that room in stock keeps at most, of the largest pool for replicas; they are in the sums only
    where the pools' sizes hold them."""
    wanted = settings.autoscaling.buffer
    try:
        pools = [pool for pool in serving_pools(settings, project) if pool.maximum] if wanted else []
        if not pools:
            return 0.0
        pool = max(pools, key=lambda one: one.maximum)
        each = replicas_on(allocatable(pool, settings, project), wanted, settings.serving.pod)
        hour = node_hour(pool, project, table)
    except NotKnown:
        return 0.0
    return round(math.ceil(wanted / max(1, each)) * (hour or 0.0), 3)


def reaction(settings: Settings) -> list[Phase]:
    """From a step of the load until a replica on a node that has to come answers."""
    low, high = settings.node_seconds
    up = settings.autoscaling.up_seconds
    return [
        Phase(
            "the load shows in the metrics",
            (15, max(15, settings.metrics_window)),
            "metrics-server reads every 15 to 60 s",
        ),
        Phase(
            "the HPA decides",
            (up, 15 + up),
            "it looks every 15 s; autoscaling_scale_up_stabilization_seconds on top",
        ),
        Phase(
            "a node comes",
            (low, high),
            "https://cloud.google.com/kubernetes-engine/docs/how-to/capacity-provisioning",
        ),
        Phase("images, model, first answer", None, "as long as they are large: measured by the load test"),
    ]


def total(phases: list[Phase]) -> tuple[int, int]:
    """Seconds at least and at most of the phases that are known."""
    known = [phase.seconds for phase in phases if phase.seconds]
    return sum(low for low, _unused in known), sum(high for _unused, high in known)

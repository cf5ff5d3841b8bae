"""A tenth of all requests is hostile: the model server stays, and the others get their answers as before."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from math import ceil
from typing import Any

from .client import QUIET, TURN
from .drill import Cluster, Hostile, InTurns, converge, load_during

SECONDS = float(os.environ.get("DRILL_SECONDS", "600"))
"""How long there are hostile clients, in turns with half as long a quiet time: what else the machine does meets both."""
RATE = 38.0
"""Requests a second of each of the four groups: 90,000 in ten minutes."""
HOSTILE_RATE = 8.5
"""Of each of the two hostile pods: 10,000 in ten minutes."""
SLOWER_MAX = 1.2
"""Times the quiet times' p95."""


def test_hostile_clients(cluster: Cluster, server: str, run: int, record: Callable[..., None]) -> None:
    # As users have it: with the fifth of it that the other drills make do with, refusing is all that the proxies get done.
    converge("playbooks/promote.yml", "-e", "promote_version=1", "-e", "serving_proxy_cpu=200m")
    cluster.wait_for_replicas(server, 2)
    results: dict[str, Any] = {}
    hostile = Hostile(cluster, server, HOSTILE_RATE)
    hostile.start()
    try:
        with load_during(cluster, server, results, RATE, 5_000, InTurns):
            time.sleep(ceil(SECONDS / (TURN - QUIET)) * TURN)
    finally:
        counts = list(hostile.stop().values())
    before, after = (
        sum(one[f"p95_ms_{part}"] for one in results.values()) for part in ("quiet", "disturbed")
    )
    tried = sum(one["requests"] for one in counts)
    record(
        results, f"{tried} hostile requests besides; p95 {after / before:.2f} times that of the quiet times"
    )
    assert cluster.restarts(server) == 0
    assert tried >= SECONDS * HOSTILE_RATE, counts
    assert [failure for one in counts for failure in one["failures"]] == []
    assert after <= SLOWER_MAX * before

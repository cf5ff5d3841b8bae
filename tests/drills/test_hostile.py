"""A tenth of all requests is hostile: the model server stays, and the others get their answers as before."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from .drill import Cluster, Hostile, converge, load_during

SECONDS = float(os.environ.get("DRILL_SECONDS", "600"))
"""How long there are hostile clients; the quiet time before them is a fifth of that."""
RATE = 38.0
"""Requests a second of each of the four groups: 90,000 in ten minutes."""
HOSTILE_RATE = 8.5
"""Of each of the two hostile pods: 10,000 in ten minutes."""
SLOWER_MAX = 1.2
"""Times the quiet run's p95."""


def test_hostile_clients(cluster: Cluster, server: str, run: int, record: Callable[..., None]) -> None:
    # As users have it: with the fifth of it that the other drills make do with, refusing is all that the proxies get done.
    converge("playbooks/promote.yml", "-e", "promote_version=1", "-e", "serving_proxy_cpu=200m")
    cluster.wait_for_replicas(server, 2)
    quiet: dict[str, Any] = {}
    with load_during(cluster, server, quiet, RATE, int(SECONDS / 5 * RATE)):
        time.sleep(SECONDS / 5)
    results: dict[str, Any] = {}
    hostile = Hostile(cluster, server, HOSTILE_RATE)
    hostile.start()
    try:
        with load_during(cluster, server, results, RATE, 5_000):
            time.sleep(SECONDS)
    finally:
        counts = list(hostile.stop().values())
    before, after = (sum(one["p95_ms"] for one in each.values()) for each in (quiet, results))
    tried = sum(one["requests"] for one in counts)
    record(
        results, f"{tried} hostile requests besides; p95 {after / before:.2f} times that of the quiet time"
    )
    assert cluster.restarts(server) == 0
    assert tried >= SECONDS * HOSTILE_RATE, counts
    assert [failure for one in counts for failure in one["failures"]] == []
    assert after <= SLOWER_MAX * before

"""A Prometheus, prometheus-adapter and GKE's adapter for real: the HPA goes by what they bring, and survives what they don't.

``total`` requests are in flight over all replicas, of which each may have two; ``cpu`` is what they take together, in mCPU, of
which each may take 180.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .both import BOTH, IN_FLIGHT, SideBySide, wanted
from .on_loopback import NAME, OnLoopback

MOST, STABILISED = 6, 30
COMMON = {
    "autoscaling_metrics": [{"type": "cpu"}, IN_FLIGHT],
    "autoscaling_max_replicas": MOST,
    # A look every second is sooner than the load has gone from replicas that went to those that stay.
    "autoscaling_scale_down_stabilization_seconds": 5,
}
BY_NAME = {
    "prometheus": ("External", f"{NAME}-in-flight"),
    "gke": ("Pods", f"autoscaling.gke.io|{NAME}|in-flight"),
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnLoopback]:
    there = OnLoopback(tmp_path_factory.mktemp("loopback"))
    yield there
    there.close()


@pytest.mark.parametrize("source", BY_NAME)
def test_the_hpa_goes_by_the_metric_and_a_second_run_changes_nothing(
    cluster: OnLoopback, source: str
) -> None:
    kind, name = BY_NAME[source]
    cluster.cpu, cluster.proxies.total = 60, 1
    assert cluster.autoscale(**COMMON, autoscaling_metrics_source=source) > 0
    assert cluster.autoscale(**COMMON, autoscaling_metrics_source=source) == 0
    # None so near to a whole number of replicas that the HPA's tolerance would have a say.
    for total in (7.6, 11.6, 40.0, 3.6):
        cluster.proxies.total = total
        cluster.settles(wanted(total, MOST), f"{total} are in flight")
    seen = {
        one["type"]: one[one["type"][0].lower() + one["type"][1:]]
        for one in cluster.hpa()["status"]["currentMetrics"]
    }
    assert seen[kind]["metric"]["name"] == name
    assert seen["ContainerResource"]["current"]["averageUtilization"] < 60, "it was not the CPU"


def test_both_ask_for_as_many_replicas_at_the_same_moment(cluster: OnLoopback) -> None:
    """While the HPA goes by one of them, and the load jumps by two replicas at a time."""
    cluster.proxies.total = 3
    given = {**COMMON, "autoscaling_scale_down_stabilization_seconds": STABILISED}
    cluster.autoscale(**given, autoscaling_metrics_source="prometheus")
    with SideBySide(cluster.client, BOTH) as seen:
        for total in (3.0, 7.0, 11.0, 7.0, 3.0):
            cluster.proxies.total = total
            cluster.passes(25)
    assert len(seen.moments) >= 30, seen.problems
    assert max(one.totals["prometheus"] for one in seen.moments) > 8, "it changed"
    assert seen.apart(MOST, STABILISED) == []

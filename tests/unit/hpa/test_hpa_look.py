"""What status.yml says of an HPA, from objects as the API shows them."""

from __future__ import annotations

import copy
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.filter.hpa_look import hpa_look

Json = dict[str, Any]


def at(seconds_ago: float) -> str:
    return datetime.fromtimestamp(time.time() - seconds_ago, UTC).isoformat().replace("+00:00", "Z")


def pod(
    name: str,
    *,
    ready_for: float = 600,
    labels: Json | None = None,
    container: str = "tfserving",
    made_by: str = "6d4f",
) -> Json:
    """A pod that is ready since so long; one that is not if that is below 0."""
    return {
        "metadata": {
            "name": name, "labels": {"app": "m", "made": "x"} if labels is None else labels,
            "ownerReferences": [{"kind": "ReplicaSet", "name": f"{DEPLOYMENT['metadata']['name']}-{made_by}"}] if made_by else [],
        },
        "spec": {
            "containers": [
                {"name": container, "resources": {"requests": {"cpu": "300m"}}},
                {"name": "proxy", "resources": {"requests": {"cpu": "50m"}}},
            ]
        },
        "status": {
            "phase": "Running",
            "startTime": at(max(ready_for, 0) + 20),
            "conditions": [
                {"type": "Ready", "status": "True" if ready_for >= 0 else "False", "lastTransitionTime": at(max(ready_for, 5))}
            ],
        },
    }  # fmt: skip


def sample(name: str, cpu: str) -> Json:
    return {
        "metadata": {"name": name},
        "timestamp": at(5),
        "window": "15.1s",
        "containers": [
            {"name": "tfserving", "usage": {"cpu": cpu}},
            {"name": "proxy", "usage": {"cpu": "200m"}},
        ],
    }


DEPLOYMENT = {"metadata": {"name": "m"}, "spec": {"selector": {"matchLabels": {"app": "m"}}}}
TARGET = {"type": "Utilization", "averageUtilization": 60}
HPA: Json = {
    "metadata": {"name": "m"},
    "spec": {
        "scaleTargetRef": {"kind": "Deployment", "name": "m"},
        "minReplicas": 1,
        "maxReplicas": 4,
        "metrics": [{"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "tfserving", "target": TARGET}}],
        "behavior": {"scaleUp": {"stabilizationWindowSeconds": 0}},
    },
    "status": {"currentReplicas": 2, "desiredReplicas": 2},
}  # fmt: skip


def said(pods: list[Json], samples: list[Json], version: str = "v1.37.2", hpa: Json = HPA) -> str:
    return hpa_look(hpa, [DEPLOYMENT], pods, samples, version)


def test_more_load_than_the_target_is_more_replicas() -> None:
    pods = [pod("a"), pod("b")]
    assert said(pods, [sample("a", "240m"), sample("b", "250m")]) == (
        "wants 3, has 2: 2 × 81 % ÷ 60 %, rounded up"
    )


def test_near_the_target_nothing_happens() -> None:
    assert said([pod("a"), pod("b")], [sample("a", "190m"), sample("b", "190m")]) == (
        "wants 2, has 2: 63 % is within the tolerance of 60 %"
    )


def test_a_replica_that_starts_keeps_the_hpa_from_more() -> None:
    hpa = copy.deepcopy(HPA)
    hpa["status"]["currentReplicas"] = 3
    pods = [pod("a"), pod("b"), pod("c", ready_for=-1)]
    assert said(pods, [sample("a", "220m"), sample("b", "220m"), sample("c", "300m")], hpa=hpa) == (
        "wants 3, has 3: 48 % of 3 pods, the one not ready at nothing, is no reason for more (73 % of the 2 that count)"
    )


def test_a_foreign_pod_without_the_container_stops_it_from_kubernetes_1_35_on() -> None:
    pods = [pod("a"), pod("b"), pod("debug", container="shell")]
    samples = [sample("a", "250m"), sample("b", "250m")]
    assert said(pods, samples, "v1.35.1-gke.7") == (
        "does nothing, has 2: container tfserving not found in Pod debug"
    )
    assert "does nothing" not in said(pods, samples, "v1.34.4")


def test_pods_of_others_that_count_are_named() -> None:
    """A canary's, and a copy that nobody's controller made."""
    pods = [pod("a"), pod("b", made_by="canary-77aa"), pod("debug", made_by="")]
    samples = [sample("a", "180m"), sample("b", "180m"), sample("debug", "180m")]
    assert said(pods, samples).endswith("; counts pods that are not its Deployment's: b, debug")


def test_pods_that_the_selector_does_not_match_do_not_count() -> None:
    assert said([pod("a"), pod("b", labels={"app": "other"}), pod("c", labels={})], [sample("a", "180m")]).startswith(
        "wants 2, has 2: 60 %"
    )  # fmt: skip


def test_a_scale_down_that_is_held_back_is_told_as_such() -> None:
    hpa = copy.deepcopy(HPA)
    hpa["status"]["conditions"] = [{"type": "AbleToScale", "status": "True", "reason": "ScaleDownStabilized"}]
    quiet = [sample("a", "30m"), sample("b", "30m")]
    assert said([pod("a"), pod("b")], quiet, hpa=hpa) == (
        "wants 1, has 2: 2 × 10 % ÷ 60 %, rounded up; an earlier look wanted 2, and counts until its window is over"
    )
    assert said([pod("a"), pod("b")], quiet) == "wants 1, has 2: 2 × 10 % ÷ 60 %, rounded up"


def test_of_several_metrics_the_one_that_decides_is_named_and_those_that_can_t_be_read() -> None:
    hpa = copy.deepcopy(HPA)
    target = {"type": "AverageValue", "averageValue": "3"}
    hpa["spec"]["metrics"].append(
        {"type": "External", "external": {"metric": {"name": "m-in-flight"}, "target": target}}
    )
    pods, samples = [pod("a"), pod("b")], [sample("a", "240m"), sample("b", "250m")]
    assert said(pods, samples, hpa=hpa) == (
        "wants 3, has 2: cpu: 2 × 81 % ÷ 60 %, rounded up; without m-in-flight: it had no value at the HPA's last look"
    )
    seen = {"metric": {"name": "m-in-flight"}, "current": {"averageValue": "5500m"}}
    hpa["status"]["currentMetrics"] = [{"type": "ContainerResource"}, {"type": "External", "external": seen}]
    assert said(pods, samples, hpa=hpa) == "wants 4, has 2: m-in-flight: 5.5 is shared by so many at 3"


def test_without_samples_it_says_so() -> None:
    assert said([pod("a")], []) == "does nothing, has 2: no metrics returned"


def test_mappings_of_a_template_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their `items()` is no set: ansible-core 2.21 makes each value as it is asked for."""

    class Lazy(dict[str, Any]):
        def items(self) -> Any:
            yield from super().items()

    selector = {"matchLabels": Lazy(app="m")}
    monkeypatch.setitem(DEPLOYMENT["spec"], "selector", selector)
    pods = [
        {**one, "metadata": {**one["metadata"], "labels": Lazy(one["metadata"]["labels"])}}
        for one in (pod("a"), pod("b"))
    ]
    assert "wants 3, has 2" in said(pods, [sample("a", "240m"), sample("b", "250m")])


def test_at_zero_its_nonsense_of_a_value_is_not_repeated() -> None:
    hpa = copy.deepcopy(HPA)
    target = {"type": "AverageValue", "averageValue": "1"}
    hpa["spec"] |= {
        "minReplicas": 0,
        "metrics": [{"type": "External", "external": {"metric": {"name": "m-asked"}, "target": target}}],
    }
    hpa["status"] = {
        "currentReplicas": 0, "desiredReplicas": 0,
        "conditions": [{"type": "ScaledToZero", "status": "True"}],
        "currentMetrics": [{"type": "External", "external": {
            "metric": {"name": "m-asked"}, "current": {"averageValue": "-9223372036854775808m"}}}],
    }  # fmt: skip
    assert said([], [], hpa=hpa) == (
        "there is no replica, since nobody asked: it took the last itself, and sets one when somebody asks"
    )
    hpa["status"]["conditions"] = [{"type": "ScaledToZero", "status": "False"}]
    assert said([], [], hpa=hpa) == (
        "there is no replica, and it was not the HPA that took the last: it waits until somebody sets one"
    )


def test_at_zero_keda_s_brings_the_next_one() -> None:
    """KEDA's HPA says nothing of the zero (reason ScalingDisabled); it is KEDA that took the last."""
    hpa = copy.deepcopy(HPA)
    owner = {"kind": "ScaledObject", "name": "m"}
    hpa["metadata"] = {**hpa.get("metadata", {}), "ownerReferences": [owner]}
    hpa["status"] = {"currentReplicas": 0, "desiredReplicas": 0}
    words = "there is no replica, since nobody asked: KEDA took the last, and sets one when somebody asks"
    assert said([], [], hpa=hpa) == words

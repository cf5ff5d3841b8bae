"""While a rollout has pods more than are wanted, the HPA does not ask for more because of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.replicas import proposal
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.seen import (
    Controller,
    Pod,
    Sample,
    Seen,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.spec import read_spec
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s import surge
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock

from sandbox.gcs.rules import merge

Json = dict[str, Any]
PATH = "/apis/autoscaling/v2/namespaces/ns/horizontalpodautoscalers"


def hpa(name: str = "w", target: str = "w", **down: Any) -> Json:
    return {
        "metadata": {"name": name, "resourceVersion": "1"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "maxReplicas": 10,
            "metrics": [
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": "m"},
                        "target": {"type": "AverageValue", "averageValue": "100"},
                    },
                }
            ],
            "behavior": {
                "scaleUp": {"stabilizationWindowSeconds": 0},
                "scaleDown": {"stabilizationWindowSeconds": 60, **down},
            },
        },
    }


class Cluster:
    """HPAs; ``forgets``: as Kubernetes before 1.35, ``refuses``: errors that writes get, one after another."""

    def __init__(self, *hpas: Json, forgets: bool = False, refuses: list[KubeError] | None = None) -> None:
        self.hpas = {f"{PATH}/{one['metadata']['name']}": one for one in hpas}
        self.forgets, self.refuses = forgets, refuses or []
        self.loses_answers = 0

    def get(self, path: str, **query: object) -> Json:
        if path == PATH:
            return {"items": copy.deepcopy(list(self.hpas.values()))}
        if path not in self.hpas:
            raise KubeError(404, "NotFound", path)
        return copy.deepcopy(self.hpas[path])

    def patch(self, path: str, body: Any = None, **_: Any) -> Json:
        if self.refuses:
            raise self.refuses.pop(0)
        found = self.hpas[path]
        if body["metadata"].pop("resourceVersion") != found["metadata"]["resourceVersion"]:
            raise KubeError(409, "Conflict", "the object has been modified")
        found = self.hpas[path] = merge(found, copy.deepcopy(body))
        found["metadata"]["resourceVersion"] += "1"
        if self.forgets:
            found["spec"]["behavior"]["scaleDown"].pop("tolerance", None)
        if self.loses_answers:
            self.loses_answers -= 1
            raise KubeError(503, "ServiceUnavailable", "no answer")
        return copy.deepcopy(found)


@pytest.fixture(autouse=True)
def beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What would go on in a process of its own."""
    works: list[Any] = []
    monkeypatch.setattr(surge, "in_background", works.append)
    yield works


def down(cluster: Cluster, name: str = "w") -> Json:
    return cluster.hpas[f"{PATH}/{name}"]["spec"]["behavior"]["scaleDown"]


def wanted(spec: Json, percent: int, pods: int) -> int | None:
    """What four replicas become while there are so many pods, each using so much of its target."""
    seen = Seen(
        t=1000.0,
        replicas=4,
        status_replicas=pods,
        pods=tuple(Pod(f"p{n}", ready="True", started=0.0, ready_since=1.0) for n in range(pods)),
        readings=({f"p{n}": Sample(percent * 1000, 990.0, 15.0) for n in range(pods)},),
    )
    read = read_spec(spec)
    return proposal(read.metrics[0], 0, seen, read, Controller()).replicas


def hold(cluster: Cluster, name: str = "w") -> Any:
    now = [0.0]
    clock = Clock(lambda: now[0], lambda seconds: now.__setitem__(0, now[0] + seconds), lambda: 0.0)
    return surge.held(cluster, lambda: cluster, "ns", name, clock)  # type: ignore[arg-type]


def test_below_its_target_a_surge_asks_for_no_replica_and_above_it_load_does() -> None:
    cluster = Cluster(hpa("other", "other"), hpa())
    assert wanted(cluster.hpas[f"{PATH}/w"]["spec"], 85, 5) == 5  # as Kubernetes has it
    with hold(cluster):
        spec = cluster.hpas[f"{PATH}/w"]["spec"]
        assert [wanted(spec, percent, 5) for percent in (20, 85, 105)] == [4, 4, 4]
        assert wanted(spec, 150, 5) == 8
        assert "tolerance" not in down(cluster, "other")
    assert cluster.hpas[f"{PATH}/w"]["spec"] == hpa()["spec"]
    assert not cluster.hpas[f"{PATH}/w"]["metadata"]["annotations"]


def test_a_tolerance_of_its_own_comes_back() -> None:
    cluster = Cluster(hpa(tolerance="250m"))
    with pytest.raises(ZeroDivisionError), hold(cluster):
        assert down(cluster)["tolerance"] == surge.HELD
        raise ZeroDivisionError
    assert down(cluster)["tolerance"] == "250m"


def test_what_somebody_else_set_meanwhile_stays() -> None:
    cluster = Cluster(hpa(tolerance="250m"))
    with hold(cluster):
        down(cluster)["tolerance"] = "300m"
    assert down(cluster)["tolerance"] == "300m"
    assert not cluster.hpas[f"{PATH}/w"]["metadata"]["annotations"]


def test_an_older_kubernetes_keeps_nothing_of_it() -> None:
    cluster = Cluster(hpa(), forgets=True)
    with hold(cluster) as warnings:
        assert cluster.hpas[f"{PATH}/w"]["metadata"]["annotations"] == {}
    assert warnings == []


@pytest.mark.parametrize("found", [
    hpa() | {"metadata": {"name": "w", "ownerReferences": [{"kind": "ScaledObject", "name": "w"}]}},
    {**hpa(), "spec": {**hpa()["spec"], "behavior": None}},
], ids=["KEDA's", "without a behaviour"])  # fmt: skip
def test_it_leaves_alone(found: Json) -> None:
    cluster = Cluster(copy.deepcopy(found))
    with hold(cluster) as warnings:
        assert cluster.hpas[f"{PATH}/w"] == found
    assert (cluster.hpas[f"{PATH}/w"], warnings) == (found, [])


def test_who_may_not_change_it_is_told() -> None:
    cluster = Cluster(hpa(), refuses=[KubeError(403, "Forbidden", "cannot patch")])
    with hold(cluster) as warnings:
        pass
    assert len(warnings) == 1 and "HPA w may count" in warnings[0] and "cannot patch" in warnings[0]


def test_conflicts_and_lost_answers_change_nothing(beside: list[Any]) -> None:
    cluster = Cluster(hpa(), refuses=[KubeError(409, "Conflict", "modified"), KubeError(503, "x", "away")])
    cluster.loses_answers = 1
    with hold(cluster) as warnings:
        assert down(cluster)["tolerance"] == surge.HELD
        cluster.loses_answers = 1
    assert "tolerance" not in down(cluster) and warnings == [] and len(beside) == 1


def test_one_that_a_killed_run_held_is_held_on_and_given_back(
    beside: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(hpa(tolerance="250m"))
    hold(cluster).__enter__()  # and nobody leaves
    monkeypatch.setattr(surge, "alive", lambda process: False)
    beside[0]()
    assert down(cluster)["tolerance"] == "250m"
    hold(cluster).__enter__()
    with hold(cluster):
        assert down(cluster)["tolerance"] == surge.HELD
    assert down(cluster)["tolerance"] == "250m"


def test_who_waits_next_holds_it_although_who_waited_before_has_ended(
    beside: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollout that fails is undone in the same second, before the process beside the first wait looks again."""
    cluster = Cluster(hpa(tolerance="250m"))
    monkeypatch.setattr(surge, "alive", lambda process: False)
    with hold(cluster):
        pass
    with hold(cluster):
        beside[0]()
        assert down(cluster)["tolerance"] == surge.HELD
    assert down(cluster)["tolerance"] == "250m"

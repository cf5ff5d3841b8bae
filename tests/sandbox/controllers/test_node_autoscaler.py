"""The node autoscaler's decisions, by table and by property."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.module_utils.gke.machine import machine_shape
from sandbox.controllers.node_autoscaler import (
    AutoscalerSettings,
    ClusterView,
    Memory,
    NoScaleUp,
    PoolState,
    ScaleDown,
    ScaleUp,
    plan,
)
from sandbox.controllers.node_autoscaler_loop import NodeAutoscaler

QUICK = AutoscalerSettings(scale_down_unneeded_seconds=30, scale_down_delay_after_add_seconds=30)
SHAPE = machine_shape("e2-medium")


def node(name: str, *, ready: bool = True) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "940m", "memory": "2972Mi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def pod(
    name: str,
    cpu: int,
    on: str | None = None,
    *,
    namespace: str = "x",
    owner: str | None = "ReplicaSet",
    **annotations: str,
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": "m"},
            "annotations": annotations,
        },
        "spec": {"containers": [{"resources": {"requests": {"cpu": f"{cpu}m", "memory": "100Mi"}}}]},
        "status": {"phase": "Running"},
    }
    if owner:
        found["metadata"]["ownerReferences"] = [{"kind": owner, "uid": owner, "controller": True}]
    if on:
        found["spec"]["nodeName"] = on
    else:
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        found["status"] = {"phase": "Pending", "conditions": [condition]}
    return found


def pool(nodes: list[str], low: int = 1, high: int = 3) -> PoolState:
    return PoolState("p", True, low, high, SHAPE, {}, (), tuple(nodes), "group")


def decide(
    nodes: list[dict[str, Any]],
    pods: list[dict[str, Any]],
    names: list[str] | None = None,
    *,
    low: int = 1,
    high: int = 3,
    memory: Memory | None = None,
    now: float = 0,
    budgets: tuple[dict[str, Any], ...] = (),
) -> list[Any]:
    names = [n["metadata"]["name"] for n in nodes] if names is None else names
    return plan(
        ClusterView(tuple(nodes), tuple(pods), budgets),
        [pool(names, low, high)],
        QUICK,
        memory or Memory(),
        now,
    )


def test_a_pod_without_room_gets_a_node() -> None:
    decisions = decide([node("a")], [pod("1", 800, "a"), pod("2", 300)])
    assert [(d.pool, d.count, d.pods) for d in decisions if isinstance(d, ScaleUp)] == [
        ("p", 1, (("x", "2"),))
    ]


def test_pods_that_share_a_node_ask_for_one() -> None:
    (up,) = decide([node("a")], [pod("0", 900, "a"), pod("1", 300), pod("2", 300), pod("3", 300)])
    assert (up.count, len(up.pods)) == (1, 3)


def test_a_node_that_is_coming_is_not_asked_for_again() -> None:
    assert decide([node("a")], [pod("1", 800, "a"), pod("2", 300)], ["a", "coming"]) == []


def test_at_the_maximum_nothing_comes_and_the_reason_is_told() -> None:
    decisions = decide([node("a")], [pod("1", 800, "a"), pod("2", 300)], high=1)
    assert decisions == [NoScaleUp(("x", "2"), "1 max node group size reached")]


def test_a_pod_that_fits_no_machine_is_told_so() -> None:
    assert decide([node("a")], [pod("2", 5000)]) == [NoScaleUp(("x", "2"), "1 Insufficient cpu")]


def asking(name: str = "2", **spec: Any) -> dict[str, Any]:
    """A pending pod with a request of 100m, and what else its specification says."""
    found = pod(name, 100)
    found["spec"] |= spec
    return found


def container(cpu: str, **more: str) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu, **more}}}


def test_a_pod_that_asks_for_disk_gets_a_node() -> None:
    (up,) = decide([node("a")], [asking(containers=[container("300m", **{"ephemeral-storage": "10Gi"})])])
    assert isinstance(up, ScaleUp)


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"nodeSelectorTerms": list(terms)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


SIDECAR = {**container("100m"), "restartPolicy": "Always"}
GT = {"matchExpressions": [{"key": "generation", "operator": "Gt", "values": ["3"]}]}
MISMATCH = "1 node(s) didn't match Pod's node affinity/selector"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"containers": [container("300m")], "initContainers": [SIDECAR, container("850m")]}, "1 Insufficient cpu"),
        ({"resources": {"requests": {"cpu": "950m"}}}, "1 Insufficient cpu"),
        ({"containers": [container("100m", **{"nvidia.com/gpu": "1"})]}, "1 Insufficient nvidia.com/gpu"),
        ({"containers": [container("100m", memory="1Pi")]}, "1 Insufficient memory"),
        ({"containers": [container("100m", **{"ephemeral-storage": "50G"})]}, "1 Insufficient ephemeral-storage"),
        ({"containers": [container("+1")]}, "1 Insufficient cpu"),
        ({"affinity": affinity({})}, MISMATCH),
        ({"affinity": affinity(GT)}, MISMATCH),
    ],
)  # fmt: skip
def test_a_pod_that_no_node_of_the_pool_can_take_brings_none_and_is_told_why(
    spec: dict[str, Any], reason: str
) -> None:
    """By Kubernetes' own arithmetic; the node there is is empty, and has a generation that is no number."""
    labelled = node("a")
    labelled["metadata"]["labels"] = {"generation": "third"}
    assert decide([labelled], [asking(**spec)]) == [NoScaleUp(("x", "2"), reason)]


def test_a_pod_with_a_gpu_brings_no_node_of_a_pool_without_when_the_others_are_full() -> None:
    gpu = asking(containers=[container("100m", **{"nvidia.com/gpu": "1"})])
    decisions = decide([node("a")], [pod("1", 900, "a"), gpu])
    assert decisions == [NoScaleUp(("x", "2"), "1 Insufficient nvidia.com/gpu")]


class Rest:
    """An API server with a node that is full, and these pods one scan after the other."""

    def __init__(self, *scans: list[dict[str, Any]]) -> None:
        self.scans = list(scans)

    def get(self, path: str, **_: str) -> dict[str, Any]:
        if path == "/api/v1/pods":
            return {"items": self.scans.pop(0) if len(self.scans) > 1 else self.scans[0]}
        return {"items": [node("a")] if path == "/api/v1/nodes" else []}

    def apply(self, *_: Any) -> None: ...

    def post(self, *_: Any) -> None: ...


class Pools:
    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.added: list[str] = []

    def pool_states(self) -> list[PoolState]:
        return [pool(["a"])]

    def autoscaler_settings(self) -> AutoscalerSettings:
        return AutoscalerSettings(scan_seconds=0)

    def scale_up(self, pool_name: str) -> str:
        self.added.append(pool_name)
        self.stop.set()
        return "b"


def test_an_odd_pod_does_not_end_the_autoscaler(caplog: pytest.LogCaptureFixture) -> None:
    full = pod("1", 900, "a")
    stop = threading.Event()
    nodes = Pools(stop)
    odd = asking("odd", containers=[container("no quantity")])
    rest: Any = Rest([full, odd], [full, pod("2", 300)])
    thread = threading.Thread(target=NodeAutoscaler(rest, nodes).run, args=(stop,), daemon=True)  # type: ignore[arg-type]
    thread.start()
    thread.join(10)
    stop.set()
    assert nodes.added == ["p"]
    assert "no quantity" in caplog.text


def test_a_minimum_above_the_size_takes_effect() -> None:
    (up,) = decide([node("a")], [], low=2)
    assert up.count == 1


def after_idle(pods: list[dict[str, Any]], budgets: tuple[dict[str, Any], ...] = ()) -> list[Any]:
    """Decisions once node b could have gone: 30 s after it was first seen idle."""
    memory, nodes = Memory(), [node("a"), node("b")]
    assert decide(nodes, pods, memory=memory, now=0, budgets=budgets) == []
    assert decide(nodes, pods, memory=memory, now=20, budgets=budgets) == []
    return decide(nodes, pods, memory=memory, now=30, budgets=budgets)


SYSTEM = pod("dns", 100, "a", namespace="kube-system")


def test_an_idle_node_goes_after_its_time_and_its_pods_move() -> None:
    assert after_idle([SYSTEM, pod("1", 300, "b")]) == [ScaleDown("b", (("x", "1"),))]


def test_a_node_stays_for_what_can_not_move() -> None:
    for blocker in (
        pod("1", 300, "b", owner=None),
        pod("1", 300, "b", **{"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}),
        pod("1", 300, "b", namespace="kube-system"),
        pod("1", 600, "b"),
    ):
        assert after_idle([SYSTEM, pod("full", 500, "a"), blocker]) == []


def test_a_disruption_budget_that_allows_none_keeps_the_node() -> None:
    budget = {
        "metadata": {"namespace": "x"},
        "spec": {"selector": {"matchLabels": {"app": "m"}}},
        "status": {"disruptionsAllowed": 0},
    }
    assert after_idle([SYSTEM, pod("1", 300, "b")], (budget,)) == []


def test_the_minimum_is_kept() -> None:
    memory = Memory()
    decide([node("a"), node("b")], [], low=2, memory=memory)
    assert decide([node("a"), node("b")], [], low=2, memory=memory, now=1000) == []


def test_daemon_sets_go_with_their_node() -> None:
    assert after_idle([SYSTEM, pod("d", 600, "b", owner="DaemonSet")]) == [ScaleDown("b", ())]


POD = st.tuples(st.integers(10, 1200), st.sampled_from([None, "n0", "n1", "n2"]))


@settings(max_examples=200)
@given(st.integers(1, 3), st.lists(POD, max_size=12), st.integers(0, 2), st.integers(3, 6))
def test_limits_hold_and_every_pod_that_can_have_a_node_gets_one(
    count: int, wishes: list[tuple[int, str | None]], low: int, high: int
) -> None:
    nodes = [node(f"n{i}") for i in range(count)]
    free = dict.fromkeys((n["metadata"]["name"] for n in nodes), 940)
    pods = []
    for number, (cpu, place) in enumerate(wishes):
        if place in free and free[place] >= cpu:
            free[place] -= cpu
            pods.append(pod(str(number), cpu, place))
        else:
            pods.append(pod(str(number), cpu))
    decisions = decide(nodes, pods, low=low, high=high)
    grown = sum(d.count for d in decisions if isinstance(d, ScaleUp))
    assert count + grown <= max(high, count)
    helped = {key for d in decisions if isinstance(d, ScaleUp) for key in d.pods}
    told = {d.pod for d in decisions if isinstance(d, NoScaleUp)}
    assert not helped & told
    for d in decisions:
        if isinstance(d, NoScaleUp) and "Insufficient" in d.reason:
            assert next(cpu for n, (cpu, _) in enumerate(wishes) if str(n) == d.pod[1]) > 940

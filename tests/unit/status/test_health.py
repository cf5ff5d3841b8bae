"""When a site is healthy, degraded or down, and what comes close to it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock
from ansible_collections.mlops.tfserving.plugins.module_utils.status import look as looking
from ansible_collections.mlops.tfserving.plugins.module_utils.status.health import line, summary

Json = dict[str, Any]
Objects = dict[str, list[Json]]
NOW = 1_800_000_000.0
START = 300


def ago(seconds: float) -> str:
    return datetime.fromtimestamp(NOW - seconds, UTC).isoformat()


def ready(*, is_ready: bool = True, since: float = 1000) -> Json:
    status = "True" if is_ready else "False"
    return {"conditions": [{"type": "Ready", "status": status, "lastTransitionTime": ago(since)}]}


def pod(name: str, app: str = "m", **status: Any) -> Json:
    labels = {"app": app} | ({"mlops.tfserving/track": "canary"} if app.endswith("-canary") else {})
    metadata = {"name": name, "labels": labels, "creationTimestamp": ago(1000),
                "annotations": {"mlops.tfserving/model-version": "3"}}  # fmt: skip
    return {"metadata": metadata, "spec": {"nodeName": "n"}, "status": {**ready(), **status}}


@pytest.fixture
def site() -> Objects:
    hpa = {"scaleTargetRef": {"kind": "Deployment", "name": "m"}, "minReplicas": 1, "maxReplicas": 4}
    return {
        "Node": [{"metadata": {"name": "n"}, "status": ready()}],
        "Pod": [pod("m-1"), pod("m-2")],
        "Service": [{
            "metadata": {"name": "m"}, "spec": {"type": "LoadBalancer"},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
        }],
        "Deployment": [{"metadata": {"name": "m"}, "spec": {"replicas": 2}, "status": {"availableReplicas": 2}}],
        "HorizontalPodAutoscaler": [{"metadata": {"name": "m"}, "spec": hpa, "status": {"currentMetrics": [{"type": "Resource"}], "conditions": [
            {"type": "ScalingActive", "status": "True"}, {"type": "AbleToScale", "status": "True"},
            {"type": "ScalingLimited", "status": "False"}]}}],
    }  # fmt: skip


def judged(site: Objects) -> tuple[str, list[str]]:
    found = summary(site, "m", NOW, START)
    return found["health"], found["reasons"]


def test_what_machines_are_told(site: Objects) -> None:
    site["Pod"] += [pod("m-canary-1", "m-canary"), pod("theirs", "x")]
    found = summary(site, "m", NOW, START)
    assert (found["health"], found["reasons"]) == ("healthy", [])
    assert found["replicas"] == {"ready": 2, "wanted": 2, "min": 1, "max": 4}
    assert found["nodes"] == {"ready": 1, "all": 1}
    assert [(one["name"], one["version"], one["canary"]) for one in found["pods"]] == [
        ("m-1", "3", False), ("m-2", "3", False), ("m-canary-1", "3", True),
    ]  # fmt: skip
    assert line(found) == "healthy: 2 of 2 replicas, 1 of 1 nodes ready"


def two_metrics(site: Objects, *others: Json) -> None:
    """CPU, which is read, and memory."""
    hpa = site["HorizontalPodAutoscaler"][0]
    target = {"type": "Utilization", "averageUtilization": 60}
    hpa["spec"]["metrics"] = [
        {"type": "Resource", "resource": {"name": name, "target": target}} for name in ("cpu", "memory")
    ]
    hpa["status"]["currentMetrics"] = [{"type": "Resource"}, *others]


def condition(site: Objects, kind: str, **fields: str) -> None:
    conditions = site["HorizontalPodAutoscaler"][0]["status"]["conditions"]
    next(one for one in conditions if one["type"] == kind).update(fields)


def held(site: Objects, **status: int) -> None:
    """As a rollout holds it, which stands so."""
    site["HorizontalPodAutoscaler"][0]["metadata"]["annotations"] = {"mlops.tfserving/held-tolerance": "@me"}
    site["Deployment"][0]["status"].update(status)


def waits(reason: str) -> Json:
    return {
        **ready(is_ready=False, since=10),
        "containerStatuses": [{"state": {"waiting": {"reason": reason}}}],
    }


def short(
    site: Objects, ready: int, since: float, *, wanted: int = 4, of: str = "m", scaled: float = 5000
) -> None:
    """A Deployment that has had fewer pods than it is to have."""
    deployment = next((one for one in site["Deployment"] if one["metadata"]["name"] == of), None)
    if deployment is None:
        deployment = {"metadata": {"name": of}}
        site["Deployment"].append(deployment)
    deployment["metadata"]["managedFields"] = [
        {"manager": "kube-controller-manager", "subresource": "scale", "time": ago(scaled)},
        {"manager": "kube-controller-manager", "subresource": "status", "time": ago(1)},
    ]
    deployment["spec"] = {"replicas": wanted}
    deployment["status"] = {"availableReplicas": ready, "conditions": [
        {"type": "Available", "status": "False", "lastTransitionTime": ago(since)}]}  # fmt: skip


def refused(site: Objects, message: str, status: str = "True") -> None:
    """Of the pods that it is to have some are not made."""
    site["Deployment"][0]["status"].setdefault("conditions", []).append(
        {"type": "ReplicaFailure", "status": status, "reason": "FailedCreate", "message": message}
    )


@pytest.mark.parametrize(
    ("change", "health", "reason"),
    [
        (lambda s: refused(s, "exceeded quota"), "degraded", "pods of m can't be made: exceeded quota"),
        (lambda s: short(s, 1, since=301), "degraded", "1 of 4 pods of m are ready since 301 s"),
        (lambda s: short(s, 1, since=9000, scaled=301), "degraded", "1 of 4 pods of m are ready since 301 s"),
        (lambda s: short(s, 1, 301, wanted=2, of="m-hold"), "degraded", "1 of 2 pods of m-hold are ready since 301 s"),
        (lambda s: short(s, 0, 301, wanted=2, of="m-hold"), "degraded", "0 of 2 pods of m-hold are ready since 301 s"),
        (lambda s: short(s, 0, 301, wanted=1, of="m-idlest"), "degraded", "0 of 1 pods of m-idlest are ready since 301 s"),
        (lambda s: short(s, 0, 301, wanted=1, of="m-canary"), "degraded", "0 of 1 pods of m-canary are ready since 301 s"),
        (lambda s: s["Deployment"].clear(), "down", "there is no Deployment m"),
        (lambda s: s["Deployment"][0]["status"].update(availableReplicas=0), "down", "no replica is ready"),
        (lambda s: s["Service"].clear(), "down", "there is no Service m"),
        (lambda s: s["Service"][0].update(status={}), "down", "the load balancer has no address"),
        (lambda s: s["Node"][0].update(status=ready(is_ready=False)), "degraded", "node n is not ready"),
        (lambda s: s["Pod"].append(pod("late", **ready(is_ready=False, since=301))), "degraded", "pod late is not ready since 301 s"),
        (lambda s: s["Pod"].append(pod("bad", **waits("CrashLoopBackOff"))), "degraded", "pod bad can't start: CrashLoopBackOff"),
        (lambda s: s["Pod"].append(pod("c", "m-canary", **waits("ErrImagePull"))), "degraded", "pod c can't start: ErrImagePull"),
        (lambda s: s["Deployment"][0]["status"].update(conditions=[
            {"type": "Progressing", "status": "False", "message": "deadline exceeded"}]), "degraded",
         "the rollout does not go on: deadline exceeded"),
        (lambda s: condition(s, "ScalingActive", status="False", message="no metrics"), "degraded",
         "the HPA does not know its metrics: no metrics"),
        (lambda s: condition(s, "AbleToScale", status="False", reason="FailedGetScale"), "degraded",
         "the HPA can't scale: FailedGetScale"),
        (lambda s: condition(s, "ScalingLimited", status="True", reason="TooManyReplicas"), "degraded",
         "the HPA wants more than its maximum of 4 replicas"),
        (lambda s: s["HorizontalPodAutoscaler"].clear(), "degraded", "there is no HPA, so it does not scale: run playbooks/autoscaling.yml"),
        (lambda s: s["Deployment"][0]["spec"].update(paused=True), "degraded",
         "the Deployment is paused: no change of its pods is rolled out"),
        (lambda s: two_metrics(s, {"type": ""}), "degraded", "the HPA can't read memory, and so does not scale in"),
        (lambda s: held(s, updatedReplicas=2, replicas=2, readyReplicas=2), "degraded",
         "the HPA is held by a rollout that is over, and scales in by nothing: run playbooks/autoscaling.yml"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(
    site: Objects, change: Callable[[Objects], None], health: str, reason: str
) -> None:
    change(site)
    assert judged(site) == (health, [reason])


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["Pod"].append(pod("new", **ready(is_ready=False, since=299))),
        lambda s: s["Pod"].append(pod("new", **waits("ContainerCreating"))),
        lambda s: s["Pod"].append(pod("evicted", **ready(is_ready=False), phase="Failed")),
        lambda s: s["Pod"].append(pod("theirs", "x", **waits("CrashLoopBackOff"))),
        lambda s: s["Pod"][0]["metadata"].update(deletionTimestamp=ago(1)) or s["Pod"][0].update(status=ready(is_ready=False)),
        lambda s: s["Deployment"][0]["spec"].update(replicas=3),
        lambda s: short(s, 1, since=299),
        lambda s: short(s, 1, since=9000, scaled=299),
        lambda s: short(s, 0, since=9000, of="theirs"),
        lambda s: refused(s, "exceeded quota", status="False"),
        lambda s: condition(s, "ScalingLimited", status="True", reason="TooFewReplicas"),
        lambda s: condition(s, "ScalingActive", status="False", reason="ScalingDisabled"),
        lambda s: held(s, updatedReplicas=1, replicas=3),
        lambda s: two_metrics(s, {"type": "Resource"}),
        lambda s: s["Service"][0].update(spec={"type": "ClusterIP"}, status={}),
    ],
)  # fmt: skip
def test_what_passes_by_itself_is_healthy(site: Objects, change: Callable[[Objects], None]) -> None:
    change(site)
    assert judged(site) == ("healthy", [])


class Api:
    """Answers lists as they are at a time, of which each look has five seconds; an error is raised."""

    def __init__(self, clock: Clock, *looks: Objects | KubeError) -> None:
        self.clock, self.looks = clock, looks

    def get(self, path: str, **_query: object) -> Json:
        kind = next(
            (
                kind
                for kind, (start, end) in looking.KINDS.items()
                if path.startswith(start) and path.endswith(end or "nodes")
            ),
            "",
        )
        if not kind or "metrics.k8s.io" in path:
            raise KubeError(404, "NotFound", path)
        now = self.looks[int(self.clock.now() / 5)]
        if isinstance(now, KubeError):
            raise now
        return {"items": now[kind], "metadata": {}}


def test_a_watch_tells_each_change_once_and_the_last_look_counts(
    site: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(looking, "progress", told.append)
    broken = copy.deepcopy(site)
    broken["Node"][0]["status"] = ready(is_ready=False)
    away = KubeError(503, "Unavailable", "the API server is away")
    time = [0.0]
    clock = Clock(lambda: time[0], lambda s: time.__setitem__(0, time[0] + s), lambda: NOW)
    api = Api(clock, site, site, broken, broken, away, broken, site)
    params = {
        "namespace": "s",
        "app": "m",
        "start_seconds": START,
        "watch_seconds": 30,
        "refresh_seconds": 5,
        "billing": {},
    }
    found = looking.look(api, params, clock)  # type: ignore[arg-type]
    assert found["summary"]["health"] == "healthy"
    assert [words.partition(" ")[2].partition(":")[0] for words in told] == [
        "healthy", "degraded", "not read", "degraded", "healthy",
    ]  # fmt: skip


@pytest.mark.parametrize("seconds", [5, 10])
def test_a_watch_whose_last_look_was_not_read_fails_whatever_it_saw_before(
    site: Objects, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    away = KubeError(503, "Unavailable", "the API server is away")
    time = [0.0]
    clock = Clock(lambda: time[0], lambda s: time.__setitem__(0, time[0] + s), lambda: NOW)
    told: list[str] = []
    monkeypatch.setattr(looking, "progress", told.append)
    params = {"namespace": "s", "app": "m", "start_seconds": START, "watch_seconds": seconds, "refresh_seconds": 5,
              "billing": {}}  # fmt: skip
    with pytest.raises(KubeError, match="the API server is away"):
        looking.look(Api(clock, site, away, away), params, clock)  # type: ignore[arg-type]
    assert [words.partition(" ")[2].partition(":")[0] for words in told] == ["healthy", "not read"]


@pytest.mark.parametrize(
    ("health", "word"), [("healthy", None), ("degraded", "failed"), ("down", "unreachable")]
)
def test_health_that_is_not_wanted_ends_the_task(health: str, word: str | None) -> None:
    given = {"health": health, "reasons": ["why"], "replicas": {}, "nodes": {}, "pods": []}
    found = looking.status(
        {"summary": given, "fail_on": ["degraded", "down"]}, lambda: pytest.fail("nothing is read")
    )
    assert {"failed", "unreachable"} & found.keys() == ({word} if word else set())
    assert looking.status({"summary": given, "fail_on": []}, lambda: pytest.fail("nothing is read")).keys() == {
        "changed", "summary", "line",
    }  # fmt: skip


def to_zero(site: Objects, *, by_hpa: bool, holders: int) -> None:
    """No replica, and pods that hold requests."""
    site["Deployment"][0]["spec"]["replicas"] = 0
    site["Deployment"][0]["status"].pop("availableReplicas")
    site["Deployment"].append(
        {"metadata": {"name": "m-hold"}, "spec": {"replicas": 2}, "status": {"availableReplicas": holders}}
    )
    hpa = site["HorizontalPodAutoscaler"][0]
    hpa["spec"]["minReplicas"] = 0
    hpa["status"]["conditions"].append({"type": "ScaledToZero", "status": "True" if by_hpa else "False"})
    site["Pod"].clear()


def test_a_site_that_nobody_asks_is_healthy_without_a_replica(site: Objects) -> None:
    to_zero(site, by_hpa=True, holders=2)
    assert judged(site) == ("healthy", [])
    assert summary(site, "m", NOW, START)["replicas"] == {"ready": 0, "wanted": 0, "min": 0, "max": 4}


def test_a_replica_that_is_on_its_way_is_waited_for(site: Objects) -> None:
    to_zero(site, by_hpa=True, holders=2)
    site["Deployment"][0]["spec"]["replicas"] = 1
    assert judged(site) == ("healthy", [])


def test_held_requests_wait_no_longer_than_a_replica_may_take(site: Objects) -> None:
    to_zero(site, by_hpa=True, holders=2)
    short(site, 0, since=300, wanted=1)
    assert judged(site) == ("healthy", [])
    short(site, 0, since=9000, wanted=1)
    assert judged(site) == ("down", ["no replica is ready since 5000 s: requests are held for none"])
    refused(site, "exceeded quota")
    assert judged(site) == ("down", [
        "no replica is ready since 5000 s: requests are held for none", "pods of m can't be made: exceeded quota",
    ])  # fmt: skip


def test_a_site_at_zero_is_healthy_however_long(site: Objects) -> None:
    to_zero(site, by_hpa=True, holders=2)
    site["Deployment"][0]["status"]["conditions"] = [
        {"type": "Available", "status": "True", "lastTransitionTime": ago(9000)}
    ]
    assert judged(site) == ("healthy", [])


def test_a_site_that_somebody_else_took_to_zero_is_down(site: Objects) -> None:
    to_zero(site, by_hpa=False, holders=2)
    assert judged(site) == ("down", [
        "there is no replica, and it was no autoscaler that took the last: none comes until somebody sets one"
    ])  # fmt: skip


def test_without_those_who_hold_requests_it_is_down(site: Objects) -> None:
    to_zero(site, by_hpa=True, holders=0)
    assert judged(site) == ("down", ["no replica is ready, and no pod of m-hold, which would hold requests"])

"""The loop that waits for a rollout, on a clock and an API of the test's own."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.rollout import (
    RolloutFailed,
    listed,
    status_now,
    wait_for_rollout,
)
from kube_objects import Json, crashing, event, history, node, pod, running, unscheduled, workload
from scripted_api import ScriptedApi

DEPLOYMENT = "/apis/apps/v1/namespaces/ns/deployments/w"
REPLICASETS = "/apis/apps/v1/namespaces/ns/replicasets"
PODS = "/api/v1/namespaces/ns/pods"
EVENTS = "/api/v1/namespaces/ns/events"
NODES = "/api/v1/nodes"

COMING = workload()
DONE = workload(readyReplicas=1, availableReplicas=1)


def cluster(deployment: Any, *pods: Json, events: Any = (), **more: Any) -> ScriptedApi:
    answers = {DEPLOYMENT: deployment, REPLICASETS: history(), PODS: list(pods), EVENTS: list(events), **more}
    return ScriptedApi(**answers)


def wait(api: ScriptedApi, timeout: float = 60, kind: str = "Deployment") -> tuple[str, list[str]]:
    said: list[str] = []
    _, status = wait_for_rollout(api, kind, "ns", "w", timeout=timeout, clock=api.clock, say=said.append)
    return status, said


def failure(api: ScriptedApi, timeout: float = 60) -> Any:
    with pytest.raises(RolloutFailed) as raised:
        wait(api, timeout)
    return raised.value.failed


def test_what_is_done_costs_one_request() -> None:
    api = cluster(DONE)
    assert wait(api) == ("1 of 1 available, 1 updated", [])
    assert api.requests == [DEPLOYMENT]


def test_it_waits_says_each_change_once_and_ends_when_done() -> None:
    api = cluster(lambda s: DONE if s >= 10 else COMING, pod(containerStatuses=[running()]))
    status, said = wait(api)
    assert status.startswith("1 of 1 available")
    assert len(said) == 1
    assert "runs, not ready yet" in said[0]
    assert api.seconds == 10


def test_it_fails_within_a_second_with_the_pods_last_words() -> None:
    found = pod(name="w-1", containerStatuses=[crashing(1, message="bad flag")])
    api = cluster(
        COMING,
        found,
        events=[event(found, "BackOff", "Back-off restarting failed container m in pod w-1", count=4)],
    )
    api.logs["w-1", "m", False] = "loading\n\nbad flag\nfatal: giving up\n"
    failed = failure(api)
    assert api.seconds == 0
    assert failed.evidence == (
        "bad flag", "loading", "fatal: giving up",
        "event BackOff: Back-off restarting failed container m in pod w-1 (4 times)",
    )  # fmt: skip


def test_the_log_of_the_life_before_is_read_where_it_runs_again() -> None:
    found = pod(name="w-1", containerStatuses=[running(restartCount=2, lastState=crashing(1)["lastState"])])
    api = cluster(COMING, found)
    api.logs["w-1", "m", True] = "what it died of"
    api.logs["w-1", "m", False] = "starting again"
    assert failure(api).evidence == ("what it died of",)


def test_when_time_is_over_it_tells_what_the_probe_said_and_the_log() -> None:
    found = pod(name="w-1", containerStatuses=[running()])
    api = cluster(
        COMING,
        found,
        events=[event(found, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404")],
    )
    api.logs["w-1", "m", False] = "no versions of servable found"
    failed = failure(api, timeout=5)
    assert api.seconds == 5
    assert "not rolled out within 5 s" in failed.reason
    assert "statuscode: 404" in failed.reason
    assert "version" in failed.hint
    assert "no versions of servable found" in failed.evidence


def test_a_node_that_comes_is_followed_until_the_pod_runs() -> None:
    found = unscheduled("0/1 nodes are available: 1 Insufficient cpu.", since=30)
    told = event(found, "TriggeredScaleUp", "pod triggered scale-up: [{p 1->2 (max: 3)}]")
    api = cluster(lambda s: DONE if s >= 90 else COMING, found, events=[told], **{NODES: [node()]})
    status, said = wait(api, timeout=300)
    assert status.startswith("1 of 1")
    assert any("one is coming" in line for line in said)


def test_nodes_that_may_not_be_listed_are_done_without() -> None:
    found = unscheduled("0/1 nodes are available: 1 Insufficient cpu.", since=30)
    refused = KubeError(403, "Forbidden", "nodes is forbidden")
    api = cluster(lambda s: DONE if s >= 3 else COMING, found, **{NODES: refused})
    assert wait(api)[0].startswith("1 of 1")


def test_nodes_are_not_listed_while_containers_only_start() -> None:
    api = cluster(lambda s: DONE if s >= 3 else COMING, pod(containerStatuses=[running()]))
    wait(api)
    assert NODES not in api.requests


def test_an_api_server_that_is_away_for_a_moment_is_waited_for() -> None:
    away = KubeError(0, "NoAnswer", "no answer from https://cluster")
    api = cluster(lambda s: away if s < 4 else DONE)
    status, said = wait(api)
    assert status.startswith("1 of 1")
    assert said == ["w: no answer from https://cluster"]


def test_an_api_server_that_stays_away_is_not_waited_for_beyond_the_timeout() -> None:
    failed = failure(
        cluster(KubeError(503, "ServiceUnavailable", "no answer from https://cluster")), timeout=3
    )
    assert "no answer from https://cluster" in failed.reason


@pytest.mark.parametrize(("status", "reason"), [(404, "NotFound"), (403, "Forbidden"), (401, "Unauthorized")])
def test_what_is_not_there_or_not_allowed_fails_at_once(status: int, reason: str) -> None:
    api = cluster(KubeError(status, reason, "w"))
    with pytest.raises(KubeError) as raised:
        wait(api)
    assert raised.value.reason == reason
    assert api.seconds == 0


def test_another_rollout_that_takes_over_is_named() -> None:
    other = workload(spec={"template": {"spec": {"containers": [{"image": "m:2"}]}}})
    other["metadata"] |= {
        "generation": 3,
        "managedFields": [{"manager": "kubectl-set", "time": "2026-01-01T00:00:03Z"}],
    }
    api = cluster(lambda s: other if s >= 3 else COMING, pod(containerStatuses=[running()]))
    failed = failure(api)
    assert "another rollout took over" in failed.reason
    assert "kubectl-set" in failed.reason
    assert "generation 3" in failed.reason


def test_a_scaled_workload_is_not_another_rollout() -> None:
    scaled = workload(
        spec={"replicas": 3}, replicas=3, updatedReplicas=3, readyReplicas=3, availableReplicas=3
    )
    api = cluster(lambda s: scaled if s >= 3 else COMING, pod(containerStatuses=[running()]))
    assert wait(api)[0] == "3 of 3 available, 3 updated"


def test_a_workload_that_is_deleted_or_made_anew_meanwhile_is_told() -> None:
    gone = cluster(lambda s: None if s >= 2 else COMING, pod(containerStatuses=[running()]))
    assert "was deleted while" in failure(gone).reason
    anew = {**DONE, "metadata": {**DONE["metadata"], "uid": "another"}}
    replaced = cluster(lambda s: anew if s >= 2 else COMING, pod(containerStatuses=[running()]))
    assert "made anew" in failure(replaced).reason


def test_long_lists_are_read_page_by_page() -> None:
    api = ScriptedApi(**{PODS: [{"n": n} for n in range(7)]})
    api.page = 3
    assert [found["n"] for found in listed(api, PODS)] == list(range(7))


def test_a_run_that_does_not_wait_says_how_it_stands() -> None:
    def stands(api: ScriptedApi) -> str:
        return status_now(api, "Deployment", "ns", "w", api.clock.wall())

    assert stands(cluster(DONE)).endswith("now: 1 of 1 available, 1 updated")
    assert "exit code 1" in stands(cluster(COMING, pod(containerStatuses=[crashing(1)])))
    assert "there is no Deployment w yet" in stands(ScriptedApi())


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "Job"])
def test_other_kinds_are_found_where_they_live(kind: str) -> None:
    group = "batch" if kind == "Job" else "apps"
    base = f"/apis/{group}/v1/namespaces/ns"
    done = {"StatefulSet": {"readyReplicas": 1, "availableReplicas": 1}, "DaemonSet": {"numberReady": 1, "numberAvailable": 1},
            "Job": {"succeeded": 1, "active": 0, "conditions": [{"type": "Complete", "status": "True"}]}}[kind]  # fmt: skip
    api = ScriptedApi(
        **{
            f"{base}/{kind.lower()}s/w": lambda s: workload(kind, **done) if s >= 2 else workload(kind),
            f"{base}/controllerrevisions": history(kind),
            PODS: [pod(kind=kind, containerStatuses=[running()])],
            EVENTS: [],
        }
    )
    status, said = wait(api, kind=kind)
    assert status.startswith("1 of 1")
    assert "runs, not ready yet" in said[0]

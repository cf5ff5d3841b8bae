"""One unlucky answer of an API server changes nothing; what lasts is told in words that name who answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s import client
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import RETRY_AFTER_MAX, Clock
from ansible_collections.mlops.tfserving.plugins.modules import k8s_diff, k8s_objects_info, k8s_rollout
from unlucky import FAULTS, Fault, Unlucky

Json = dict[str, Any]
PODS = "/api/v1/namespaces/n/pods"
POD: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": {}}
DEPLOYMENT: Json = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n", "generation": 1},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "d"}}, "template": {}},
    "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1},
}  # fmt: skip
LISTS: dict[str, Fault] = {
    "items: null": (200, {}, b'{"kind": "PodList", "metadata": {}, "items": null}'),
    "no objects": (200, {}, b'{"kind": "PodList", "metadata": {}, "items": [{}]}'),
    "an empty list": (200, {}, b'{"kind": "PodList", "metadata": {}, "items": []}'),
    "{}": (200, {}, b"{}"),
}


def answer(method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
    resource = {"namespaced": True, "verbs": ["get", "list"]}
    known = {
        "/version": {"major": "1", "minor": "34"},
        "/api/v1": {"kind": "APIResourceList", "resources": [{"name": "pods", "kind": "Pod", **resource}]},
        "/apis/apps/v1": {
            "kind": "APIResourceList", "resources": [{"name": "deployments", "kind": "Deployment", **resource}],
        },
        PODS: {"kind": "PodList", "metadata": {}, "items": [POD]},
        f"{PODS}/p": POD,
        "/apis/apps/v1/namespaces/n/deployments/d": DEPLOYMENT,
    }  # fmt: skip
    if method == "PATCH":
        return 200, DEPLOYMENT
    return (200, known[path]) if path in known else (404, {"kind": "Status", "message": "no such thing"})


class Time:
    def __init__(self) -> None:
        self.pauses: list[float] = []

    @property
    def clock(self) -> Clock:
        return Clock(lambda: sum(self.pauses), self.pauses.append)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("fault", {**FAULTS, **LISTS}.values(), ids={**FAULTS, **LISTS})
def test_a_read_is_asked_again(fault: Fault, times: int) -> None:
    with Unlucky(answer, fault, times).served() as server:
        found = KubeClient(server.kubeconfig, clock=Time().clock).get(PODS)
    assert found["items"] == [POD]
    assert server.asked["GET", PODS] == times + 1


def test_a_time_out_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "READ_TIMEOUT", 0.3)
    with Unlucky(answer, "silence").served() as server:
        assert KubeClient(server.kubeconfig, clock=Time().clock).get(PODS)["items"] == [POD]


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("fault", ["429", "503", "reset", "page of a proxy"])
def test_a_write_is_never_sent_twice(method: str, fault: str) -> None:
    with Unlucky(answer, FAULTS[fault], 9, methods=(method,)).served() as server:
        api = KubeClient(server.kubeconfig, clock=Time().clock)
        with pytest.raises(KubeError):
            getattr(api, method.lower())(PODS, {})
    assert sum(server.asked.values()) == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("429", "Too many requests, please try again later. The API server has too much to do"),
        ("500", "etcdserver: leader changed. The API server is in trouble"),
        ("502", "in front of the API server"),
        ("page of a proxy", "is no proxy in between"),
        ("null", "answered no JSON object"),
        ("reset", "no answer from http://127.0.0.1"),
    ],
)
def test_what_lasts_is_told_in_words(fault: str, words: str) -> None:
    with Unlucky(answer, FAULTS[fault], 99).served() as server:
        with pytest.raises(KubeError, match=words):
            KubeClient(server.kubeconfig, clock=Time().clock).get(PODS)
        assert 3 <= server.asked["GET", PODS] <= 10


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_one(status: int) -> None:
    with Unlucky(answer, (status, {}, b"no"), 99).served() as server:
        with pytest.raises(KubeError) as error:
            KubeClient(server.kubeconfig).get(PODS)
        assert error.value.status == status
        assert server.asked["GET", PODS] == 1


def test_the_servers_wish_is_followed_up_to_a_limit() -> None:
    for wish, longest in (("7", 7.0), ("3600", RETRY_AFTER_MAX)):
        time = Time()
        with Unlucky(answer, (503, {"retry-after": wish}, b"{}")).served() as server:
            KubeClient(server.kubeconfig, clock=time.clock).get(PODS)
        assert time.pauses == [longest]


def test_a_pods_answer_goes_through_as_it_is() -> None:
    """Not as the API server's: urllib3 takes 503 with Retry-After for a reason to try again, and then for no answer."""
    with Unlucky(answer, FAULTS["503"], 99).served() as server:
        status, headers, body = KubeClient(server.kubeconfig).raw("GET", f"{PODS}/p:8501/proxy/v1/models/m")
    assert (status, headers["retry-after"]) == (503, "1")
    assert json.loads(body) == {"error": "the queue of this replica is full"}
    assert sum(server.asked.values()) == 1


@pytest.mark.parametrize("module", ["k8s_objects_info", "k8s_diff", "k8s_rollout"])
def test_a_module_says_what_it_says_with_luck(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    options: dict[str, tuple[Any, Json]] = {
        "k8s_objects_info": (k8s_objects_info, {"kind": "Pod", "namespace": "n"}),
        "k8s_diff": (k8s_diff, {"definition": [DEPLOYMENT], "field_manager": "m"}),
        "k8s_rollout": (k8s_rollout, {"kind": "Deployment", "name": "d", "namespace": "n"}),
    }
    results = []
    for times in (0, 1):
        with Unlucky(answer, FAULTS["503"], times, methods=("GET", "PATCH")).served() as server:
            code, given = options[module]
            with patch_module_args({"kubeconfig": server.kubeconfig, **given}), pytest.raises(SystemExit):
                code.main()
        results.append(json.loads(capsys.readouterr().out))
    with_luck, without = (
        {key: value for key, value in found.items() if key not in ("invocation", "elapsed", "seconds")}
        for found in results
    )
    assert not with_luck.get("failed"), with_luck
    assert with_luck == without

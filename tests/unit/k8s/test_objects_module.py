"""k8s_objects and what else is written: an answer that was lost is neither a failure nor a change more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.lease import hold
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.listing import awaited, pages
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.options import client_from_params
from ansible_collections.mlops.tfserving.plugins.module_utils.outcome import negative
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock, Policy
from ansible_collections.mlops.tfserving.plugins.modules import k8s_objects
from unlucky import FAULTS, Unlucky

Json = dict[str, Any]
WANTED: Json = {
    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}, "data": {"a": "1"},
}  # fmt: skip
KINDS = {"kind": "APIResourceList", "resources": [
    {"name": "configmaps", "kind": "ConfigMap", "namespaced": True}, {"name": "secrets", "kind": "Secret", "namespaced": True},
]}  # fmt: skip


class Server:
    """One ConfigMap; ``lost``: of how many writes the answer gets lost after they were done."""

    def __init__(self, there: Json | None = None, lost: int = 0) -> None:
        self.there, self.lost, self.version = there, lost, 1
        self.written: list[str] = []

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        if path == "/api/v1":
            return 200, KINDS
        given = json.loads(body) if body else {}
        if method == "PATCH":
            made = {**given, "metadata": {**given["metadata"], "uid": "u", "resourceVersion": "1"}}
            if "dryRun" not in query:
                self.there = made
                return self.wrote(method, made)
            return 200, made
        if self.there is None:
            return 404, {"kind": "Status", "reason": "NotFound"}
        if method == "DELETE":
            assert given["preconditions"] == {"uid": "u"}
            found, self.there = self.there, None
            return self.wrote(method, found)
        return 200, self.there

    def wrote(self, method: str, answer: Json) -> tuple[int, Json]:
        self.written.append(method)
        self.lost -= 1
        return (504, {"kind": "Status"}) if self.lost >= 0 else (200, answer)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Policy, "pause", lambda *_unused: 0.01)


def run(server: Server, fault: str = "503", times: int = 0, *, check: bool = False, **options: Any) -> Json:
    way = Unlucky(server.answer, FAULTS[fault], times, methods=("GET", "PATCH", "DELETE"))
    given = {
        "definition": [WANTED],
        "state": "present",
        "field_manager": "m",
        "force_conflicts": False,
        "context": None,
    }
    with way.served() as served:
        return k8s_objects.answer({**given, "kubeconfig": served.kubeconfig, **options}, check_mode=check)


def there(**data: str) -> Json:
    return {**WANTED, "metadata": {**WANTED["metadata"], "uid": "u", "resourceVersion": "1"}, "data": data}


@pytest.mark.parametrize("times", [0, 1, 2])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_answer_before_every_request_changes_nothing(fault: str, times: int) -> None:
    made = run(Server(), fault, times)
    assert (made["changed"], made["objects"][0]["data"]) == (True, {"a": "1"})
    assert run(Server(there(a="1")), fault, times)["changed"] is False
    gone = run(Server(there(a="1")), fault, times, state="absent")
    assert (gone["changed"], len(gone["objects"])) == (True, 1)
    assert run(Server(), fault, times, state="absent")["changed"] is False


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_write_whose_answer_was_lost_is_one_change(state: str) -> None:
    server = Server(None if state == "present" else there(a="1"), lost=1)
    assert run(server, state=state)["changed"] is True
    assert (server.there is None) == (state == "absent")


def test_a_check_writes_nothing_and_shows_what_would_change() -> None:
    server = Server(there(a="0"))
    found = run(server, check=True)
    assert found["changed"] and server.written == []
    (diff,) = found["diff"]
    assert (diff["before"]["data"], diff["after"]["data"]) == ({"a": "0"}, {"a": "1"})
    assert run(Server(there(a="1")), check=True, state="absent")["changed"]


def test_what_a_secret_holds_is_not_shown() -> None:
    secret = {**WANTED, "kind": "Secret", "data": {"a": "aGlkZGVu"}}
    assert "aGlkZGVu" not in str(run(Server(), definition=[secret])["diff"])


def test_a_kind_that_the_cluster_does_not_have_is_not_there() -> None:
    assert run(Server(), definition=[{**WANTED, "kind": "Widget"}], state="absent")["changed"] is False


def test_a_lease_whose_answer_was_lost_is_held() -> None:
    """As one that was taken: otherwise nobody would renew it."""
    kept: Json = {}

    def answer(method: str, path: str, query: Any, body: bytes) -> tuple[int, Any]:
        if method == "POST":
            kept.update(json.loads(body), metadata={"name": "l", "resourceVersion": "1"})
            return 502, {}
        return (200, kept) if kept else (404, {})

    with Unlucky(answer, "reset", 0).served() as served:
        api = KubeClient(served.kubeconfig)
        clock = Clock(sleep=lambda _seconds: None)
        assert hold(api, "n", "me", timeout=5, check_mode=False, clock=clock)["acquired"] is True


def test_a_list_without_end_is_told() -> None:
    def answer(method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        more = "b" if query.get("continue") == ["a"] else "a"
        return 200, {"kind": "PodList", "items": [], "metadata": {"resourceVersion": "1", "continue": more}}

    endless = pytest.raises(KubeError, match="a page came for the second time")
    with Unlucky(answer, "reset", 0).served() as served, endless:
        list(pages(KubeClient(served.kubeconfig), "/api/v1/pods"))


def test_a_condition_is_waited_for_and_told_in_its_own_words() -> None:
    status: Json = {
        "conditions": [{"type": "Ready", "status": "False", "reason": "Slow", "message": "no metrics yet"}]
    }
    found = {**there(a="1"), "status": status}

    def answer(method: str, path: str, query: Any, body: bytes) -> tuple[int, Any]:
        return (200, KINDS) if path == "/api/v1" else (200, found)

    seconds = [0.0]

    def sleep(pause: float) -> None:
        seconds[0] += pause
        if seconds[0] >= 3:
            status["conditions"][0]["status"] = "True"

    params = {
        "api_version": "v1",
        "kind": "ConfigMap",
        "namespace": "n",
        "name": "c",
        "label_selectors": [],
        "condition": "Ready",
    }
    with Unlucky(answer, "reset", 0).served() as served:
        api, clock = KubeClient(served.kubeconfig), Clock(lambda: seconds[0], sleep)
        with pytest.raises(KubeError, match="ConfigMap c is not Ready after 1 s: Slow no metrics yet"):
            awaited(api, {**params, "timeout": 1}, clock)
        assert awaited(api, {**params, "timeout": 9}, clock) == [found]


@pytest.mark.parametrize("name", ["a/b", "..", "a?b", "a b", "a%2Fb"])
@pytest.mark.parametrize("option", ["namespace", "name", "run", "deployment"])
def test_a_name_that_leads_elsewhere_is_refused(option: str, name: str) -> None:
    with pytest.raises(KubeError, match=f"`{option}` is "):
        client_from_params({"kubeconfig": {}, option: name})


def test_times_below_zero_are_refused() -> None:
    for option in ("timeout", "wait_timeout", "metrics_window_seconds"):
        failed = negative({option: -1, "version": -1})
        assert failed and f"`{option}` must be 0 seconds or more, not -1" in failed["msg"]
    assert negative({"timeout": 0, "version": -1}) is None

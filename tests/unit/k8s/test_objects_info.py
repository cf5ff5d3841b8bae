"""k8s_objects_info, and what all modules that ask a cluster refuse."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.listing import awaited, pages
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.options import client_from_params
from ansible_collections.mlops.tfserving.plugins.module_utils.outcome import negative
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock
from ansible_collections.mlops.tfserving.plugins.modules import k8s_objects_info
from unlucky import Unlucky

Json = dict[str, Any]
KINDS = {
    "kind": "APIResourceList",
    "resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True}],
}


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
    found = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "n"},
        "status": status,
    }

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


def test_of_several_objects_those_that_are_there_are_read_and_the_forbidden_refused_unless_skipped() -> None:
    def answer(method: str, path: str, query: Any, body: bytes) -> tuple[int, Any]:
        if path == "/api/v1":
            return 200, KINDS
        status = {"there": 200, "not": 403, "neither": 403}.get(path.rpartition("/")[2], 404)
        return status, {"metadata": {"name": "there"}} if status == 200 else {
            "kind": "Status", "code": status, "reason": {403: "Forbidden", 404: "NotFound"}[status],
        }  # fmt: skip

    def named(name: str, api: str = "v1", kind: str = "ConfigMap") -> Json:
        return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "n"}}

    wanted = [
        named("there"),
        named("gone"),
        named("not"),
        named("neither"),
        named("x", "keda.sh/v1alpha1", "ScaledObject"),
    ]
    there = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "there"}}]
    with Unlucky(answer, "reset", 0).served() as served:

        def asked(**options: Any) -> Json:
            spec = ArgumentSpecValidator(k8s_objects_info.SPEC["argument_spec"])
            given = spec.validate({"kubeconfig": served.kubeconfig, **options})
            return k8s_objects_info.answer(given.validated_parameters, check_mode=False)

        refused = asked(objects=wanted)
        assert (refused["failed"], refused["reason"]) == (True, "Forbidden")
        assert refused["msg"] == (
            "ConfigMap not, ConfigMap neither may not be read with this kubeconfig: run this as whoever may (docs/roles/ names the rights)."
        )
        for readable in (
            asked(objects=wanted, skip_forbidden=True),
            asked(objects=[one for one in wanted if one["metadata"]["name"] in ("there", "gone", "x")]),
        ):
            assert readable == {"changed": False, "resources": there}


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

"""The module k8s_rollout: what it returns, what it refuses, what check mode does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.converge import converge
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.modules import k8s_rollout
from kube_objects import Json, crashing, history, pod, workload
from scripted_api import ScriptedApi

BASE = "/apis/apps/v1/namespaces/ns"


def cluster(deployment: Json, *pods: Json) -> ScriptedApi:
    sets = history()
    for replicaset, image in zip(sets, ("m:1", "m:2"), strict=True):
        replicaset["spec"] = {"template": {"metadata": {"labels": {}}, "spec": {"image": image}}}
    return ScriptedApi(
        **{
            f"{BASE}/deployments/w": deployment, f"{BASE}/replicasets": sets,
            "/api/v1/namespaces/ns/pods": list(pods), "/api/v1/namespaces/ns/events": [],
        }
    )  # fmt: skip


def done(image: str = "m:2") -> Json:
    template = {"metadata": {"labels": {}}, "spec": {"image": image}}
    found = workload(spec={"template": template}, readyReplicas=1, availableReplicas=1)
    found["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "2"}
    return found


def run(api: ScriptedApi, *, check_mode: bool = False, **params: Any) -> dict[str, Any]:
    defaults = {
        "namespace": "ns",
        "name": "w",
        "kind": "Deployment",
        "state": "waited",
        "revision": None,
        "timeout": 30,
        "hold_hpa": True,
    }
    return converge(api, {**defaults, **params}, check_mode, api.clock)


def test_it_returns_how_the_rollout_stands() -> None:
    assert run(cluster(done())) == {
        "changed": False,
        "status": "1 of 1 available, 1 updated",
        "replicas": 1,
        "revision": "2",
    }


def test_undone_changes_the_template_and_waits() -> None:
    api = cluster(done())
    result = run(api, state="undone")
    assert result["changed"]
    assert result["diff"] == {
        "before": {"metadata": {"labels": {}}, "spec": {"image": "m:2"}},
        "after": {"metadata": {"labels": {}}, "spec": {"image": "m:1"}},
    }
    assert result["replicas"] == 1


def test_undone_to_a_revision_is_idempotent() -> None:
    assert run(cluster(done("m:1")), state="undone", revision=1)["changed"] is False


def test_check_mode_says_what_would_change_and_waits_for_nothing() -> None:
    api = cluster(workload(spec=done()["spec"]), pod(containerStatuses=[crashing(1)]))
    result = run(api, state="undone", check_mode=True)
    assert result["changed"]
    assert api.patches[0][0].endswith("&dryRun=All")
    assert "exit code 1" in result["status"]
    assert api.seconds == 0


def test_check_mode_of_what_is_not_there_yet_is_no_error() -> None:
    assert "there is no Deployment w yet" in run(ScriptedApi(), check_mode=True)["status"]
    with pytest.raises(KubeError, match="no Deployment w in namespace ns"):
        run(ScriptedApi())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"revision": 3}, "`revision` only says where `state: undone` returns to"),
        ({"timeout": -1}, "`timeout` must be 0 seconds or more"),
        ({"kind": "ReplicaSet"}, "Deployment, StatefulSet, DaemonSet, Job"),
        (
            {"kubeconfig": "/nonexistent/kubeconfig"},
            "cannot use /nonexistent/kubeconfig: there is no such file. Give `kubeconfig`",
        ),
        (
            {"kubeconfig": "~nobody-at-all/kubeconfig"},
            "cannot use ~nobody-at-all/kubeconfig: there is no such",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    options: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    common = {"namespace": "ns", "name": "w", "kubeconfig": "/nonexistent"}
    with patch_module_args({**common, **options}), pytest.raises(SystemExit):
        k8s_rollout.main()
    result = json.loads(capsys.readouterr().out)
    assert result["failed"]
    assert words in result["msg"]

"""Returning to an earlier pod template."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.rollback import rollback
from kube_objects import Json, workload
from scripted_api import ScriptedApi

OWNER = [{"uid": "w-uid", "controller": True}]


def template(image: str) -> Json:
    return {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "m", "image": image}]}}


def replicaset(number: int, image: str) -> Json:
    own = template(image)
    own["metadata"]["labels"]["pod-template-hash"] = f"hash{number}"
    return {
        "metadata": {"name": f"w-{number}", "ownerReferences": OWNER, "annotations": {"deployment.kubernetes.io/revision": str(number)}},
        "spec": {"template": own},
    }  # fmt: skip


def controller_revision(number: int, image: str) -> Json:
    own = {**template(image), "$patch": "replace"}
    own["metadata"]["creationTimestamp"] = None
    return {
        "metadata": {"name": f"w-{number}", "ownerReferences": OWNER},
        "revision": number,
        "data": {"spec": {"template": own}},
    }


def foreign(kind: str = "Deployment", **spec: Any) -> Json:
    """A workload that another tool manages."""
    made = workload(kind, spec={"template": template("m:3"), **spec})
    made["metadata"]["managedFields"] = [{"manager": "kubectl", "operation": "Update"}]
    return made


def cluster(kind: str = "Deployment", revisions: int = 3, **spec: Any) -> ScriptedApi:
    make = replicaset if kind == "Deployment" else controller_revision
    resource = "replicasets" if kind == "Deployment" else "controllerrevisions"
    base = "/apis/apps/v1/namespaces/ns"
    return ScriptedApi(
        **{
            f"{base}/{kind.lower()}s/w": foreign(kind, **spec),
            f"{base}/{resource}": [make(number, f"m:{number}") for number in range(1, revisions + 1)],
        }
    )


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize(("wanted", "image"), [(None, "m:2"), (1, "m:1")])
def test_the_earlier_template_comes_back_as_it_was(kind: str, wanted: int | None, image: str) -> None:
    api = cluster(kind)
    changed, before, after = rollback(api, kind, "ns", "w", desired=wanted)
    assert changed
    assert (before, after) == (template("m:3"), template(image))
    [(path, patch, content_type)] = api.patches
    assert path == f"/apis/apps/v1/namespaces/ns/{kind.lower()}s/w?fieldManager=mlops.tfserving"
    assert content_type == "application/json-patch+json"
    assert patch == [
        {"op": "test", "path": "/metadata/generation", "value": 2},
        {"op": "replace", "path": "/spec/template", "value": template(image)},
    ]


def test_a_dry_run_is_asked_of_the_server() -> None:
    api = cluster()
    assert rollback(api, "Deployment", "ns", "w", dry_run=True)[0]
    assert api.patches[0][0].endswith("&dryRun=All")


def test_a_revision_that_is_there_already_changes_nothing() -> None:
    api = cluster()
    assert rollback(api, "Deployment", "ns", "w", desired=3)[0] is False
    assert api.patches == []


@pytest.mark.parametrize(
    ("api", "kind", "wanted", "words"),
    [
        (cluster(revisions=1), "Deployment", None, "no earlier revision"),
        (cluster(), "Deployment", 9, "no revision 9 (kept: 1, 2, 3)"),
        (cluster(paused=True), "Deployment", None, "paused"),
        (cluster(), "Job", None, "keeps no earlier pod template"),
        (ScriptedApi(), "Deployment", None, "no Deployment w in namespace ns"),
    ],
)
def test_what_cannot_be_undone_is_said(api: ScriptedApi, kind: str, wanted: int | None, words: str) -> None:
    with pytest.raises(KubeError) as raised:
        rollback(api, kind, "ns", "w", desired=wanted)
    assert words in raised.value.message
    assert api.patches == []


def test_somebody_who_changes_it_at_the_same_time_is_told() -> None:
    api = cluster()
    path = "/apis/apps/v1/namespaces/ns/deployments/w"
    mine, theirs = api.answers[path], workload(spec={"template": template("m:4")})
    looks = iter([mine, theirs])
    api.answers[path] = lambda _: next(looks)
    api.answers[f"PATCH {path}"] = KubeError(422, "Invalid", "the server rejected our request")
    with pytest.raises(KubeError) as raised:
        rollback(api, "Deployment", "ns", "w")
    assert raised.value.reason == "Conflict"
    assert "at the same time" in raised.value.message


def test_an_autoscaler_at_work_is_no_hindrance() -> None:
    api = cluster()
    path = "/apis/apps/v1/namespaces/ns/deployments/w"
    scaled = foreign()
    scaled["metadata"]["generation"] = 3
    looks = iter([api.answers[path], scaled])
    api.answers[path] = lambda _: next(looks)
    refusals = iter([KubeError(422, "Invalid", "the server rejected our request"), {}])
    api.answers[f"PATCH {path}"] = lambda _: next(refusals)
    assert rollback(api, "Deployment", "ns", "w")[0]
    assert [patch[0]["value"] for _, patch, _ in api.patches] == [2, 3]


def applied(**metadata: Any) -> Json:
    made = workload(spec={"template": template("m:3"), "replicas": 4})
    made["metadata"] |= {"resourceVersion": "7", "labels": {"app": "w"}, **metadata}
    return made


def test_what_is_applied_gets_its_template_applied_so_that_the_next_apply_can_drop_it() -> None:
    api = cluster()
    path = "/apis/apps/v1/namespaces/ns/deployments/w"
    annotations = {"deployment.kubernetes.io/revision": "3", "mlops.tfserving/routes": "x"}
    api.answers[path] = applied(annotations=annotations)
    assert rollback(api, "Deployment", "ns", "w") == (True, template("m:3"), template("m:2"))
    [(asked, body, content_type)] = api.patches
    assert asked == f"{path}?fieldManager=mlops.tfserving&force=true"
    assert content_type == "application/apply-patch+yaml"
    assert body["spec"] == {"selector": {"matchLabels": {"app": "w"}}, "template": template("m:2")}, (
        "no replicas: the HPA's"
    )
    assert body["metadata"] == {
        "name": "w", "resourceVersion": "7", "labels": {"app": "w"}, "annotations": {"mlops.tfserving/routes": "x"},
    }  # fmt: skip


def test_replicas_stay_with_who_applied_them() -> None:
    api = cluster()
    mine = applied()
    mine["metadata"]["managedFields"][0]["fieldsV1"] = {"f:spec": {"f:replicas": {}}}
    api.answers["/apis/apps/v1/namespaces/ns/deployments/w"] = mine
    rollback(api, "Deployment", "ns", "w")
    assert api.patches[0][1]["spec"]["replicas"] == 4


def test_a_status_that_is_written_at_the_same_time_is_no_hindrance() -> None:
    api = cluster()
    path = "/apis/apps/v1/namespaces/ns/deployments/w"
    looks = iter([applied(), applied(resourceVersion="8")])
    api.answers[path] = lambda _: next(looks)
    refusals = iter([KubeError(409, "Conflict", "the object has been modified"), {}])
    api.answers[f"PATCH {path}"] = lambda _: next(refusals)
    assert rollback(api, "Deployment", "ns", "w")[0]
    assert [body["metadata"]["resourceVersion"] for _, body, _ in api.patches] == ["7", "8"]


def test_a_refusal_for_another_reason_is_told() -> None:
    api = cluster()
    api.answers["PATCH /apis/apps/v1/namespaces/ns/deployments/w"] = KubeError(
        422, "Invalid", "image: Required value"
    )
    with pytest.raises(KubeError, match="Required value"):
        rollback(api, "Deployment", "ns", "w")
    assert len(api.patches) == 1

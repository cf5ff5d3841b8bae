"""k8s_diff and k8s_objects_info against a real API server: what kubernetes.core.k8s would change, they tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.modules import k8s_diff, k8s_objects_info
from api_server import ApiServer

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
BASE = "/apis/apps/v1/namespaces/n/deployments"
APPLY = "application/apply-patch+yaml"

# By the object's name: what somebody else does to it, as a merge patch of their own, and whether that is undone.
DONE_BY_OTHERS: dict[str, tuple[Json | None, bool]] = {
    "untouched": ({}, False),
    "changed-by-hand": ({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 5}}}}, True),
    "scaled-by-an-autoscaler": ({"spec": {"replicas": 4}}, False),
    "labelled-by-others": ({"metadata": {"labels": {"team": "ml"}}}, False),
    "with-the-label-that-we-want": ({"metadata": {"labels": {"tier": "gold"}}}, False),
    "with-another-value-of-it": ({"metadata": {"labels": {"tier": "lead"}}}, True),
    "deleted": (None, True),
}
OWNER_ALONE = "with-the-label-that-we-want"
"""Applied, it would have one owner more and be what it is: a change to kubernetes.core.k8s, and none to us."""


def deployment(name: str, *, labelled: bool = False) -> Json:
    container = {"name": "c", "image": "example.org/c:1", "resources": {"requests": {"cpu": "1000m"}}}
    pod = {"containers": [container], "terminationGracePeriodSeconds": 60}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "n", **({"labels": {"tier": "gold"}} if labelled else {})},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }  # fmt: skip


WANTED = [deployment(name, labelled=name.startswith("with-")) for name in DONE_BY_OTHERS]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """What was applied once, and what others have done since."""
    made = ApiServer(tmp_path_factory.mktemp("api"))
    client = made.client
    client.post("/api/v1/namespaces", {"metadata": {"name": "n", "labels": {"tier": "gold"}}})
    for name, (change, _unused) in DONE_BY_OTHERS.items():
        client.patch(f"{BASE}/{name}?fieldManager=ours", deployment(name), content_type=APPLY)
        if change is None:
            client.delete(f"{BASE}/{name}")
        else:
            client.patch(f"{BASE}/{name}?fieldManager=somebody", change)
    yield made
    made.close()


def differences(server: ApiServer, *wanted: Json, force: bool = True) -> Json:
    given = {
        "definition": list(wanted), "field_manager": "ours", "force_conflicts": force, "own_kinds": [], "site": "",
    }  # fmt: skip
    return k8s_diff.answer({**given, "kubeconfig": server.kubeconfig(), "context": None}, check_mode=False)


def names(objects: list[Json]) -> list[str]:
    return [item["metadata"]["name"] for item in objects]


def test_its_verdict_is_that_of_kubernetes_core(server: ApiServer, tmp_path: Path) -> None:
    expected = [name for name, (_unused, undone) in DONE_BY_OTHERS.items() if undone]
    before = server.client.get(BASE)["items"]
    found = differences(server, *WANTED)
    assert names(found["pending"]) == expected
    assert names(found["objects"]) == list(DONE_BY_OTHERS)
    dry = applied(server, tmp_path, check=True)
    assert [name for name, changed in dry.items() if changed and name != OWNER_ALONE] == expected
    assert dry[OWNER_ALONE]
    assert server.client.get(BASE)["items"] == before, "nothing was written by either"
    assert applied(server, tmp_path, check=False) == dry
    assert differences(server, *WANTED)["pending"] == []


def applied(server: ApiServer, folder: Path, *, check: bool) -> dict[str, bool]:
    """Whether kubernetes.core.k8s would change, or changes, each object."""
    apply = {"field_manager": "ours", "force_conflicts": True}
    task = {
        "kubernetes.core.k8s": {
            "definition": WANTED, "apply": True, "server_side_apply": apply, "kubeconfig": str(folder / "kubeconfig"),
        },
        "check_mode": check, "register": "done",
    }  # fmt: skip
    keep = {"content": "{{ done | to_json }}", "dest": str(folder / "done.json"), "mode": "0600"}
    play = {
        "hosts": "localhost", "gather_facts": False, "connection": "local",
        "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": [task, {"ansible.builtin.copy": keep}],
    }  # fmt: skip
    (folder / "play.yml").write_text(json.dumps([play]))
    # A file: of a dictionary Ansible hides every value, "c" included, in the whole result.
    (folder / "kubeconfig").write_text(json.dumps(server.kubeconfig()))
    run = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(folder / "play.yml")],
        capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}, cwd=ROOT,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    results = json.loads((folder / "done.json").read_text())["result"]["results"]
    return {one["result"]["metadata"]["name"]: one["changed"] for one in results}


def test_a_field_of_somebody_else_is_a_conflict_unless_it_is_taken(server: ApiServer) -> None:
    ours = deployment("scaled-by-an-autoscaler")
    ours["spec"]["replicas"] = 1
    assert names(differences(server, ours)["pending"]) == ["scaled-by-an-autoscaler"]
    refused = differences(server, ours, force=False)
    assert refused["failed"]
    assert refused["reason"] == "Conflict"
    assert 'conflict with "somebody"' in refused["msg"]
    assert ".spec.replicas" in refused["msg"]


def test_objects_without_their_namespace_or_kind_yet(server: ApiServer) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later"}}
    inside = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "later"}}
    found = differences(server, namespace, inside)
    assert names(found["pending"]) == ["later", "c"]
    assert names(found["objects"]) == ["later"], "what the other would be is not known"
    custom = {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"}}
    assert "the cluster has no Widget of example.org/v1" in differences(server, custom)["msg"]


def test_what_the_api_server_refuses_is_told_in_its_words(server: ApiServer) -> None:
    odd = deployment("untouched")
    odd["spec"]["template"]["spec"]["containers"][0]["image"] = ""
    assert "spec.template.spec.containers[0].image: Required value" in differences(server, odd)["msg"]
    odd["spec"] = {"replica": 1}
    assert ".spec.replica: field not declared in schema" in differences(server, odd)["msg"]


def read(server: ApiServer, **params: Any) -> Json:
    given = {name: one.get("default") for name, one in k8s_objects_info.SPEC["argument_spec"].items()}
    return k8s_objects_info.answer({**given, "kubeconfig": server.kubeconfig(), **params}, check_mode=False)


def test_objects_by_label_name_and_namespace(server: ApiServer) -> None:
    pool = {"apiVersion": "v1", "kind": "ConfigMap", "data": {}}
    labels = {"a": {"app": "m", "track": "canary"}, "b": {"app": "m"}, "c": {"app": "o"}}
    for name, own in labels.items():
        server.client.post(
            "/api/v1/namespaces/n/configmaps", {**pool, "metadata": {"name": name, "labels": own}}
        )
    server.client.post("/api/v1/namespaces/default/configmaps", {**pool, "metadata": {"name": "d"}})

    def found(*selectors: str, **params: Any) -> list[str]:
        return names(read(server, kind="ConfigMap", label_selectors=list(selectors), **params)["resources"])

    assert found("app=m", namespace="n") == ["a", "b"]
    assert found("app=m", "track!=canary", namespace="n") == ["b"]
    assert found("app in (m, o)") == ["a", "b", "c"]
    assert found(namespace="n", name="c") == ["c"]
    assert found(namespace="n", name="none") == []
    assert found(namespace="none") == []
    assert {"a", "b", "c", "d"} <= set(found()), "of all namespaces"
    assert names(read(server, kind="Namespace", label_selectors=["tier=gold"])["resources"]) == ["n"]
    (one,) = read(server, kind="Namespace", name="n")["resources"]
    assert (one["apiVersion"], one["kind"]) == ("v1", "Namespace")
    assert "found '=', expected" in read(server, kind="ConfigMap", label_selectors=["a=b=c"])["msg"]

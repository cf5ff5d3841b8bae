"""The module that looks for leftovers, asking the emulated Google, which leaves some as Google does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.leftovers import look as looking
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.project import Unread
from ansible_collections.mlops.tfserving.plugins.modules import gcs_bucket, gke_cluster, site_leftovers_info
from emulator import PROJECT, ZONE, Emulator
from objects import Objects
from starlette.testclient import TestClient

Json = dict[str, Any]
Call = Callable[..., Json]
COMPUTE = f"/compute/v1/projects/{PROJECT}"
POOL = {"name": "a", "machine_type": "e2-small", "initial_node_count": 1}
SITE = {
    "cluster": "c", "location": ZONE, "namespace": "tfserving", "app": "image-classifier", "bucket": "models",
    "accounts": [f"gke-nodes@{PROJECT}.iam.gserviceaccount.com"], "addresses": ["endpoint"],
}  # fmt: skip


def service(uid: str, **annotations: str) -> Json:
    return {
        "kind": "Service",
        "metadata": {"namespace": "tfserving", "name": "image-classifier", "uid": uid, "annotations": annotations},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 8501}]},
    }  # fmt: skip


VOLUME: Json = {
    "kind": "PersistentVolume",
    "metadata": {"name": "pvc-1"},
    "spec": {
        "capacity": {"storage": "20Gi"},
        "claimRef": {"namespace": "tfserving", "name": "data"},
        "csi": {"volumeHandle": f"projects/{PROJECT}/zones/{ZONE}/disks/pvc-1"},
    },
}


def kinds(answer: Json) -> list[str]:
    assert not answer.get("failed"), answer
    return sorted({one["kind"] for one in answer["resources"]})


@pytest.fixture
def left_behind(call: Call, emulator: Emulator, http: TestClient) -> None:
    """Something of each kind, as a cluster leaves it whose Services and claims were not removed before it.

    A node that its deletion missed is Google's own failure, and so put there by hand.
    """
    uid = "6f1c2b3a-0000-4000-8000-000000000001"
    newer = {"cloud.google.com/l4-rbs": "enabled", "cloud.google.com/neg": "{}"}
    emulator.next.objects = [service(uid), service("f" + uid[1:], **newer), VOLUME]
    call(gke_cluster, name="c", location=ZONE, node_pools=[POOL])
    (cluster,) = emulator.orchestrator.clusters()
    kept = [
        (place, item)
        for place, item in emulator.orchestrator.resources.listed(PROJECT, "instances", [cluster])
    ]
    call(gke_cluster, name="c", location=ZONE, state="absent")
    for place, item in kept:
        emulator.orchestrator.resources.keep(PROJECT, ("instances", place, item))
    call(gke_cluster, name="c", location=ZONE, node_pools=[POOL])  # a tenth: a cluster of that name
    call(gcs_bucket, name="models", location="us-central1")
    assert http.post(f"{COMPUTE}/regions/us-central1/addresses", json={"name": "endpoint"}).status_code == 200
    account = {"accountId": "gke-nodes"}
    assert http.post(f"/v1/projects/{PROJECT}/serviceAccounts", json=account).status_code == 200


@pytest.mark.usefixtures("left_behind")
def test_each_thing_that_was_left_behind_is_found(call: Call, emulator: Emulator) -> None:
    answer = call(site_leftovers_info, **SITE)
    assert kinds(answer) == sorted([
        "address", "backend-service", "bucket", "cluster", "disk", "firewall-rule", "forwarding-rule", "instance",
        "network-endpoint-group", "service-account", "target-pool",
    ])  # fmt: skip
    assert answer["unread"] == []
    assert all(one["sure"] for one in answer["resources"])
    costing = {one["kind"] for one in answer["resources"] if one["month"]}
    assert costing == {"address", "cluster", "disk", "forwarding-rule", "instance"}
    assert answer["changed"] is False


@pytest.mark.usefixtures("left_behind")
def test_another_site_of_the_project_has_none_of_it(call: Call) -> None:
    other = {"cluster": "other", "location": ZONE, "namespace": "theirs", "app": "x", "bucket": "none"}
    assert kinds(call(site_leftovers_info, **other)) == []


def test_what_may_not_be_read_is_told_and_the_rest_is_looked_at(
    call: Call, http: TestClient, objects: Objects
) -> None:
    objects.make_bucket("models")
    fault = {"match": {"path": "/aggregated/disks$"}, "fault": {"status": 403}}
    http.post("/sandbox/faults", json=fault).raise_for_status()
    answer = call(site_leftovers_info, **SITE)
    assert kinds(answer) == ["bucket"]
    (told,) = answer["unread"]
    assert told["what"] == "disks" and "disks" in told["reason"] and told["hint"]
    assert told["kinds"] == ["disk"]


@pytest.mark.usefixtures("left_behind")
def test_a_list_that_can_not_be_read_for_a_moment_is_no_sign_that_all_is_gone(
    call: Call, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look at the forwarding rules fails; what they are waited for would be taken for gone."""
    monkeypatch.setattr(looking, "POLL_SECONDS", 0.05)
    real, looks = looking.gather, []

    def gather(site: Any, apis: Any) -> Any:
        looks.append(1)
        answers = real(site, apis)
        if len(looks) == 2:
            compute = {noun: Unread("503", "Try again.") for noun in answers.compute}
            return replace(answers, compute=compute)
        return answers

    monkeypatch.setattr(looking, "gather", gather)
    answer = call(site_leftovers_info, **SITE, until_gone=["service"], timeout=1)
    assert len(looks) > 2
    assert answer["unread"] == [] and "forwarding-rule" in kinds(answer)


def test_it_looks_again_until_what_goes_is_gone(
    call: Call, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "POLL_SECONDS", 0.05)
    call(gke_cluster, name="c", location=ZONE, node_pools=[POOL])
    emulator.clusters[-1].objects = [service("6f1c2b3a-0000-4000-8000-000000000001")]
    waiting = {"until_gone": ["service"], "timeout": 60}
    timer = threading.Timer(0.5, emulator.clusters[-1].objects.clear)
    timer.start()
    answer = call(site_leftovers_info, **SITE, **waiting)
    assert "service" not in {one["of"] for one in answer["resources"]}
    emulator.clusters[-1].objects = [service("6f1c2b3a-0000-4000-8000-000000000001")]
    answer = call(site_leftovers_info, **SITE, until_gone=["service"], timeout=0)
    assert "service" in {one["of"] for one in answer["resources"]}, "and it does not wait forever"


def test_an_endpoint_of_its_own_for_each_api(call: Call, url: str, objects: Objects) -> None:
    objects.make_bucket("models")
    own = {"gke_api_endpoint": url, "storage_api_endpoint": url, "api_endpoint": f"{url}/elsewhere"}
    answer = call(site_leftovers_info, **SITE, **own)
    assert kinds(answer) == ["bucket"]
    assert "clusters" not in {one["what"] for one in answer["unread"]}
    assert len(answer["unread"]) == 9, "eight lists of Compute Engine, and the accounts"

"""What preflight reads of a project, from the emulated Google, rights that are missing included."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.rest import Answer, Google, connect
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight import model_size
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.gather import HOSTS, Apis, gather
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.project import (
    Bucket,
    MachineType,
    Project,
    Unread,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Policy
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.files import MANIFEST
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.settings import Settings
from cases import ROOT, asked, found_of, pool
from emulator import Emulator
from objects import Objects
from starlette.testclient import TestClient

PROJECT = "sandbox-project"
BASE = f"/v1/projects/{PROJECT}/locations/us-central1-f"
MODEL = str(ROOT / "tests/unit/saved_model/models/good")
READER = f"model-reader@{PROJECT}.iam.gserviceaccount.com"

ONCE = Policy(attempts=1)

Ask = Callable[..., Project]


def mine(**changed: Any) -> Settings:
    found = asked(**{"storage_bucket": "models-of-mine", "storage_model_source": MODEL, **changed})
    return replace(found, project=PROJECT)


@pytest.fixture
def apis(emulator: Emulator, url: str) -> Apis:
    options = {
        "auth_kind": "accesstoken", "access_token": emulator.token, "api_endpoint": url, "scopes": [],
    }  # fmt: skip
    google = connect(options)
    google.policy = ONCE
    return Apis(google, dict.fromkeys(HOSTS, url))


def test_an_empty_project(apis: Apis) -> None:
    facts = gather(mine(storage_model_source=""), apis)
    assert (facts.cluster, facts.bucket, facts.model_bytes) == (None, None, None)
    assert isinstance(facts.machine_types, dict)
    assert facts.machine_types["e2-standard-4"]["us-central1-f"] == MachineType(4, 16384)
    assert isinstance(facts.quotas, dict)
    assert facts.quotas["CPUS"].left > 0
    assert found_of(mine(), gather(mine(), apis)) == []


def test_only_what_the_settings_give_a_reason_for_is_asked(apis: Apis) -> None:
    facts = gather(mine(), apis)
    for name in ("server_config", "accelerator_types", "account_policy", "project_policy"):
        assert isinstance(getattr(facts, name), Unread), name
    more = mine(cluster_version="1.34", cluster_workload_identity="", storage_reader_workload_identity=False)
    facts = gather(more, apis)
    assert not isinstance(facts.server_config, Unread)
    assert not isinstance(facts.project_policy, Unread)


def test_a_cluster_that_is_there_and_its_nodes(apis: Apis, http: TestClient) -> None:
    body = {
        "name": "cluster-1",
        "nodePools": [
            {"name": "default-pool", "initialNodeCount": 2, "config": {"machineType": "e2-standard-4"}}
        ],
    }
    assert http.post(f"{BASE}/clusters", json={"cluster": body}).status_code == 200
    facts = gather(mine(), apis)
    assert isinstance(facts.cluster, dict)
    assert facts.cluster["name"] == "cluster-1"


def test_versions_are_judged_by_what_google_offers(apis: Apis) -> None:
    old = mine(cluster_version="1.20")
    (finding,) = found_of(old, gather(old, apis))
    assert (finding.id, "1.36.3-gke.1000000" in finding.message) == ("version", True)
    fine = mine(cluster_version="1.34")
    assert found_of(fine, gather(fine, apis)) == []


def test_machine_types_and_gpus_are_judged_by_what_google_offers(apis: Apis) -> None:
    odd = mine(
        cluster_node_pools=pool(
            machine_type="e2-standard-5", accelerators=[{"accelerator_type": "nvidia-none"}]
        ),
    )
    ids = [finding.id for finding in found_of(odd, gather(odd, apis))]
    assert {"machine-type", "accelerator-type"} <= set(ids)


def test_the_bucket_its_policy_and_the_model_in_it(apis: Apis, objects: Objects) -> None:
    stored = mine(storage_model_source="")
    objects.make_bucket("models-of-mine")
    for name, size in (
        ("1/saved_model.pb", 10),
        ("2/saved_model.pb", 20),
        ("2/variables/v", 30),
        ("notes", 5),
    ):
        objects.put("models-of-mine", f"models/image_classifier/{name}", b"x" * size)
    facts = gather(stored, apis)
    assert facts.model_bytes == 50
    assert gather(mine(storage_model_source="", storage_model_version=1), apis).model_bytes == 10
    assert gather(mine(storage_model_source="", storage_model_version=3), apis).model_bytes is None
    from_bucket = mine(storage_model_source="gs://models-of-mine/models/image_classifier/1")
    assert gather(from_bucket, apis).model_bytes == 10
    assert isinstance(facts.bucket, Bucket)
    assert facts.bucket.project_number.isdigit()
    assert facts.bucket.permissions == {"storage.buckets.setIamPolicy"}
    assert [finding.id for finding in found_of(stored, facts)] == ["model-missing"], "whole is neither"
    objects.put("models-of-mine", f"models/image_classifier/2/{MANIFEST}", b"{}")
    assert found_of(stored, gather(stored, apis)) == []


def test_of_versions_that_are_named_those_are_measured_wherever_they_are(
    apis: Apis, objects: Objects
) -> None:
    """Not what the bucket has for the one model, nor what is published beside."""
    objects.make_bucket("models-of-mine")
    objects.make_bucket("others")
    for bucket, name, size in (
        ("models-of-mine", "models/image_classifier/1/v", 900), ("others", "a/3/v", 30), ("others", "a/4/v", 40),
        ("others", "a/40/v", 400), ("others", "b/1/v", 5),
    ):  # fmt: skip
        objects.put(bucket, name, b"x" * size)
    several = mine(
        serving_models=[
            {"name": "a", "uri": "gs://others/a", "versions": [3, 4]}, {"name": "b", "uri": "gs://others/b", "versions": [1, 2]},
        ]
    )  # fmt: skip
    facts = gather(several, apis)
    assert facts.model_bytes == (30, 40, 5, 0)
    (finding,) = found_of(several, facts)
    assert (finding.id, finding.message) == (
        "model-missing",
        "gs://others/b/2 is to be served, and nothing is there",
    )
    elsewhere = mine(serving_model_uri="gs://nobodys/b/1")
    assert [one.id for one in found_of(elsewhere, gather(elsewhere, apis))] == ["model-missing"]
    promoted = mine(
        serving_models=[{"name": "a", "uri": "gs://others/a", "versions": [3]}], serving_promoted={"a": 40}
    )
    assert gather(promoted, apis).model_bytes == (400,)
    assert gather(mine(serving_model_uri="gs://others/b/1"), apis).model_bytes == (5,)


def test_gpus_that_machines_come_with_are_read() -> None:
    offer = {
        "name": "g2-standard-24", "guestCpus": 24, "memoryMb": 98304,
        "accelerators": [{"guestAcceleratorType": "nvidia-l4", "guestAcceleratorCount": 2}],
    }  # fmt: skip
    settings = mine(cluster_node_pools=pool(machine_type="g2-standard-24"))

    def google(method: str, url: str, *, body: Any, headers: Mapping[str, str]) -> Answer:
        items = {"zones/us-central1-a": {"machineTypes": [offer]}, "zones/us-central1-d": {"warning": {}}}
        return Answer(
            200, {}, json.dumps({"items": items} if "aggregated/machineTypes" in url else {}).encode()
        )

    facts = gather(settings, Apis(Google("http://x", google, policy=ONCE), dict.fromkeys(HOSTS, "http://x")))
    found = MachineType(24, 98304, (("nvidia-l4", 2),))
    assert facts.machine_types == {"g2-standard-24": {"us-central1-a": found}}


def test_a_version_is_whole_with_its_manifest_and_what_comes_last() -> None:
    names = (
        f"m/1/{MANIFEST}", "m/1/saved_model.pb", f"m/2/{MANIFEST}", "m/3/saved_model.pb", "m/1/4/saved_model.pb",
        f"m/{MANIFEST}", "m/saved_model.pb", f"m/x/{MANIFEST}", "m/x/saved_model.pb", f"m/²/{MANIFEST}", "m/²/saved_model.pb",
    )  # fmt: skip
    assert model_size.whole_versions([(name, 1) for name in names], "m/") == {1}
    assert model_size.of_version([("m/1/a", 1), ("m/²/a", 5)], "m/", None) == 1


def test_whether_pods_may_act_as_a_google_service_account(apis: Apis, http: TestClient) -> None:
    accounts = f"/v1/projects/{PROJECT}/serviceAccounts"
    assert http.post(accounts, json={"accountId": "model-reader", "serviceAccount": {}}).status_code == 200
    settings = mine(serving_google_service_account=READER, storage_reader_google_service_account=READER)
    (finding,) = found_of(settings, gather(settings, apis))
    assert "gcloud iam service-accounts add-iam-policy-binding" in finding.hint
    grant = {
        "role": "roles/iam.workloadIdentityUser",
        "members": [f"serviceAccount:{PROJECT}.svc.id.goog[tfserving/image-classifier]"],
    }
    answer = http.post(f"{accounts}/{READER}:setIamPolicy", json={"policy": {"bindings": [grant]}})
    assert answer.status_code == 200, answer.text
    assert found_of(settings, gather(settings, apis)) == []


def test_a_missing_right_is_told_once_for_each_rule_with_googles_words(apis: Apis) -> None:
    def without_compute(method: str, url: str, *, body: Any, headers: Mapping[str, str]) -> Answer:
        if "/compute/" in url:
            text = b'{"error": {"code": 403, "message": "Required compute.regions.get permission"}}'
            return Answer(403, {}, text)
        return apis.google.transport(method, url, body=body, headers=headers)

    google = Google(apis.google.endpoint, without_compute, policy=ONCE)
    findings = found_of(mine(), gather(mine(), Apis(google, apis.endpoints)))
    assert {(one.id, one.severity) for one in findings} == {("quota", "unknown"), ("machine-type", "unknown")}
    assert all("Required compute.regions.get permission" in one.message for one in findings)
    assert all("docs/preflight.md" in one.hint for one in findings)


def test_where_google_is_not_reached_one_request_is_enough(tmp_path: Path) -> None:
    asked_for: list[str] = []

    def dead(method: str, url: str, *, body: Any, headers: Mapping[str, str]) -> Answer:
        asked_for.append(url)
        raise ConnectionError("Connection refused")

    model = tmp_path / "saved_model.pb"
    model.write_bytes(b"x" * 100)
    settings = mine(storage_model_source=str(tmp_path))
    facts = gather(settings, Apis(Google("http://x", dead, policy=ONCE), dict.fromkeys(HOSTS, "http://x")))
    assert len(asked_for) == 1
    assert facts.model_bytes == 100
    assert {finding.severity for finding in found_of(settings, facts)} == {"unknown"}


def test_a_given_cluster_needs_no_gke(apis: Apis) -> None:
    urls: list[str] = []

    def watched(method: str, url: str, *, body: Any, headers: Mapping[str, str]) -> Answer:
        urls.append(url)
        return apis.google.transport(method, url, body=body, headers=headers)

    settings = mine(cluster_existing_kubeconfig="/kube/config", serving_service_type="ClusterIP")
    gather(settings, Apis(Google("", watched, policy=ONCE), apis.endpoints))
    assert urls
    assert all("/storage/" in url for url in urls)


def test_sizes_of_folders_and_archives(tmp_path: Path) -> None:
    import zipfile

    (tmp_path / "model" / "variables").mkdir(parents=True)
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"x" * 7)
    (tmp_path / "model" / "variables" / "v").write_bytes(b"x" * 30)
    assert model_size.local(str(tmp_path / "model")) == 37
    with zipfile.ZipFile(tmp_path / "m.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("saved_model.pb", b"x" * 5000)
    assert model_size.local(str(tmp_path / "m.zip")) == 5000
    assert model_size.local(str(tmp_path / "nothing")) is None

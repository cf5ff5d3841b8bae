"""Teardown ends in a receipt, also where it was killed and run again, and --check tells what it would say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.modules import gcs_bucket, gke_cluster
from emulator import PROJECT, Emulator
from kube_in_memory import KubeInMemory
from starlette.testclient import TestClient
from teardown_play import played

Json = dict[str, Any]
Call = Callable[..., Json]
Torn = Callable[..., str]
SERVICE: Json = {
    "kind": "Service",
    "metadata": {"namespace": "shared", "name": "image-classifier", "uid": "6f1c2b3a-0000-4000-8000-000000000001"},
    "spec": {"type": "LoadBalancer", "ports": [{"port": 8501}]},
}  # fmt: skip
RULE = "forwarding-rule a6f1c2b3a00004000800000000000000 in us-central1"


@pytest.fixture
def site(call: Call, emulator: Emulator, http: TestClient) -> None:
    """A bucket, and a cluster that broke when it was made, so that nobody can remove its Services before it."""
    emulator.next.objects = [SERVICE]
    emulator.next.fails = "GCE_STOCKOUT: zone us-central1-f does not have enough resources"
    assert call(gke_cluster, name="c", location="us-central1-f")["failed"]
    call(gcs_bucket, name="models", location="us-central1")
    assert (
        http.post(f"/v1/projects/{PROJECT}/serviceAccounts", json={"accountId": "gke-nodes"}).status_code
        == 200
    )


@pytest.fixture
def torn(emulator: Emulator, url: str, tmp_path: Path) -> Torn:
    def run(*arguments: str, **variables: Any) -> str:
        options = {"cluster_name": "c", **variables}
        done = subprocess.run(
            **played(emulator, url, tmp_path, *arguments, **options),
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return " ".join(done.stdout.split())

    return run


def receipt(folder: Path) -> Json:
    """The receipt, without when it ended."""
    found = json.loads((folder / "reports/teardown-c-shared/receipt.json").read_text())
    assert found.pop("ended") or True
    return dict(found)


@pytest.mark.usefixtures("site")
def test_what_is_left_is_told_with_its_price_and_its_end(
    torn: Torn, tmp_path: Path, emulator: Emulator
) -> None:
    said = torn()
    made = receipt(tmp_path)
    assert {"cluster c in us-central1-f", "bucket models in us-central1"} <= set(made["gone"])
    left = {one["kind"]: one for one in made["left"]}
    assert set(left) == {"forwarding-rule", "target-pool", "firewall-rule", "service-account"}
    assert made["month"] == left["forwarding-rule"]["month"] == 18.25
    assert f"left: {RULE} (18.25 USD a month): Google did not remove it with the cluster." in said
    assert left["forwarding-rule"]["command"].startswith("gcloud compute forwarding-rules delete a6f1c2b3a")
    assert RULE in (tmp_path / "reports/teardown-c-shared/receipt.txt").read_text()
    said = torn()
    assert "changed=0" in said, "a receipt is no change"
    assert receipt(tmp_path) == made
    for one in made["left"]:
        emulator.orchestrator.resources.remove(PROJECT, one["name"])
    torn()
    assert {one["kind"] for one in receipt(tmp_path)["left"]} == {"service-account"}


@pytest.mark.usefixtures("site")
def test_killed_and_run_again_it_ends_in_the_same_receipt(
    torn: Torn, emulator: Emulator, url: str, http: TestClient, tmp_path: Path
) -> None:
    slow = {"match": {"method": "DELETE", "path": "/b/models$"}, "fault": {"delay": 20}}
    http.post("/sandbox/faults", json=slow).raise_for_status()
    killed = subprocess.Popen(
        **played(emulator, url, tmp_path, cluster_name="c"), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while emulator.orchestrator.clusters() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    began = json.loads((tmp_path / "reports/teardown-c-shared/receipt.json").read_text())
    assert not began["finished"]
    torn()
    made = receipt(tmp_path)
    assert made["finished"] and made["began"] == began["began"]
    assert {"cluster c in us-central1-f", "bucket models in us-central1"} <= set(made["gone"])
    assert len(made["left"]) == 4


@pytest.mark.usefixtures("site")
def test_check_tells_what_would_go_and_writes_nothing(torn: Torn, tmp_path: Path, emulator: Emulator) -> None:
    said = torn("--check", teardown_bucket=False)
    assert "cluster c: would be removed" in said
    assert (
        "there was: 1 bucket, 1 cluster, 5 firewall-rules, 1 forwarding-rule, 1 service-account, 1 target-pool"
        in said
    )
    assert "left: bucket models in us-central1 (price not known): teardown_bucket is false." in said
    assert "left: service-account" in said
    assert emulator.orchestrator.clusters() and not (tmp_path / "reports").exists()


def test_where_no_project_is_named_google_is_not_asked(torn: Torn, tmp_path: Path) -> None:
    kube = KubeInMemory()
    with kube.served(tmp_path) as kubeconfig:
        given = {
            "cluster_existing_kubeconfig": str(kubeconfig),
            "gcp_project": "",
            "serving_model_source": "image",
        }
        said = torn(**given, teardown_bucket=False)
    assert "not looked at" not in said
    assert not (tmp_path / "reports").exists()

"""Teardown takes away what was made here, and nothing else, unless its name was said."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.objects import MADE_HERE
from ansible_collections.mlops.tfserving.plugins.modules import gcs_bucket, gcs_saved_model, gke_cluster
from emulator import Emulator
from kube_in_memory import KubeInMemory
from objects import Objects
from teardown_play import played

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "tests/unit/saved_model/models/good"
SPACE = "/api/v1/namespaces/shared"
OURS = {"app": "image-classifier", "app.kubernetes.io/managed-by": "mlops.tfserving"}
Call = Callable[..., dict[str, Any]]
Teardown = Callable[..., tuple[str, int]]


@pytest.fixture
def teardown(emulator: Emulator, url: str, tmp_path: Path) -> Teardown:
    """Runs the playbook; what it said, on one line, and how much it changed."""

    def run(*arguments: str, **variables: Any) -> tuple[str, int]:
        done = subprocess.run(
            **played(emulator, url, tmp_path, *arguments, **variables),
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        output = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 0, done.stdout + done.stderr
        return output, int(output.rpartition("changed=")[2].split()[0])

    return run


def test_nothing_of_others_goes_unless_it_is_named(
    call: Call, objects: Objects, tmp_path: Path, teardown: Teardown
) -> None:
    """A bucket, a namespace and a kubeconfig that others made, with something of ours in the former two."""
    objects.make_bucket("models")
    objects.put("models", "finance/ledger-2026.csv", b"1;2")
    objects.put("models", "models/image_classifier/notes.txt", b"by hand")
    call(gcs_saved_model, bucket="models", path="models/image_classifier", source=str(MODEL))
    objects.put("models", "models/image_classifier/1/mine.txt", b"by hand")
    theirs = [
        "finance/ledger-2026.csv",
        "models/image_classifier/1/mine.txt",
        "models/image_classifier/notes.txt",
    ]
    kube = KubeInMemory()
    kube.put(SPACE)
    kube.put(f"{SPACE}/configmaps/theirs")
    kube.put(f"{SPACE}/services/image-classifier", {"spec": {}}, labels=OURS)
    kube.put("/apis/apps/v1/namespaces/shared/deployments/image-classifier", labels=OURS)
    before = kube.names()
    with kube.served(tmp_path) as kubeconfig:
        own = {"cluster_existing_kubeconfig": str(kubeconfig)}
        said, _unused = teardown("--check", **own)
        assert "would be removed: Service/image-classifier, Deployment/image-classifier" in said
        assert (kube.names(), len(objects.names("models"))) == (before, len(theirs) + 4)
        said, _unused = teardown(**own)
        assert "namespace shared stays: it does not have the annotation" in said
        assert "bucket models stays: it does not have the label made-by=mlops-tfserving" in said
        assert "-e teardown_also=namespace/shared,bucket/models" in said
        assert kube.names() == {"namespaces/shared", "configmaps/theirs"}
        assert objects.names("models") == theirs
        assert teardown(**own)[1] == 0, "safe to repeat"
        said, _unused = teardown(**own, teardown_also="namespace/shared, bucket/models")
        assert "bucket models: removed, with 3 objects" in said
    assert kube.names() == set()
    assert kubeconfig.exists()
    assert objects.bucket("models")["error"]["code"] == 404


def test_a_protected_cluster_keeps_all_that_leads_to_it(
    call: Call, emulator: Emulator, url: str, tmp_path: Path
) -> None:
    """It is refused before its load balancer, its bucket or anything else goes."""
    call(gke_cluster, name="c", location="us-central1-f", kubeconfig_file=str(tmp_path / "config"))
    call(gcs_bucket, name="models", location="US")
    options = {"cluster_name": "c", "cluster_location": "us-central1-f", "cluster_deletion_protection": True}
    done = subprocess.run(
        **played(emulator, url, tmp_path, **options), capture_output=True, text=True, timeout=300, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "cluster c is not removed: deletion_protection is true" in " ".join(said.split())
    assert "TASK [Remove the site, or give the load balancer's address back]" not in said
    assert "changed=0" in said


def test_a_bucket_that_is_to_keep_its_models_does(call: Call, objects: Objects, teardown: Teardown) -> None:
    """As inventories/prod has it; and once it is empty it goes, although the site had a label on it."""
    site = {"storage_site": "prod", "storage_force_delete": False, "teardown_cluster": False}
    label = {"name": "models", "location": "US", "model_path": "models/image_classifier", "site": "prod"}
    call(gcs_bucket, **label)
    call(gcs_saved_model, bucket="models", path="models/image_classifier", source=str(MODEL))
    held = objects.names("models")
    said, _unused = teardown(**site)
    assert "bucket models stays: it holds 4 objects" in said and "receipt:" in said
    assert objects.names("models") == held
    for name in held:
        objects.delete("models", name)
    call(gcs_bucket, **label)
    assert "bucket models: removed" in teardown(**site)[0]


def test_a_site_that_leaves_its_bucket_is_no_longer_named_there(
    call: Call, objects: Objects, teardown: Teardown
) -> None:
    """And a bucket that others use is not offered for removal."""
    path = {"name": "models", "location": "US", "model_path": "models/image_classifier"}
    for site in ("ours", "theirs"):
        call(gcs_bucket, **path, site=site)
    call(gcs_saved_model, bucket="models", path="models/image_classifier", source=str(MODEL))
    said, _unused = teardown(storage_site="ours", teardown_cluster=False)
    assert "they are used by theirs, too" in said
    assert "gcloud storage rm" not in said and "teardown_also=bucket" not in said
    call(gcs_bucket, **path, site="ours")
    teardown(
        storage_site="ours", teardown_cluster=False, teardown_bucket=False, serving_model_source="bucket"
    )
    assert [value for key, value in objects.bucket("models")["labels"].items() if key != "made-by"] == [
        "theirs"
    ]


def test_a_label_that_could_not_be_taken_from_a_bucket_is_told(objects: Objects, teardown: Teardown) -> None:
    """The site is gone either way."""
    objects.make_bucket("models", "somebody-else")
    leaving = {"teardown_cluster": False, "teardown_bucket": False, "serving_model_source": "bucket"}
    said, _unused = teardown(**leaving)
    assert (
        "bucket models: stays, and a label that names this site, if it has one, could not be taken away: bucket models belongs to"
        in said
    )
    said, _unused = teardown(**leaving, storage_bucket="models-of-nobody")
    assert "bucket models-of-nobody: stays" in said and "could not be taken away" not in said


def test_what_was_made_here_goes(call: Call, tmp_path: Path, teardown: Teardown) -> None:
    """A kubeconfig keeps what others have in it; what never was is not said to be removed."""
    mine = {
        "clusters": [{"name": "work-prod", "cluster": {}}],
        "contexts": [{"name": "work-prod", "context": {}}],
    }
    (tmp_path / "config").write_text(
        yaml.safe_dump({"kind": "Config", **mine, "current-context": "work-prod"})
    )
    said, changed = teardown()
    assert (changed, "cluster none: was not there" in said, "bucket models: was not there" in said) == (
        0,
        True,
        True,
    )
    call(gcs_bucket, name="models", location="US", labels={"team": "ml"})
    call(gcs_saved_model, bucket="models", path="models/image_classifier", source=str(MODEL))
    call(gke_cluster, name="c", location="us-central1-f", kubeconfig_file=str(tmp_path / "config"))
    said, _unused = teardown(teardown_cluster=False)
    assert "bucket models: removed, with" in said
    left = yaml.safe_load((tmp_path / "config").read_text())
    assert {entry["name"] for entry in left["contexts"]} > {"work-prod"}
    done = call(gke_cluster, name="c", location="us-central1-f", state="absent", own_only=True,
                kubeconfig_file=str(tmp_path / "config"))  # fmt: skip
    assert done["kept"] == "" and done["changed"]
    left = yaml.safe_load((tmp_path / "config").read_text())
    assert (left["clusters"], left["contexts"]) == (mine["clusters"], mine["contexts"])


def test_a_namespace_that_was_made_here_goes_unless_others_use_it(tmp_path: Path, teardown: Teardown) -> None:
    kube = KubeInMemory()
    kube.put(SPACE, annotations={MADE_HERE: "mlops.tfserving"})
    kube.put(f"{SPACE}/configmaps/kube-root-ca.crt")
    kube.put(f"{SPACE}/serviceaccounts/default")
    kube.put(f"{SPACE}/services/image-classifier", {"spec": {}}, labels=OURS)
    kube.put(
        f"{SPACE}/services/image-classifier-metrics-adapter",
        {"spec": {}},
        labels={**OURS, "app": "image-classifier-metrics-adapter"},
    )
    kube.put(f"{SPACE}/services/resnet", {"spec": {}}, labels={**OURS, "app": "resnet"})
    owner = {"kind": "Agent", "name": "agent", "uid": "u"}  # A custom resource.
    kube.put(f"{SPACE}/pods/agent-1", ownerReferences=[owner])
    kube.put(f"{SPACE}/persistentvolumeclaims/data")
    with kube.served(tmp_path) as kubeconfig:
        options = {"cluster_existing_kubeconfig": str(kubeconfig), "teardown_bucket": False}
        said, _unused = teardown(**options)
        assert (
            "holds what this site did not make: Service/resnet, Pod/agent-1, PersistentVolumeClaim/data"
            in said
        )
        assert "services/image-classifier" not in kube.names() and "services/resnet" in kube.names()
        for path in (
            f"{SPACE}/services/resnet",
            f"{SPACE}/pods/agent-1",
            f"{SPACE}/persistentvolumeclaims/data",
        ):
            del kube.objects[path]
        said, _unused = teardown(**options)
        assert "removed: Namespace/shared" in said
    assert kube.names() == set()

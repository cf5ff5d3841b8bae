"""An account that has the deployer's role and nothing else lives through a site's life; without any one permission it
does not. The emulator's own table of permissions judges, which knows nothing of the role."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.gke import client
from ansible_collections.mlops.tfserving.plugins.modules import gcs_bucket, gcs_saved_model, gke_cluster
from emulator import PROJECT, Emulator
from starlette.testclient import TestClient

from sandbox.gcs.iam import denied
from sandbox.gcs.request import Access
from sandbox.iam import permissions

Json = dict[str, Any]
Call = Callable[..., Json]
ROOT = Path(__file__).resolve().parents[3]
NAME = f"tfserving-deployer@{PROJECT}.iam.gserviceaccount.com"
ROLE = f"projects/{PROJECT}/roles/tfservingDeployer"
LISTED = yaml.safe_load((ROOT / "docs/roles/deployer.yml").read_text())["includedPermissions"]
CLUSTER = [p for p in LISTED if p.startswith(("container.clusters.", "container.operations."))]
STORAGE = [p for p in LISTED if p.startswith("storage.")]
# Asked for another endpoint; only to look for leftovers; only after an answer that got lost; only to say more when a name is taken.
NOT_IN_EVERY_LIFE = {
    "container.clusters.connect",
    "container.clusters.list",
    "container.operations.list",
    "storage.buckets.list",
}


@pytest.fixture
def deploy(
    call: Call,
    emulator: Emulator,
    http: TestClient,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Json]:
    """``call`` as the deployer, who first is given the permissions."""
    monkeypatch.setattr(client, "FIRST_POLL", 0.05)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    account = {"accountId": NAME.partition("@")[0]}
    assert http.post(f"/v1/projects/{PROJECT}/serviceAccounts", json=account).status_code == 200
    token = emulator.tokens.issue(NAME)["access_token"]
    binding = {"role": ROLE, "members": [f"serviceAccount:{NAME}"]}
    policy = {"policy": {"bindings": [binding]}}
    assert http.post(f"/v1/projects/{PROJECT}:setIamPolicy", json=policy).status_code == 200

    def deploy(module: Any, given: list[str], **options: Any) -> Json:
        def project(_: Access, identity: str | None, project: str, permission: str) -> None:
            if permission not in given:
                raise denied(identity, permission, "project")

        monkeypatch.setitem(permissions._ROLES, ROLE, tuple(given))
        monkeypatch.setattr(Access, "project", project)
        monkeypatch.setattr(Access, "holds", lambda *asked, name=None: asked[3] in given)
        return call(module, access_token=token, **options)

    return deploy


def cluster_life(deploy: Callable[..., Json], given: list[str]) -> Iterator[Json]:
    here = {"name": "c", "location": "us-central1-f"}
    yield deploy(gke_cluster, given, **here)
    yield deploy(gke_cluster, given, **here, resource_labels={"a": "b"})
    yield deploy(gke_cluster, given, **here, state="absent")


def storage_life(deploy: Callable[..., Json], given: list[str], model: Path) -> Iterator[Json]:
    members = [{"role": "roles/storage.objectViewer", "members": ["user:a@example.com"]}]
    yield deploy(gcs_bucket, given, name="models", location="us-central1", iam_members=members)
    yield deploy(gcs_bucket, given, name="models", location="us-central1", labels={"a": "b"})
    here = {"bucket": "models", "path": "models/m"}
    yield deploy(gcs_saved_model, given, **here, source=str(model))
    yield deploy(gcs_saved_model, given, **here, state="absent", version=1)
    yield deploy(gcs_bucket, given, name="models", state="absent", force=True)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "tests/unit/saved_model/models/good", tmp_path / "model"))


def test_the_role_suffices(deploy: Callable[..., Json], model: Path) -> None:
    for done in [*cluster_life(deploy, LISTED), *storage_life(deploy, LISTED, model)]:
        assert done.get("changed"), done


@pytest.mark.parametrize("missing", sorted({*CLUSTER, *STORAGE} - NOT_IN_EVERY_LIFE))
def test_without_any_one_of_its_permissions_it_does_not(
    missing: str, deploy: Callable[..., Json], model: Path
) -> None:
    given = [permission for permission in LISTED if permission != missing]
    life = cluster_life(deploy, given) if missing in CLUSTER else storage_life(deploy, given, model)
    refused = next((done for done in life if done.get("failed")), None)
    assert refused, "every step went well"
    assert missing in refused["msg"]

"""The storage role as a playbook runs it, against the emulated Cloud Storage."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from emulator import Emulator
from kube_in_memory import KubeInMemory
from objects import Objects
from played import HEAD, ROOT, play

MODEL = ROOT / "tests/unit/saved_model/models/good"
VIEWER = "roles/storage.objectViewer"


def test_bucket_versions_and_pruning(
    emulator: Emulator, objects: Objects, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copytree(MODEL, tmp_path / "other"))
    (other / "notes").write_text("other")
    role: dict[str, Any] = {
        "storage_bucket": "models", "storage_api_endpoint": url, "storage_model_name": "m",
        "storage_reader_workload_identity": False, "storage_keep_versions": 1, "storage_soft_delete_seconds": 0,
    }  # fmt: skip
    environment = {
        "GCP_PROJECT": "sandbox-project",
        "GCP_AUTH_KIND": "accesstoken",
        "GCP_ACCESS_TOKEN": emulator.token,
    }
    named = {"serving_model_uri": "gs://models/models/m/1"}
    runs = [
        # From where Ansible is started, and not from the playbook.
        {"storage_model_source": str(MODEL.relative_to(ROOT)), "storage_versions_in_use": [1]},
        {"storage_model_source": str(other), "storage_versions_in_use": [2]},
        {"storage_model_source": str(other), "storage_versions_in_use": [2]},
    ]
    plays = [
        HEAD
        | {"roles": [{"role": "mlops.tfserving.storage", **role, **run}]}
        | {"vars": HEAD["vars"] | (named if run is runs[1] else {})}
        | {
            "post_tasks": [
                {
                    "ansible.builtin.assert": {
                        "that": f"storage_model_uri == 'gs://models/models/m/{1 if run is runs[0] else 2}'"
                    }
                }
            ]
        }
        for run in [*runs, runs[-1]]
    ]
    assert play(tmp_path, plays, environment)["changed"] == 4, (
        "bucket, two versions, one pruned, and nothing again"
    )
    assert {name.split("/")[2] for name in objects.names("models")} == {"2"}


def test_only_what_prunes_asks_for_the_lease(
    emulator: Emulator, objects: Objects, url: str, tmp_path: Path
) -> None:
    """A run that finds nothing to prune waits for nobody."""
    other = Path(shutil.copytree(MODEL, tmp_path / "other"))
    (other / "notes").write_text("other")
    role: dict[str, Any] = {
        "storage_bucket": "models", "storage_api_endpoint": url, "storage_model_name": "m",
        "storage_reader_workload_identity": False, "storage_keep_versions": 1,
    }  # fmt: skip
    environment = {
        "GCP_PROJECT": "sandbox-project", "GCP_AUTH_KIND": "accesstoken", "GCP_ACCESS_TOKEN": emulator.token,
    }  # fmt: skip
    kube = KubeInMemory()
    kube.put("/api/v1/namespaces/tfserving")
    kube.put(
        "/apis/apps/v1", {"resources": [{"name": "replicasets", "kind": "ReplicaSet", "namespaced": True}]}
    )
    with kube.served(tmp_path) as kubeconfig:
        for source, asks in ((MODEL, False), (other, True), (other, False)):
            kube.requests.clear()
            connected = {"group/mlops.tfserving.k8s": {"kubeconfig": str(kubeconfig)}}
            roles = [{"role": "mlops.tfserving.storage", **role, "storage_model_source": str(source)}]
            facts = {**HEAD["vars"], "cluster_reachable": True}
            play(
                tmp_path, [HEAD | {"vars": facts, "module_defaults": connected, "roles": roles}], environment
            )
            taken = [
                method for method, path in kube.requests if path.endswith("/leases") and method == "POST"
            ]
            assert bool(taken) is asks, source
    assert {name.split("/")[2] for name in objects.names("models")} == {"2"}


def test_version_zero_is_refused_and_not_taken_for_unset(
    emulator: Emulator, url: str, tmp_path: Path
) -> None:
    role: dict[str, Any] = {
        "storage_bucket": "models", "storage_api_endpoint": url, "storage_model_name": "m",
        "storage_reader_workload_identity": False,
    }  # fmt: skip
    environment = {
        "GCP_PROJECT": "sandbox-project", "GCP_AUTH_KIND": "accesstoken", "GCP_ACCESS_TOKEN": emulator.token,
    }  # fmt: skip

    def refused(words: str, **given: object) -> dict[str, Any]:
        """A task that is content when the role says so."""
        return {
            "block": [
                {
                    "ansible.builtin.include_role": {"name": "mlops.tfserving.storage"},
                    "vars": {**role, **given},
                },
                {"ansible.builtin.meta": "end_play"},
            ],
            "rescue": [
                {"ansible.builtin.assert": {"that": f"{words!r} in ansible_failed_result.msg"}},
            ],
        }

    tasks: list[dict[str, Any]] = [
        {
            "ansible.builtin.include_role": {"name": "mlops.tfserving.storage"},
            "vars": {**role, "storage_model_source": str(MODEL)},
        }
    ]
    for zero in (0, "0"):
        tasks += [
            refused(
                "versions are numbered from 1", storage_model_source=str(MODEL), storage_model_version=zero
            ),
            refused("no complete version 0. It has 1", storage_model_source="", storage_model_version=zero),
        ]
    assert play(tmp_path, [HEAD | {"tasks": tasks}], environment)["rescued"] == 4


@pytest.mark.parametrize(
    ("playbook", "source", "words"),
    [
        ("canary", "bucket", "has no complete version 9. It has none: set canary_version to one of them."),
        ("promote", "bucket", "has no complete version 9. It has none: set promote_version to one of them."),
        (
            "canary",
            "image",
            "canary_version is 9, and the model comes from serving_model_source image, not from a bucket: leave it out",
        ),
        (
            "promote",
            "volume",
            "promote_version is 9, and the model comes from serving_model_source volume, not from a bucket: leave it out",
        ),
    ],
)
def test_a_version_that_is_not_there_is_refused_by_the_name_it_was_given(
    emulator: Emulator, objects: Objects, url: str, playbook: str, source: str, words: str
) -> None:
    objects.make_bucket("models", "sandbox-project")
    variables = {
        f"{playbook}_version": 9, "storage_bucket": "models", "storage_api_endpoint": url, "gcp_project": "sandbox-project",
        "gcp_auth_kind": "accesstoken", "gcp_service_account_file": "", "cluster_existing_kubeconfig": "/not/asked", "serving_model_source": source,
    }  # fmt: skip
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "inventories/existing", f"playbooks/{playbook}.yml",
         "-e", json.dumps(variables)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "GCP_ACCESS_TOKEN": emulator.token},
    )  # fmt: skip
    assert words in " ".join(done.stdout.split())


CASES: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
    ({}, []),
    (
        {"cluster_workload_identity": True},
        [
            {
                "role": VIEWER,
                "workload_identities": [{"namespace": "tfserving", "service_account": "image-classifier"}],
            }
        ],
    ),
    (
        {
            "storage_reader_workload_identity": True,
            "serving_google_service_account": "models@p.iam.gserviceaccount.com",
            "storage_iam_members": [
                {"role": "roles/storage.admin", "members": ["user:a@x.org"]},
                {"role": VIEWER, "members": ["user:b@x.org"]},
            ],
        },
        [
            {"role": "roles/storage.admin", "members": ["user:a@x.org"]},
            {
                "role": VIEWER,
                "members": ["user:b@x.org", "serviceAccount:models@p.iam.gserviceaccount.com"],
            },
        ],
    ),
    (
        {
            "storage_reader_workload_identity": True, "serving_namespace": "n", "serving_name": "s",
            "storage_reader_project": "clusters", "storage_reader_project_number": "7",
        },
        [{"role": VIEWER, "workload_identities": [
            {"namespace": "n", "service_account": "s", "project": "clusters", "project_number": "7"}]}],
    ),
]  # fmt: skip


def test_who_is_given_access(tmp_path: Path) -> None:
    plays = []
    for given, expected in CASES:
        assertion = {
            "that": f"storage_grants == {json.dumps(expected)}",
            "fail_msg": "{{ storage_grants | to_json }}",
        }
        plays.append(
            HEAD
            | {
                "vars_files": [
                    str(ROOT / "roles/storage/defaults/main.yml"),
                    str(ROOT / "roles/storage/vars/main.yml"),
                ],
                "tasks": [{"ansible.builtin.assert": assertion, "vars": given}],
            }
        )
    play(tmp_path, plays, {})

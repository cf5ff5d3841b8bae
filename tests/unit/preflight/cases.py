"""Settings and projects for the rules: what the roles' defaults say, with a project that has enough of everything."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.judge import judge
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.project import (
    Bucket,
    MachineType,
    Project,
    Quota,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.rules import RULES
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.check import judged
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.findings import Finding, kept
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.rules import NEVER_IGNORED
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.settings import Settings
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.to_settings import settings

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[3]
NAME = "p-project"
ZONES = tuple(f"us-central1-{letter}" for letter in "abcf")
ENDLESS = Quota(1e6, 0)
# What the defaults compute from others.
COMPUTED: Json = {
    "autoscaling_namespace": "tfserving",
    "autoscaling_name": "image-classifier",
    "storage_bucket": f"{NAME}-models",
    "storage_model_path": "models/image_classifier",
    "storage_model_tags": ["serve"],
    "storage_reader_workload_identity": True,
    "storage_reader_namespace": "tfserving",
    "storage_reader_name": "image-classifier",
    "storage_reader_google_service_account": "",
    "cluster_existing_kubeconfig": "",
    "cluster_kubeconfig_path": "/nowhere",
    "serving_model_uri": "",
    "serving_model_version": "",
    "serving_image": "docker.io/tensorflow/serving:2.19.0",
    # What an inventory has to say, and what would be warned about otherwise.
    "cluster_workload_identity": True,
    "serving_source_ranges": ["203.0.113.0/24"],
    "serving_drain_seconds": 30,
    "serving_load_seconds": 0,
    "serving_hold": False,
    "storage_model_source": "/models/m",
}
POOL: Json = {
    "name": "default-pool",
    "machine_type": "e2-standard-4",
    "autoscaling": {"min_node_count": 1, "max_node_count": 4},
}


@functools.cache
def defaults() -> Json:
    found: Json = {}
    for role in ("cluster", "storage", "serving", "autoscaling", "monitoring", "loadtest", "preflight"):
        found |= yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text())
    return found


def pool(**changed: Any) -> list[Json]:
    return [{**POOL, **changed}]


def given(**changed: Any) -> Json:
    """The roles' variables with some changed."""
    return {**defaults(), **COMPUTED, "cluster_node_pools": pool(), **changed}


def asked(**changed: Any) -> Settings:
    """The settings with some variables changed."""
    variables = given(**changed)
    options = {
        name: variables[f"preflight_{name}"]
        for name in ("system_requests", "metrics_window_seconds", "node_boot_seconds")
    }
    return settings(variables, NAME, options)


def member(namespace: str = "tfserving", name: str = "image-classifier") -> str:
    return (
        "principal://iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/"
        f"{NAME}.svc.id.goog/subject/ns/{namespace}/sa/{name}"
    )


def policy(*grants: tuple[str, str]) -> Json:
    return {"bindings": [{"role": role, "members": [who]} for role, who in grants]}


def bucket(policy: Json | None = None, *permissions: str) -> Bucket:
    return Bucket("123", policy or {"bindings": []}, frozenset(permissions))


def project(**changed: Any) -> Project:
    """A project with enough of everything, and neither cluster nor bucket."""
    sizes = {
        "e2-standard-4": (4, 16384),
        "e2-medium": (2, 4096),
        "n1-standard-4": (4, 15360),
        "e2-standard-2": (2, 8192),
    }
    offered = {name: {zone: MachineType(*size) for zone in ZONES} for name, size in sizes.items()}
    base = Project(
        cluster=None,
        server_config={
            "channels": [{"channel": "REGULAR", "validVersions": ["1.34.4-gke.100", "1.33.9-gke.900"]}],
            "validMasterVersions": ["1.35.2-gke.500", "1.34.4-gke.100", "1.33.9-gke.900"],
            "validNodeVersions": ["1.35.2-gke.500", "1.34.4-gke.100", "1.33.9-gke.900", "1.32.1-gke.1"],
        },
        machine_types=offered,
        accelerator_types={"nvidia-tesla-t4": frozenset(ZONES[:3])},
        quotas={
            "CPUS": ENDLESS, "PREEMPTIBLE_CPUS": Quota(0, 0), "SSD_TOTAL_GB": ENDLESS, "DISKS_TOTAL_GB": ENDLESS,
            "IN_USE_ADDRESSES": ENDLESS, "INSTANCES": ENDLESS, "NVIDIA_T4_GPUS": ENDLESS, "N2_CPUS": ENDLESS,
        },
        bucket=None,
        project_policy={"bindings": []},
        account_policy={"bindings": []},
        model_bytes=180 * 2**20,
    )  # fmt: skip
    return replace(base, **changed)


def found(variables: Json, project: Project, *ignore: str) -> list[Finding]:
    """What preflight finds; with a value that can't be read the default's is counted with, as it does."""
    judgement = judged(variables, project=NAME, is_final=False)
    readable = {name: value for name, value in variables.items() if name not in judgement.unreadable}
    findings = [*judgement.findings, *judge(RULES, asked(**readable), project)]
    return kept(findings, ignore, NEVER_IGNORED)


def found_of(settings: Settings, project: Project) -> list[Finding]:
    """What the rules about settings and project find."""
    return kept(judge(RULES, settings, project), (), ())


def ids(variables: Json, project: Project) -> list[str]:
    return [finding.id for finding in found(variables, project)]

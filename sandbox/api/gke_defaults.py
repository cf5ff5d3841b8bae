"""What Google fills in for a cluster and a node pool that a request leaves out, as its answers show it."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

VERSION = "1.34.4-gke.1000000"
_SCOPES = [
    f"https://www.googleapis.com/auth/{scope}"
    for scope in (
        "devstorage.read_only", "logging.write", "monitoring", "service.management.readonly",
        "servicecontrol", "trace.append",
    )
]  # fmt: skip


def node_config(asked: Json) -> Json:
    """A pool's ``config``."""
    config: Json = {
        "diskSizeGb": 100,
        "diskType": "pd-balanced",
        "effectiveCgroupMode": "EFFECTIVE_CGROUP_MODE_V2",
        "imageType": "COS_CONTAINERD",
        "kubeletConfig": {"insecureKubeletReadonlyPortEnabled": False, "maxParallelImagePulls": 2},
        "machineType": "e2-medium",
        "metadata": {"disable-legacy-endpoints": "true"},
        "oauthScopes": list(_SCOPES),
        "serviceAccount": "default",
        "shieldedInstanceConfig": {"enableIntegrityMonitoring": True},
        "windowsNodeConfig": {},
    } | asked
    config["bootDisk"] = {"diskType": config["diskType"], "sizeGb": str(config["diskSizeGb"])}
    provisioning = (
        "spot" if config.get("spot") else "preemptible" if config.get("preemptible") else "on-demand"
    )
    config["resourceLabels"] = {
        **asked.get("resourceLabels", {}), "goog-gke-node-pool-provisioning-model": provisioning,
    }  # fmt: skip
    return config


def node_pool(asked: Json, *, zones: list[str], self_link: str, status: str) -> Json:
    """A node pool as GET answers it, but for what changes while it runs."""
    management = {"autoRepair": True, "autoUpgrade": True} | asked.get("management", {})
    return {
        **asked,
        "config": node_config(asked.get("config", {})),
        "initialNodeCount": asked.get("initialNodeCount", 0),
        "locations": asked.get("locations") or zones,
        "management": {key: value for key, value in management.items() if value},
        "maxPodsConstraint": asked.get("maxPodsConstraint", {"maxPodsPerNode": "110"}),
        "podIpv4CidrSize": 24,
        "selfLink": self_link,
        "status": status,
        "upgradeSettings": asked.get("upgradeSettings", {"maxSurge": 1, "strategy": "SURGE"}),
        "version": asked.get("version", VERSION),
    }


def cluster(asked: Json, *, location: str, zones: list[str], self_link: str, created: str) -> Json:
    """A cluster as GET answers it while it is provisioned."""
    network, subnetwork = asked.get("network", "default"), asked.get("subnetwork", "default")
    kept = {
        key: value
        for key, value in asked.items()
        if key not in ("nodePools", "initialNodeCount", "nodeConfig")
    }
    answer = {
        "addonsConfig": {
            "gcePersistentDiskCsiDriverConfig": {"enabled": True},
            "kubernetesDashboard": {"disabled": True},
            "networkPolicyConfig": {"disabled": True},
        },
        "autopilot": {},
        "autoscaling": {"autoscalingProfile": "BALANCED"},
        "binaryAuthorization": {},
        "databaseEncryption": {"currentState": "CURRENT_STATE_DECRYPTED", "state": "DECRYPTED"},
        "defaultMaxPodsConstraint": {"maxPodsPerNode": "110"},
        "legacyAbac": {},
        "loggingConfig": {"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS", "WORKLOADS"]}},
        "loggingService": "logging.googleapis.com/kubernetes",
        "maintenancePolicy": {"resourceVersion": "e3b0c442"},
        "monitoringConfig": {"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS"]}},
        "monitoringService": "monitoring.googleapis.com/kubernetes",
        "notificationConfig": {"pubsub": {}},
        "podAutoscaling": {"hpaProfile": "PERFORMANCE"},
        "releaseChannel": {"channel": "REGULAR"},
        "shieldedNodes": {"enabled": True},
        "verticalPodAutoscaling": {},
        **kept,
        "createTime": created,
        "currentMasterVersion": VERSION,
        "currentNodeVersion": VERSION,
        "initialClusterVersion": VERSION,
        "location": location,
        "locations": asked.get("locations") or zones,
        "masterAuth": {"clientCertificateConfig": {}},
        "network": network.rpartition("/")[2],
        "subnetwork": subnetwork.rpartition("/")[2],
        "selfLink": self_link,
        "status": "PROVISIONING",
        "zone": location,
    }
    return answer

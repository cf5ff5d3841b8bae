"""What Google fills in for a node pool that a request leaves out, as its recorded answers show it."""

from __future__ import annotations

from .defaults import SCOPES, Json, Place, confidential, merged, minor, upgrade_settings

# Families of machines that boot from Hyperdisk only.
_HYPERDISK = ("n4", "n4a", "n4d", "c4", "c4a", "c4d", "h4d", "x4")
_QUEUED_TAINT = "cloud.google.com/gke-queued"
PROVISIONING_LABEL = "goog-gke-node-pool-provisioning-model"


def node_config(asked: Json, version: str) -> Json:
    """A pool's ``config``."""
    machine = asked.get("machineType") or "e2-medium"
    boot = asked.get("bootDisk", {})
    disk = "hyperdisk-balanced" if machine.partition("-")[0] in _HYPERDISK else "pd-balanced"
    config: Json = {
        "diskSizeGb": boot.get("sizeGb", 100),
        "diskType": boot.get("diskType", disk),
        "effectiveCgroupMode": "EFFECTIVE_CGROUP_MODE_V2",
        "imageType": "COS_CONTAINERD",
        "metadata": {},
        "nodeImageConfig": {"image": _image(version), "imageProject": "gke-node-images"},
        "serviceAccount": "default",
        "shieldedInstanceConfig": {"enableIntegrityMonitoring": True},
        "windowsNodeConfig": {},
        **{key: value for key, value in asked.items() if value not in ("", 0, [])},
        "machineType": machine,
        "kubeletConfig": merged(_kubelet(asked, version), asked.get("kubeletConfig", {})),
        "oauthScopes": asked.get("oauthScopes") or SCOPES,
    }
    if not str(config["imageType"]).startswith("COS"):
        del config["nodeImageConfig"]
    config["metadata"] = {"disable-legacy-endpoints": "true"} | config["metadata"]
    config["bootDisk"] = boot | {"diskType": config["diskType"], "sizeGb": str(config["diskSizeGb"])}
    config["diskSizeGb"] = int(config["diskSizeGb"])
    if "confidentialNodes" in asked:
        config["confidentialNodes"] = confidential(asked["confidentialNodes"])
    if "workloadMetadataConfig" in config and config["workloadMetadataConfig"].get("mode"):
        config["workloadMetadataConfig"] = _workload_metadata(config["workloadMetadataConfig"]["mode"])
    provisioning = (
        "spot" if config.get("spot") else "preemptible" if config.get("preemptible")
        else "flex-start" if config.get("flexStart") else "on-demand"
    )  # fmt: skip
    config["resourceLabels"] = {**asked.get("resourceLabels", {}), PROVISIONING_LABEL: provisioning}
    return config


def _kubelet(asked: Json, version: str) -> Json:
    """The port that needs no credentials went with 1.32; how many images are pulled at a time is shown since 1.33."""
    if minor(version) < 30:
        return {}
    pulls = {"maxParallelImagePulls": 3 if asked.get("ephemeralStorageLocalSsdConfig") else 2}
    return {"insecureKubeletReadonlyPortEnabled": minor(version) < 32} | (
        pulls if minor(version) > 32 else {}
    )


def _workload_metadata(mode: str) -> Json:
    """``nodeMetadata`` is the older name of ``mode``, which only v1beta1 still shows."""
    older = {"GKE_METADATA": "GKE_METADATA_SERVER", "GCE_METADATA": "EXPOSE"}
    return {"mode": mode} | ({"nodeMetadata": older[mode]} if mode in older else {})


def _image(version: str) -> str:
    """The name of the node's image, after the version of its Kubernetes."""
    kubernetes, _, patch = version.partition("-gke.")
    return f"gke-{kubernetes.replace('.', '')}-gke{patch}-cos-{85 + minor(version)}-c-pre"


def node_pool(asked: Json, place: Place, cluster: Json) -> Json:
    """A node pool's answer as far as it follows from its request and its cluster's answer."""
    version = asked.get("version") or cluster["currentMasterVersion"]
    config = dict(asked.get("config", {}))
    if cluster.get("workloadIdentityConfig", {}).get("workloadPool"):
        config = {"workloadMetadataConfig": {"mode": "GKE_METADATA"}} | config
    if cluster["autopilot"].get("enabled"):
        config = _AUTOPILOT_CONFIG | config
    network = asked.get("networkConfig", {})
    private = cluster["networkConfig"].get("defaultEnablePrivateNodes")
    subnetwork = network.get("subnetwork") or cluster["networkConfig"]["subnetwork"]
    addresses = cluster["ipAllocationPolicy"]
    # Google reserves twice as many addresses for a node as it may have pods, in a power of two.
    constraint = asked.get("maxPodsConstraint") or cluster["defaultMaxPodsConstraint"]
    pods = int(constraint["maxPodsPerNode"])
    answer: Json = {
        **{key: value for key, value in asked.items() if key not in ("autoscaling", "placementPolicy")},
        "config": node_config(config, version),
        "locations": asked.get("locations") or cluster["locations"],
        # What is left out of a management that is sent is off.
        "management": asked.get("management") or {"autoRepair": True, "autoUpgrade": True},
        "maxPodsConstraint": {"maxPodsPerNode": str(pods)},
        "networkConfig": {
            "networkTierConfig": {"networkTier": "NETWORK_TIER_DEFAULT"},
            "podIpv4CidrBlock": place.pods,
            "podRange": addresses["clusterSecondaryRangeName"],
            **({"enablePrivateNodes": private} if private else {}),
            **network,
            "subnetwork": "projects/" + subnetwork.partition("/projects/")[2]
            if "://" in subnetwork
            else subnetwork,
        },
        "podIpv4CidrSize": 32 - (2 * pods - 1).bit_length(),
        "selfLink": f"{cluster['selfLink']}/nodePools/{asked['name']}",
        "status": "PROVISIONING",
        "upgradeSettings": upgrade_settings(asked.get("upgradeSettings") or {"maxSurge": 1}),
        "version": version,
    }
    if asked.get("placementPolicy"):
        answer["placementPolicy"] = asked["placementPolicy"]
    if asked.get("queuedProvisioning", {}).get("enabled"):
        _queued(answer)
    limits = autoscaling(asked.get("autoscaling", {}), answer["config"])
    return answer | ({"autoscaling": limits} if limits else {})


def _queued(answer: Json) -> None:
    """What comes with queued provisioning: nodes that only queued pods get, each for a short while."""
    taints = answer["config"].get("taints", [])
    queued = {"effect": "NO_SCHEDULE", "key": _QUEUED_TAINT, "value": "true"}
    if all(taint.get("key") != _QUEUED_TAINT for taint in taints):
        answer["config"]["taints"] = [*taints, queued]
    answer["upgradeSettings"] = {"strategy": "SHORT_LIVED"}


def autoscaling(asked: Json, config: Json) -> Json:
    """A pool's limits; empty when it is not autoscaled."""
    if not asked.get("enabled"):
        return {}
    queued = any(taint.get("key") == _QUEUED_TAINT for taint in config.get("taints", []))
    policy = "ANY" if config.get("spot") or config.get("preemptible") or queued else "BALANCED"
    found = {"locationPolicy": policy} | asked
    return {key: value for key, value in found.items() if value != "LOCATION_POLICY_UNSPECIFIED"}


_AUTOPILOT_CONFIG: Json = {
    "machineType": "ek-standard-8",
    "gcfsConfig": {"enabled": True},
    "gvnic": {"enabled": True},
    "reservationAffinity": {"consumeReservationType": "NO_RESERVATION"},
    "shieldedInstanceConfig": {"enableIntegrityMonitoring": True, "enableSecureBoot": True},
    "workloadMetadataConfig": {"mode": "GKE_METADATA"},
}

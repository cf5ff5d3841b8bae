"""What Google fills in for a cluster that a request leaves out, as its recorded answers show it.

The recordings are those of ``tests/conformance/recorded/gke``; NAME@DATE-BLOB in a comment is one of them.

A cluster is kept as its v1beta1 answer, a superset; ``discovery.Document.answer`` leaves out what v1 lacks.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..releases import DEFAULT, gke_version

Json = dict[str, Any]

VERSION = gke_version(DEFAULT)
API = "https://container.googleapis.com/v1"
SCOPES = [
    f"https://www.googleapis.com/auth/{scope}"
    for scope in (
        "devstorage.read_only", "logging.write", "monitoring", "service.management.readonly",
        "servicecontrol", "trace.append",
    )
]  # fmt: skip
_LOGGING, _MONITORING = "logging.googleapis.com/kubernetes", "monitoring.googleapis.com/kubernetes"
_SYSTEM, _CONTROL_PLANE = "SYSTEM_COMPONENTS", ("APISERVER", "SCHEDULER", "CONTROLLER_MANAGER")
_LOGS = [_SYSTEM, "WORKLOADS"]
_METRICS = [
    _SYSTEM, "STORAGE", "HPA", "POD", "DAEMONSET", "DEPLOYMENT", "STATEFULSET", "CADVISOR",
    "KUBELET", "DCGM", "JOBSET",
]  # fmt: skip
_CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
_NAP_SCOPES = ["https://www.googleapis.com/auth/userinfo.email", _CLOUD_PLATFORM]
_NEEDED_SCOPES = [f"https://www.googleapis.com/auth/{scope}" for scope in ("logging.write", "monitoring")]
# Autopilot's autoscaling has no limits: Google shows this many of each.
_NO_LIMIT = "1000000000"


@dataclass(frozen=True)
class Place:
    """Where a cluster is, and what it was given. ``pods`` and ``services``: ranges of addresses."""

    project: str
    number: str
    location: str
    zones: tuple[str, ...]
    pods: str
    services: str

    @property
    def zonal(self) -> bool:
        return self.location.count("-") == 2

    @property
    def region(self) -> str:
        return "-".join(self.location.split("-")[:2])

    def path(self, kind: str, name: str) -> str:
        """A resource's name, as Google's errors and links spell it."""
        place = "zones" if self.zonal else "locations"
        return f"projects/{self.project}/{place}/{self.location}/{kind}/{name}"

    def link(self, kind: str, name: str) -> str:
        return f"{API}/{self.path(kind, name)}"

    def subnetwork(self, name: str) -> str:
        return f"projects/{self.project}/regions/{self.region}/subnetworks/{name}"


def merged(default: Json, asked: Json) -> Json:
    """``default`` with what is asked for over it, message by message."""
    found = dict(default)
    for key, value in asked.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if both else value
    return found


def fingerprint(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:8]


def labels_fingerprint(labels: Json) -> str:
    """What a change of resource labels has to know of those that are there."""
    return fingerprint(sorted(labels.items()))


def minor(version: str) -> int:
    return int(version.split(".")[1])


def version_key(version: str) -> list[int]:
    """Sorts versions by age."""
    return [int(number) for number in re.findall(r"\d+", version)]


def cluster(asked: Json, place: Place, *, version: str, created: str) -> Json:
    """A cluster's answer as far as it follows from its request; ``present`` adds what follows from its state."""
    autopilot = bool(asked.get("autopilot", {}).get("enabled"))
    identity = fingerprint((place.project, place.location, asked["name"], created))
    network = asked.get("network", "default").rpartition("/")[2]
    subnetwork = asked.get("subnetwork", "default").rpartition("/")[2]
    default: Json = {
        "addonsConfig": _addons(autopilot, minor(version)),
        "anonymousAuthenticationConfig": {"mode": "LIMITED" if minor(version) >= 35 else "ENABLED"},
        "autopilot": {},
        "clusterTelemetry": {"type": "ENABLED"},
        "controlPlaneEgress": {"mode": "VIA_CONTROL_PLANE"},
        "controlPlaneEndpointsConfig": {
            "dnsEndpointConfig": {
                "allowExternalTraffic": False,
                "enableK8sCertsViaDns": False,
                "enableK8sTokensViaDns": False,
                "endpoint": f"gke-{identity}-{place.number}.{place.location}.gke.goog",
            },
            "ipEndpointsConfig": {
                "authorizedNetworksConfig": {},
                "enablePublicEndpoint": True,
                "enabled": True,
            },
        },
        "databaseEncryption": {"currentState": "CURRENT_STATE_DECRYPTED", "state": "DECRYPTED"},
        "defaultMaxPodsConstraint": {"maxPodsPerNode": "110"},
        "enterpriseConfig": {"clusterTier": "STANDARD"},
        "legacyAbac": {},
        "loggingConfig": {"componentConfig": {"enableComponents": _LOGS}},
        "loggingService": _LOGGING,
        "maintenancePolicy": {},
        "master": {},
        "masterAuth": {"clientCertificateConfig": {}},
        "monitoringConfig": {
            "advancedDatapathObservabilityConfig": {"enableMetrics": True} if autopilot else {},
            "componentConfig": {"enableComponents": _METRICS},
            "managedPrometheusConfig": {"enabled": True},
        },
        "monitoringService": _MONITORING,
        "nodePoolAutoConfig": {"nodeKubeletConfig": {"insecureKubeletReadonlyPortEnabled": False}},
        "nodePoolDefaults": {
            "nodeConfigDefaults": {
                "loggingConfig": {"variantConfig": {"variant": "DEFAULT"}},
                "nodeKubeletConfig": {"insecureKubeletReadonlyPortEnabled": False},
            }
        },
        "notificationConfig": {"pubsub": {}},
        "podAutoscaling": {"hpaProfile": "PERFORMANCE"},
        "protectConfig": {
            "workloadConfig": {"auditMode": "BASIC"},
            "workloadVulnerabilityMode": "WORKLOAD_VULNERABILITY_MODE_UNSPECIFIED",
        },
        "rbacBindingConfig": {
            "enableInsecureBindingSystemAuthenticated": True,
            "enableInsecureBindingSystemUnauthenticated": True,
        },
        "releaseChannel": {"channel": "REGULAR"},
        "securityPostureConfig": {"mode": "BASIC", "vulnerabilityMode": "VULNERABILITY_MODE_UNSPECIFIED"},
        "shieldedNodes": {"enabled": True},
        "userManagedKeysConfig": {},
    }
    if minor(version) >= 35:
        default["nodeCreationConfig"] = {"nodeCreationMode": "VIA_KUBELET"}
    if autopilot:
        default["nodePoolDefaults"]["nodeConfigDefaults"]["gcfsConfig"] = {"enabled": True}
        default["verticalPodAutoscaling"] = {"enabled": True}
        default["workloadIdentityConfig"] = {"workloadPool": f"{place.project}.svc.id.goog"}
    # What has a form of its own in the answer, or is told there in other words.
    elsewhere = (
        "nodePools", "initialNodeCount", "nodeConfig", "networkPolicy", "privateClusterConfig", "masterAuth",
        "masterAuthorizedNetworksConfig", "autoscaling", "databaseEncryption", "confidentialNodes",
        "maintenancePolicy", "locations", "addonsConfig",
    )  # fmt: skip
    answer = merged(default, {key: value for key, value in asked.items() if key not in elsewhere})
    answer["addonsConfig"] |= addons(asked.get("addonsConfig", {}))
    # A creation begins with this driver however it is asked.
    answer["addonsConfig"]["gcePersistentDiskCsiDriverConfig"] = {"enabled": True}
    answer["autoscaling"] = autoscaling(asked.get("autoscaling", {}), autopilot=autopilot)
    answer["databaseEncryption"] |= database_encryption(asked.get("databaseEncryption", {}), {})
    if "confidentialNodes" in asked:
        answer["confidentialNodes"] = confidential(asked["confidentialNodes"])
    if asked.get("initialNodeCount"):
        # As it was asked for: what becomes of the default pool changes nothing of it.
        answer["initialNodeCount"] = asked["initialNodeCount"]
    if asked.get("networkPolicy", {}).get("enabled"):
        answer["networkPolicy"] = asked["networkPolicy"]
        answer["addonsConfig"]["networkPolicyConfig"] = {}
    answer["maintenancePolicy"] = maintenance(asked.get("maintenancePolicy", {}))
    private_cluster(answer, asked)
    _authorized_networks(answer)
    telemetry(answer, asked)
    if answer.get("privateClusterConfig", {}).get("masterIpv4CidrBlock"):
        # The control plane's range gets a subnetwork of its own.
        answer["controlPlaneEndpointsConfig"]["ipEndpointsConfig"].setdefault(
            "privateEndpointSubnetwork", place.subnetwork(f"gke-{asked['name']}-{identity}-pe-subnet")
        )
    return answer | {
        "clusterIpv4Cidr": place.pods,
        "createTime": created,
        "currentMasterVersion": version,
        "currentNodeVersion": version,
        "id": hashlib.sha256(identity.encode()).hexdigest(),
        "initialClusterVersion": version,
        "ipAllocationPolicy": _addresses(asked, place, identity),
        "location": place.location,
        "locations": list(place.zones),
        "network": network,
        "networkConfig": merged(
            {
                **({"defaultSnatStatus": {}} if "networkConfig" in asked else {}),
                "network": f"projects/{place.project}/global/networks/{network}",
                "serviceExternalIpsConfig": {},
                "subnetwork": place.subnetwork(subnetwork),
                **(_AUTOPILOT_NETWORK if autopilot else {}),
            },
            answer.get("networkConfig", {}),
        ),
        "selfLink": place.link("clusters", asked["name"]),
        "servicesIpv4Cidr": place.services,
        "status": "PROVISIONING",
        "subnetwork": subnetwork,
        "zone": place.location,
    }


_AUTOPILOT_NETWORK: Json = {
    "datapathProvider": "ADVANCED_DATAPATH",
    "dnsConfig": {
        "clusterDns": "CLOUD_DNS", "clusterDnsDomain": "cluster.local", "clusterDnsScope": "CLUSTER_SCOPE",
    },
    "gatewayApiConfig": {"channel": "CHANNEL_STANDARD"},
}  # fmt: skip


def _addons(autopilot: bool, minor_version: int) -> Json:
    found: Json = {
        "dnsCacheConfig": {"enabled": True},
        "gcePersistentDiskCsiDriverConfig": {"enabled": True},
        "kubernetesDashboard": {"disabled": True},
        "networkPolicyConfig": {"disabled": True},
    }
    if minor_version >= 35:
        found["nodeReadinessConfig"] = {}
    if autopilot:
        for driver in ("gcpFilestore", "gcsFuse", "parallelstore"):
            found[f"{driver}CsiDriverConfig"] = {"enabled": True}
        found["statefulHaConfig"] = {"enabled": True}
    return found


def telemetry(answer: Json, asked: Iterable[str], before: Json | None = None) -> None:
    """Makes services, their components and the telemetry agree, whichever of them was asked for.

    What brings telemetry back brings both logging and monitoring (containercluster@2025-07-01-da2737).
    """
    logging, monitoring = answer["loggingConfig"], answer["monitoringConfig"]
    if "loggingService" in asked:
        on = answer["loggingService"] != "none"
        logging["componentConfig"] = (
            (logging.get("componentConfig") or {"enableComponents": _LOGS}) if on else {}
        )
    if "monitoringService" in asked:
        on = answer["monitoringService"] != "none"
        metrics = [kind for kind in _components(monitoring) if kind != _SYSTEM]
        if not on and set(metrics) & set(_CONTROL_PLANE):
            metrics = [*(kind for kind in metrics if kind not in _CONTROL_PLANE), *_CONTROL_PLANE]
        monitoring["componentConfig"] = {"enableComponents": [_SYSTEM, *metrics] if on else metrics}
    was_off = (before or answer)["clusterTelemetry"].get("type") == "DISABLED"
    if was_off and (_components(logging) or _SYSTEM in _components(monitoring)):
        if not _components(logging):
            logging["componentConfig"] = {"enableComponents": _LOGS}
        if _SYSTEM not in _components(monitoring):
            monitoring["componentConfig"] = {"enableComponents": _METRICS}
        answer["clusterTelemetry"] = {"type": "ENABLED"}
    answer["loggingService"] = _LOGGING if _components(logging) else "none"
    answer["monitoringService"] = _MONITORING if _SYSTEM in _components(monitoring) else "none"
    if answer["loggingService"] == answer["monitoringService"] == "none":
        answer["clusterTelemetry"] = {"type": "DISABLED"}


def _components(config: Json) -> list[str]:
    return list(config.get("componentConfig", {}).get("enableComponents", []))


def addons(asked: Json) -> Json:
    """Add-ons as they are shown once they are set."""
    found = dict(asked)
    # What is off is shown as an empty message.
    if found.get("gcePersistentDiskCsiDriverConfig") == {"enabled": False}:
        found["gcePersistentDiskCsiDriverConfig"] = {}
    if "cloudRunConfig" in found:
        found["cloudRunConfig"] = {"loadBalancerType": "LOAD_BALANCER_TYPE_EXTERNAL"} | found[
            "cloudRunConfig"
        ]
    return found


def autoscaling(asked: Json, *, autopilot: bool = False) -> Json:
    """Node auto-provisioning, and the profile of the node autoscaler."""
    provisioning = autopilot or bool(asked.get("enableNodeAutoprovisioning"))
    own = asked.get("autoprovisioningNodePoolDefaults", {})
    defaults: Json = {
        "imageType": "COS_CONTAINERD",
        "management": {"autoRepair": True, "autoUpgrade": True},
        "oauthScopes": _NAP_SCOPES if provisioning and not autopilot else SCOPES,
        "serviceAccount": "default",
        **own,
    }
    if own.get("oauthScopes") and _CLOUD_PLATFORM not in own["oauthScopes"]:
        scopes = own["oauthScopes"]
        defaults["oauthScopes"] = [*scopes, *(scope for scope in _NEEDED_SCOPES if scope not in scopes)]
    elif not own.get("oauthScopes"):
        defaults["oauthScopes"] = _NAP_SCOPES if provisioning and not autopilot else SCOPES
    if defaults.get("minCpuPlatform") == "automatic":
        del defaults["minCpuPlatform"]
    if provisioning:
        surge = {"maxSurge": 1} if autopilot else {}
        defaults["upgradeSettings"] = upgrade_settings(surge | own.get("upgradeSettings", {}))
    found: Json = {"autoscalingProfile": "BALANCED"} | asked
    if autopilot:
        found |= {
            "autoscalingProfile": "OPTIMIZE_UTILIZATION",
            "enableNodeAutoprovisioning": True,
            "resourceLimits": [
                {"maximum": _NO_LIMIT, "resourceType": kind}
                for kind in ("cpu", "memory", "nvidia-tesla-t4", "nvidia-tesla-a100")
            ],
        }
    return found | {"autoprovisioningNodePoolDefaults": defaults}


def upgrade_settings(asked: Json) -> Json:
    """Upgrade settings, their strategy spelled out; what the other strategy has is not kept."""
    found: Json = {"strategy": "SURGE", **asked}
    own: Json = found.pop("blueGreenSettings", {})
    if found["strategy"] == "BLUE_GREEN":
        rollout: Json = {}
        if "autoscaledRolloutPolicy" not in own:
            rollout["standardRolloutPolicy"] = {"batchNodeCount": 1, "batchSoakDuration": "0s"}
        found["blueGreenSettings"] = {"nodePoolSoakDuration": "3600s"} | rollout | own
    return found


def database_encryption(asked: Json, before: Json) -> Json:
    """Encryption of secrets in the cluster's database."""
    state = asked.get("state", "DECRYPTED")
    if state == "DECRYPTED":
        keys = [*before.get("decryptionKeys", []), *([before["keyName"]] if "keyName" in before else [])]
        return {"currentState": "CURRENT_STATE_DECRYPTED", "state": "DECRYPTED", "decryptionKeys": keys}
    # Also what is asked for as ENCRYPTED (containercluster-databaseencryption@2026-06-03-d20cc3).
    return {
        "currentState": "CURRENT_STATE_ALL_OBJECTS_ENCRYPTION_ENABLED",
        "state": "ALL_OBJECTS_ENCRYPTION_ENABLED",
        "keyName": asked.get("keyName", ""),
    }


def confidential(asked: Json) -> Json:
    return {"confidentialInstanceType": "SEV"} | asked if asked.get("enabled") else asked


def maintenance(asked: Json) -> Json:
    """Windows and exclusions; a daily window is shown with its length."""
    found: Json = {key: value for key, value in asked.items() if key != "resourceVersion"}
    window = dict(found.pop("window", {}))
    if "dailyMaintenanceWindow" in window:
        window["dailyMaintenanceWindow"] = {"duration": "PT4H0M0S"} | window["dailyMaintenanceWindow"]
    if window:
        found["window"] = window
    return {"resourceVersion": fingerprint(window), **found}


def private_cluster(answer: Json, asked: Json) -> None:
    """Writes the older spelling of a private cluster in the newer one, of which ``present`` makes both."""
    endpoints = answer["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]
    old = asked.get("privateClusterConfig", {})
    if "enablePrivateNodes" in old:
        answer.setdefault("networkConfig", {})["defaultEnablePrivateNodes"] = old["enablePrivateNodes"]
    if "enablePrivateEndpoint" in old:
        endpoints["enablePublicEndpoint"] = not old["enablePrivateEndpoint"]
    if "masterGlobalAccessConfig" in old:
        endpoints["globalAccess"] = old["masterGlobalAccessConfig"].get("enabled", False)
    if old.get("privateEndpointSubnetwork"):
        endpoints["privateEndpointSubnetwork"] = old["privateEndpointSubnetwork"]
    if old.get("masterIpv4CidrBlock"):
        answer["privateClusterConfig"] = {"masterIpv4CidrBlock": old["masterIpv4CidrBlock"]}
    if "masterAuthorizedNetworksConfig" in asked:
        networks = endpoints["authorizedNetworksConfig"]
        endpoints["authorizedNetworksConfig"] = networks | asked["masterAuthorizedNetworksConfig"]
    tidy_endpoints(answer)


def tidy_endpoints(answer: Json) -> None:
    """The IP endpoints as they are shown: a subnetwork by its path, global access only while it is on."""
    endpoints = answer["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]
    subnetwork = endpoints.pop("privateEndpointSubnetwork", "")
    if subnetwork:
        path = f"projects/{subnetwork.partition('/projects/')[2]}" if "://" in subnetwork else subnetwork
        endpoints["privateEndpointSubnetwork"] = path
    if not endpoints.get("globalAccess"):
        endpoints.pop("globalAccess", None)


def _authorized_networks(answer: Json) -> None:
    """Who reaches the endpoints where nothing is asked for: with private nodes, the private one is enforced, too."""
    endpoints = answer["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]
    private = answer.get("networkConfig", {}).get("defaultEnablePrivateNodes")
    default = (
        {"privateEndpointEnforcementEnabled": True} if private else {"gcpPublicCidrsAccessEnabled": True}
    )
    endpoints["authorizedNetworksConfig"] = default | endpoints["authorizedNetworksConfig"]


def _addresses(asked: Json, place: Place, identity: str) -> Json:
    own = asked.get("ipAllocationPolicy", {})
    return merged(
        {
            "clusterSecondaryRangeName": f"gke-{asked['name']}-pods-{identity}",
            "networkTierConfig": {"networkTier": "NETWORK_TIER_DEFAULT"},
            "podCidrOverprovisionConfig": {},
            "stackType": "IPV4",
        },
        own,
    ) | {
        "clusterIpv4Cidr": place.pods,
        "clusterIpv4CidrBlock": place.pods,
        "servicesIpv4Cidr": place.services,
        "servicesIpv4CidrBlock": place.services,
        "useIpAliases": True,
    }

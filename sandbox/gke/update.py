"""What each field of a ClusterUpdate changes of a cluster, as Google's answers show it afterwards."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ..google.errors import GoogleError
from .defaults import (
    Json,
    Place,
    addons,
    autoscaling,
    database_encryption,
    maintenance,
    merged,
    private_cluster,
    telemetry,
    tidy_endpoints,
)

# Fields that say more about the one that changes.
QUALIFIERS = ("etag", "desiredNodePoolId")
# Fields that Google takes together.
_PAIRS = (
    {"desiredLoggingService", "desiredMonitoringService"},
    {"desiredLoggingConfig", "desiredMonitoringConfig"},
    {"additionalPodRangesConfig", "removedAdditionalPodRangesConfig"},
    {"desiredMasterVersion", "desiredEmulatedVersion"},
    {"desiredImageType", "desiredImage", "desiredImageProject"},
    {"desiredImageType", "desiredNodeVersion"},
)
# What changes nodes, and not only what the cluster says of itself.
OF_NODES = ("desiredNodeVersion", "desiredImageType", "desiredNodePoolAutoscaling", "desiredLocations")
OF_VERSION = "desiredMasterVersion"

# Fields of the cluster, and of its network, that ClusterUpdate has with ``desired`` before them.
_OF_CLUSTER = (
    "anonymousAuthenticationConfig", "authenticatorGroupsConfig", "binaryAuthorization", "clusterTelemetry",
    "controlPlaneEgress", "costManagementConfig", "identityServiceConfig", "loggingConfig", "loggingService",
    "managedMachineLearningDiagnosticsConfig", "managedOpentelemetryConfig", "meshCertificates",
    "monitoringService", "nodeCreationConfig", "notificationConfig", "podAutoscaling", "releaseChannel",
    "resourceUsageExportConfig", "secretManagerConfig", "secretSyncConfig", "shieldedNodes",
    "verticalPodAutoscaling", "workloadIdentityConfig",
)  # fmt: skip
_OF_NETWORK = (
    "datapathProvider", "defaultEnablePrivateNodes", "defaultSnatStatus", "disableL4LbFirewallReconciliation",
    "dnsConfig", "enableCiliumClusterwideNetworkPolicy", "enableFqdnNetworkPolicy", "enableMultiNetworking",
    "gatewayApiConfig", "inTransitEncryptionConfig", "networkPerformanceConfig", "privateIpv6GoogleAccess",
    "serviceExternalIpsConfig",
)  # fmt: skip


def _desired(field: str) -> str:
    return f"desired{field[0].upper()}{field[1:]}"


# The field takes this place in the cluster, as it is.
_REPLACED = {
    **{_desired(field): field for field in _OF_CLUSTER},
    **{_desired(field): f"networkConfig.{field}" for field in _OF_NETWORK},
    "desiredAdditionalIpRangesConfig.additionalIpRangesConfigs": "ipAllocationPolicy.additionalIpRangesConfigs",
    "desiredContainerdConfig": "nodePoolDefaults.nodeConfigDefaults.containerdConfig",
    "desiredGcfsConfig": "nodePoolDefaults.nodeConfigDefaults.gcfsConfig",
    "desiredIntraNodeVisibilityConfig.enabled": "networkConfig.enableIntraNodeVisibility",
    "desiredK8sBetaApis": "enableK8sBetaApis",
    "desiredL4ilbSubsettingConfig.enabled": "networkConfig.enableL4ilbSubsetting",
    "desiredNetworkTierConfig": "ipAllocationPolicy.networkTierConfig",
    "desiredNodePoolAutoConfigLinuxNodeConfig": "nodePoolAutoConfig.linuxNodeConfig",
    "desiredNodePoolAutoConfigNetworkTags": "nodePoolAutoConfig.networkTags",
    "desiredNodePoolAutoConfigResourceManagerTags": "nodePoolAutoConfig.resourceManagerTags",
    "desiredNodePoolLoggingConfig": "nodePoolDefaults.nodeConfigDefaults.loggingConfig",
    "desiredPrivilegedAdmissionConfig": "autopilot.privilegedAdmissionConfig",
    "desiredStackType": "ipAllocationPolicy.stackType",
    "enableK8sBetaApis": "enableK8sBetaApis",
    "gkeAutoUpgradeConfig": "gkeAutoUpgradeConfig",
}
# What the field says is laid over what is there.
_MERGED = {
    "desiredControlPlaneEndpointsConfig": "controlPlaneEndpointsConfig",
    "desiredMonitoringConfig": "monitoringConfig",
    "desiredNodeKubeletConfig": "nodePoolDefaults.nodeConfigDefaults.nodeKubeletConfig",
    "desiredNodePoolAutoConfigKubeletConfig": "nodePoolAutoConfig.nodeKubeletConfig",
    "desiredProtectConfig": "protectConfig",
    "desiredRbacBindingConfig": "rbacBindingConfig",
    "desiredSecurityPostureConfig": "securityPostureConfig",
}


def _addons(answer: Json, value: Json, _: Place) -> None:
    answer["addonsConfig"] |= addons(value)


def _autoscaling(answer: Json, value: Json, _: Place) -> None:
    answer["autoscaling"] = autoscaling(value, autopilot=bool(answer["autopilot"].get("enabled")))


def _encryption(answer: Json, value: Json, _: Place) -> None:
    answer["databaseEncryption"] = database_encryption(value, answer["databaseEncryption"])


def _endpoint(answer: Json, value: bool, _: Place) -> None:
    answer["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]["enablePublicEndpoint"] = not value


def _networks(answer: Json, value: Json, _: Place) -> None:
    endpoints = answer["controlPlaneEndpointsConfig"]["ipEndpointsConfig"]
    enforced = "privateEndpointEnforcementEnabled"
    before = {key: known for key, known in endpoints["authorizedNetworksConfig"].items() if key == enforced}
    endpoints["authorizedNetworksConfig"] = (before or {"gcpPublicCidrsAccessEnabled": True}) | value


def _private(answer: Json, value: Json, _: Place) -> None:
    private_cluster(answer, {"privateClusterConfig": value})


def _pod_ranges(answer: Json, names: list[str]) -> None:
    addresses = answer["ipAllocationPolicy"]
    addresses.pop("additionalPodRangesConfig", None)
    if names:
        infos = [{"rangeName": name} for name in names]
        addresses["additionalPodRangesConfig"] = {"podRangeInfo": infos, "podRangeNames": names}


def _known_ranges(answer: Json) -> list[str]:
    return list(answer["ipAllocationPolicy"].get("additionalPodRangesConfig", {}).get("podRangeNames", []))


def _more_ranges(answer: Json, value: Json, _: Place) -> None:
    known = _known_ranges(answer)
    _pod_ranges(answer, [*known, *(name for name in value.get("podRangeNames", []) if name not in known)])


def _fewer_ranges(answer: Json, value: Json, _: Place) -> None:
    gone = value.get("podRangeNames", [])
    _pod_ranges(answer, [name for name in _known_ranges(answer) if name not in gone])


def _tier(answer: Json, value: Json, _: Place) -> None:
    tier = value.get("desiredTier", "CLUSTER_TIER_UNSPECIFIED")
    answer["enterpriseConfig"] = answer["enterpriseConfig"] | {"clusterTier": tier, "desiredTier": tier}


_SPECIAL: dict[str, Callable[[Json, Any, Place], None]] = {
    "additionalPodRangesConfig": _more_ranges,
    "desiredAddonsConfig": _addons,
    "desiredClusterAutoscaling": _autoscaling,
    "desiredDatabaseEncryption": _encryption,
    "desiredEnablePrivateEndpoint": _endpoint,
    "desiredEnterpriseConfig": _tier,
    "desiredMasterAuthorizedNetworksConfig": _networks,
    "desiredPrivateClusterConfig": _private,
    "removedAdditionalPodRangesConfig": _fewer_ranges,
}
_ALIASES = {field.partition(".")[0]: field for field in _REPLACED}
EMULATED = frozenset((*_ALIASES, *_MERGED, *_SPECIAL, *OF_NODES, OF_VERSION))


def check_update(update: Json) -> list[str]:
    """The fields that an update changes; refuses none, more than one, and what is not emulated."""
    fields = sorted(set(update) - set(QUALIFIERS))
    if not fields:
        raise GoogleError(400, "Must specify a field to update.")
    missing = [field for field in fields if field not in EMULATED]
    if missing:
        raise GoogleError(501, f"not emulated here: an update of {', '.join(missing)}")
    if len(fields) > 1 and not any(set(fields) <= pair for pair in _PAIRS):
        raise GoogleError(
            400,
            "Exactly one update can be applied to a cluster with each request, so at most one field can be "
            f"provided; got {', '.join(fields)}.",
        )
    return fields


def updated(answer: Json, fields: list[str], update: Json, place: Place) -> Json:
    """The cluster's answer with these fields of an update applied."""
    found = copy.deepcopy(answer)
    for field in fields:
        value = copy.deepcopy(update[field])
        if field in _ALIASES:
            inner = _ALIASES[field].partition(".")[2]
            if inner:
                value = value.get(inner, False if inner == "enabled" else [])
            _set(found, _REPLACED[_ALIASES[field]], value)
        elif field in _MERGED:
            holder, key = _holder(found, _MERGED[field])
            holder[key] = merged(holder.get(key, {}), value)
        elif field in _SPECIAL:
            _SPECIAL[field](found, value, place)
        if field == "desiredControlPlaneEndpointsConfig":
            _keep_presence(found, answer, value)
    telemetry(found, {_cluster_field(field) for field in fields}, before=answer)
    return found


def _cluster_field(field: str) -> str:
    """The cluster's field that a field of an update is about."""
    name = field.removeprefix("desired")
    return f"{name[0].lower()}{name[1:]}"


def _keep_presence(found: Json, before: Json, value: Json) -> None:
    """Of the DNS endpoint, what an update leaves out is false afterwards."""
    dns = found["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]
    if "dnsEndpointConfig" in value:
        for key in ("allowExternalTraffic", "enableK8sTokensViaDns"):
            dns[key] = value["dnsEndpointConfig"].get(key, False)
    dns["endpoint"] = before["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]["endpoint"]
    tidy_endpoints(found)


def with_maintenance(answer: Json, policy: Json) -> Json:
    """The answer with another maintenance policy; refuses one that was made from an older answer."""
    known = answer["maintenancePolicy"].get("resourceVersion")
    if policy.get("resourceVersion") not in (None, "", known):
        raise GoogleError(
            409, "Maintenance policy resource version mismatch.", rpc_status="ABORTED", reason="aborted"
        )
    return answer | {"maintenancePolicy": maintenance(policy)}


def check_etag(sent: str | None, current: str) -> None:
    """Refuses a change that was planned on an older state."""
    if sent and sent != current:
        raise GoogleError(
            409, f"Etag mismatch: the request has {sent}, the resource has {current}.",
            rpc_status="ABORTED", reason="aborted",
        )  # fmt: skip


def _holder(answer: Json, path: str) -> tuple[Json, str]:
    *parents, last = path.split(".")
    holder = answer
    for parent in parents:
        holder = holder.setdefault(parent, {})
    return holder, last


def _set(answer: Json, path: str, value: Any) -> None:
    holder, last = _holder(answer, path)
    holder[last] = value

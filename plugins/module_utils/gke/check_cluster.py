"""Whether a cluster's options go together, before anything is asked of Google. Pure."""

from __future__ import annotations

import re

from ..gcp.errors import BadInput
from .check_pool import check_pool, check_upgrade_settings
from .places import is_zone
from .rules import (
    check_cidr,
    check_comparable_version,
    check_location,
    check_name,
    check_once,
    check_project,
    check_range,
    check_resource_labels,
    check_tags,
    check_version,
    check_zones,
    moment,
)  # fmt: skip
from .schema import Json

_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_MAX_EXCLUSIONS = 20


def check_place(project: str, location: str, name: str) -> None:
    check_project(project)
    check_location(location)
    check_name("cluster", name)


def check_cluster(desired: Json, location: str) -> None:
    """Raises ``BadInput`` for a cluster's options as given."""
    _check_versions(desired)
    _check_autopilot(desired, location)
    _check_network(desired)
    _check_endpoints(desired.get("control_plane_endpoints_config", {}))
    _check_autoscaling(desired.get("autoscaling", {}), location)
    _check_observability(desired)
    _check_maintenance(desired.get("maintenance_policy", {}))
    _check_encryption(desired.get("database_encryption", {}))
    if "node_locations" in desired:
        check_zones("node_locations", desired["node_locations"], location, with_own=True)
    if "resource_labels" in desired:
        check_resource_labels("resource_labels", desired["resource_labels"])
    check_tags("node_pool_auto_config_network_tags", desired.get("node_pool_auto_config_network_tags", []))
    if "default_max_pods_per_node" in desired:
        check_range("default_max_pods_per_node", desired["default_max_pods_per_node"], 8, 256)
    _check_pools(desired, location)


def _check_versions(desired: Json) -> None:
    if "initial_cluster_version" in desired:
        check_version("initial_cluster_version", desired["initial_cluster_version"])
    if "min_master_version" in desired:
        check_comparable_version("min_master_version", desired["min_master_version"])
    if "initial_cluster_version" in desired and "min_master_version" in desired:
        raise BadInput(
            "initial_cluster_version is for the creation alone, min_master_version for a version that is kept: give "
            "one of them."
        )


def _check_autopilot(desired: Json, location: str) -> None:
    if not desired.get("autopilot"):
        return
    if is_zone(location):
        raise BadInput(f"autopilot: such clusters are regional; '{location}' is a zone.")
    if desired.get("node_pools"):
        raise BadInput("autopilot: the nodes are Google's; node_pools can't be given.")
    if desired.get("workload_identity") == "":
        raise BadInput("autopilot: workload_identity is always on there.")
    if desired.get("release_channel") == "UNSPECIFIED":
        raise BadInput("autopilot: such clusters are always in a release channel.")
    if "autoscaling" in desired:
        raise BadInput("autopilot: node autoscaling is Google's; autoscaling can't be given.")
    if desired.get("default_max_pods_per_node"):
        raise BadInput("autopilot: default_max_pods_per_node can't be given.")
    if desired.get("shielded_nodes") is False:
        raise BadInput("autopilot: shielded_nodes is always on there.")


def _check_network(desired: Json) -> None:
    policy = desired.get("ip_allocation_policy", {})
    for kind in ("cluster", "services"):
        block, name = f"{kind}_ipv4_cidr_block", f"{kind}_secondary_range_name"
        if block in policy and name in policy:
            raise BadInput(f"ip_allocation_policy: {block} and {name} exclude each other.")
        if block in policy:
            check_cidr(f"ip_allocation_policy.{block}", policy[block], size_alone=True)
    if "node_ipv4_cidr_block" in policy:
        check_cidr(
            "ip_allocation_policy.node_ipv4_cidr_block", policy["node_ipv4_cidr_block"], size_alone=True
        )
    if policy.get("create_subnetwork") and "subnetwork" in desired:
        raise BadInput("ip_allocation_policy: create_subnetwork and subnetwork exclude each other.")
    if "subnetwork_name" in policy and not policy.get("create_subnetwork"):
        raise BadInput("ip_allocation_policy: subnetwork_name needs create_subnetwork.")
    if "master_ipv4_cidr_block" in desired:
        check_cidr("master_ipv4_cidr_block", desired["master_ipv4_cidr_block"], prefix=28)
    _check_datapath(desired)
    dns = desired.get("dns_config", {})
    if dns.get("cluster_dns_scope") == "VPC_SCOPE" and not dns.get("cluster_dns_domain"):
        raise BadInput("dns_config: VPC_SCOPE needs cluster_dns_domain.")
    if dns.get("cluster_dns_scope") and dns.get("cluster_dns") == "KUBE_DNS":
        raise BadInput("dns_config: cluster_dns_scope needs cluster_dns: CLOUD_DNS.")


def _check_datapath(desired: Json) -> None:
    datapath = desired.get("datapath_provider")
    needing = (
        "enable_cilium_clusterwide_network_policy",
        "enable_fqdn_network_policy",
    )
    for name in needing:
        if desired.get(name) and datapath == "LEGACY_DATAPATH":
            raise BadInput(f"{name} needs datapath_provider: ADVANCED_DATAPATH.")
    encrypted = desired.get("in_transit_encryption_config", "").endswith("TRANSPARENT")
    if encrypted and datapath == "LEGACY_DATAPATH":
        raise BadInput("in_transit_encryption_config needs datapath_provider: ADVANCED_DATAPATH.")
    if datapath == "ADVANCED_DATAPATH" and desired.get("addons_config", {}).get("network_policy"):
        raise BadInput("addons_config.network_policy is built into ADVANCED_DATAPATH: leave it out.")


def _check_endpoints(endpoints: Json) -> None:
    ip = endpoints.get("ip_endpoints_config", {})
    networks = ip.get("authorized_networks_config", {})
    blocks = networks.get("cidr_blocks", [])
    for block in blocks:
        check_cidr("authorized_networks_config.cidr_blocks", block["cidr_block"])
    check_once("authorized_networks_config.cidr_blocks", [block["cidr_block"] for block in blocks])
    if blocks and networks.get("enabled") is False:
        raise BadInput("authorized_networks_config: cidr_blocks need enabled: true.")
    if ip.get("enabled") is False and ip.get("enable_public_endpoint"):
        raise BadInput("ip_endpoints_config: with enabled: false there is no public endpoint either.")


def _check_autoscaling(options: Json, location: str) -> None:
    limits = options.get("resource_limits", [])
    check_once("autoscaling.resource_limits", [limit["resource_type"] for limit in limits])
    for limit in limits:
        low, high = limit.get("minimum", 0), limit.get("maximum")
        if low < 0 or (high is not None and high < max(low, 1)):
            raise BadInput(
                f"autoscaling.resource_limits: {limit['resource_type']} from {low} to {high}: the minimum must be 0 or "
                "more, the maximum at least 1 and not below the minimum."
            )
        if high is None:
            raise BadInput(f"autoscaling.resource_limits: {limit['resource_type']} needs a maximum.")
    if options.get("enable_node_autoprovisioning") and "resource_limits" in options:
        missing = {"cpu", "memory"} - {limit["resource_type"] for limit in limits}
        if missing:
            raise BadInput(
                f"autoscaling: node auto-provisioning needs a limit for {' and '.join(sorted(missing))}."
            )
    if options.get("enable_node_autoprovisioning") is False and limits:
        raise BadInput("autoscaling: resource_limits are for enable_node_autoprovisioning: true.")
    if "autoprovisioning_locations" in options:
        check_zones(
            "autoscaling.autoprovisioning_locations",
            options["autoprovisioning_locations"],
            location,
            with_own=False,
        )
    defaults = options.get("autoprovisioning_node_pool_defaults", {})
    check_upgrade_settings("autoscaling: upgrade_settings", defaults.get("upgrade_settings", {}))
    if "disk_size_gb" in defaults:
        check_range("autoscaling: disk_size_gb", defaults["disk_size_gb"], 10, 65536)


def _check_observability(desired: Json) -> None:
    for name in ("logging_config", "monitoring_config"):
        components = desired.get(name, {}).get("components", [])
        if components and "SYSTEM_COMPONENTS" not in components:
            raise BadInput(
                f"{name}.components: SYSTEM_COMPONENTS must be among them; an empty list turns all off."
            )
        check_once(f"{name}.components", components)
        if components and desired.get(name.replace("_config", "_service")) == "none":
            raise BadInput(f"{name}: with {name.replace('_config', '_service')}: none nothing is collected.")
    monitoring = desired.get("monitoring_config", {})
    if monitoring.get("auto_monitoring_scope") == "ALL" and monitoring.get("managed_prometheus") is False:
        raise BadInput("monitoring_config: auto_monitoring_scope: ALL needs managed_prometheus.")


def _check_maintenance(policy: Json) -> None:
    daily, recurring = policy.get("daily_window_start_time"), policy.get("recurring_window")
    if daily and recurring:
        raise BadInput("maintenance_policy: daily_window_start_time and recurring_window exclude each other.")
    if daily and not _CLOCK.fullmatch(daily):
        raise BadInput(
            f"maintenance_policy: daily_window_start_time '{daily}' is no time of day (GMT) such as 03:00."
        )
    if recurring:
        _check_span("maintenance_policy: recurring_window", recurring)
        if not recurring["recurrence"].startswith("FREQ="):
            raise BadInput(
                f"maintenance_policy: recurrence '{recurring['recurrence']}' is no RFC 5545 rule such as "
                "FREQ=WEEKLY;BYDAY=SA,SU."
            )
    exclusions = policy.get("exclusions", [])
    check_once("maintenance_policy: exclusions", [exclusion["name"] for exclusion in exclusions])
    check_range("maintenance_policy: the number of exclusions", len(exclusions), 0, _MAX_EXCLUSIONS)
    for exclusion in exclusions:
        what = f"maintenance_policy: exclusion {exclusion['name']}"
        if "end_time" not in exclusion and "end_time_behavior" not in exclusion:
            raise BadInput(f"{what} needs end_time, or end_time_behavior: UNTIL_END_OF_SUPPORT.")
        _check_span(what, exclusion)


def _check_span(what: str, span: Json) -> None:
    start = moment(f"{what}: start_time", span["start_time"])
    if "end_time" in span and moment(f"{what}: end_time", span["end_time"]) < start:
        raise BadInput(f"{what}: it ends ({span['end_time']}) before it begins ({span['start_time']}).")


def _check_encryption(options: Json) -> None:
    key = options.get("key_name")
    if options.get("state") == "DECRYPTED" and key:
        raise BadInput("database_encryption: key_name belongs to state ENCRYPTED.")
    if options and options.get("state") != "DECRYPTED" and not key:
        raise BadInput(f"database_encryption: state {options['state']} needs key_name.")
    if key and not _KEY.fullmatch(key):
        raise BadInput(
            f"database_encryption: key_name '{key}' must be projects/P/locations/L/keyRings/R/cryptoKeys/K."
        )


def _check_pools(desired: Json, location: str) -> None:
    pools = desired.get("node_pools", [])
    check_once("node_pools", [pool["name"] for pool in pools])
    for pool in pools:
        check_pool(pool, location)
        what = f"node pool {pool['name']}: "
        channel = desired.get("release_channel", "UNSPECIFIED")
        if channel != "UNSPECIFIED" and pool.get("management", {}).get("auto_upgrade") is False:
            raise BadInput(f"{what}auto_upgrade can't be off in release channel {channel}.")
        if pool.get("workload_metadata_mode") == "GKE_METADATA" and desired.get("workload_identity") == "":
            raise BadInput(f"{what}workload_metadata_mode GKE_METADATA needs workload_identity.")

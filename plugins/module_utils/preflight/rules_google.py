"""Rules about what Google offers: machine types, accelerators, versions, quotas. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ..gcp.errors import BadInput
from ..gke.desired import cluster_path
from ..gke.option import at_least
from ..gke.places import region_of
from ..gke.plan import plan_cluster, words_of_others
from ..gke.sizes import bounds
from ..variables.settings import Cluster, Pool, Settings
from .judge import Rule, Said
from .nodes import accelerators, shape
from .project import Project, Quota, known

Json = dict[str, Any]

_OWN_QUOTA = {"n2": "N2_CPUS", "n2d": "N2D_CPUS", "c2": "C2_CPUS", "c2d": "C2D_CPUS", "c3": "C3_CPUS",
              "t2d": "T2D_CPUS", "t2a": "T2A_CPUS", "a2": "A2_CPUS"}  # fmt: skip
_SHARED_QUOTA = ("e2", "n1", "f1", "g1", "custom")
"""Machine families by the quota that their vCPUs count in; the others' quotas are not told by ``regions.get``.
https://cloud.google.com/compute/resource-usage#cpu_quota"""

_FREE_CHOICE = ("", "-", "latest")


def _asked_pools(settings: Settings) -> tuple[Pool, ...]:
    cluster = settings.cluster
    return () if cluster.given or cluster.autopilot else cluster.pools


def machine_type(settings: Settings, project: Project) -> Iterator[Said]:
    for pool in _asked_pools(settings):
        if "custom-" in pool.machine_type:
            continue  # Google lists no custom types.
        offered = set(known(project.machine_types).get(pool.machine_type, {}))
        yield from _missing(
            settings.cluster, pool, f"machine type {pool.machine_type}", offered, "machine_type"
        )


def accelerator_type(settings: Settings, project: Project) -> Iterator[Said]:
    for pool in _asked_pools(settings):
        for kind, _unused in pool.accelerators:
            offered = set(known(project.accelerator_types).get(kind, ()))
            yield from _missing(settings.cluster, pool, f"accelerator {kind}", offered, "accelerators")


def of_others(settings: Settings, project: Project) -> Iterator[Said]:
    """What a run would change of a cluster that is not ours to change, as the module says it."""
    cluster = settings.cluster
    present = None if cluster.given else known(project.cluster)
    if not present or cluster.wish is None:
        return
    path = cluster_path(settings.project, cluster.location, cluster.name)
    try:
        plan = plan_cluster(dict(cluster.wish), present, path, exclusive_pools=cluster.pools_exclusive)
    except BadInput:
        return  # What the cluster itself does not allow the run tells.
    if words := words_of_others(plan.changes, present, adopt=cluster.adopt):
        yield words


def _missing(cluster: Cluster, pool: Pool, what: str, offered: set[str], option: str) -> Iterator[Said]:
    """What the pool's zones lack. Where Google chooses the zones, one of the region is enough."""
    near = sorted(zone for zone in offered if region_of(zone) == cluster.region)
    lacking = [zone for zone in pool.zones if zone not in offered] if pool.zones else []
    if lacking or (not pool.zones and not near):
        where = f"zone {', '.join(lacking)}" if lacking else f"region {cluster.region}"
        has = f"in this region {', '.join(near)} has it" if near else "no zone of this region has it"
        yield (
            f"node pool {pool.name}: {what} is not in {where}; {has}",
            f"Choose another {option}{', or other node_locations' if near else ', or another region'}; is it spelled right?",
        )


def version(settings: Settings, project: Project) -> Iterator[Said]:
    cluster = settings.cluster
    if cluster.given:
        return
    asked = _asked_versions(cluster, project)
    if not asked:
        return
    config, channel = known(project.server_config), _channel(cluster, project)
    masters, where = _valid_masters(config, channel)
    nodes = [*config.get("validNodeVersions", []), *masters]
    for variable, desired, of_nodes in asked:
        offered = nodes if of_nodes else masters
        if not any(_is(desired, one) for one in offered):
            yield (
                f"{variable} is {desired}, which {where} does not have; it has {', '.join(_newest(masters))}",
                f"Choose one of them, or leave {variable} empty for the default.",
            )


def hpa_version(settings: Settings, project: Project) -> Iterator[Said]:
    """What the HPA is asked for and the cluster's version does not have. Of a cluster that is given its API server tells."""
    cluster, scaling = settings.cluster, settings.autoscaling
    if cluster.given:
        return
    present = project.cluster if isinstance(project.cluster, dict) else {}
    versions = [
        one
        for one in (present.get("currentMasterVersion") or cluster.version, cluster.min_version)
        if one not in (*_FREE_CHOICE, None)
    ]
    newest = _newest([str(one) for one in versions])[:1] if versions else []
    if newest and scaling.tolerances and not at_least("1.35", newest[0]):
        yield (
            f"{' and '.join(scaling.tolerances)}: the cluster is of {newest[0]}, which drops tolerances without a word",
            "Upgrade to 1.35 or later (cluster_min_master_version), or leave them at 0.1.",
        )
    if newest and scaling.minimum == 0 and scaling.source == "prometheus" and not at_least("1.37", newest[0]):
        yield (
            f"autoscaling_min_replicas is 0, and the cluster is of {newest[0]}, whose HPA goes down to 1 at least",
            "Upgrade to 1.37 or later (cluster_min_master_version), or set autoscaling_metrics_source: keda, or a minimum of 1.",
        )
    if scaling.source != "gke":
        return
    if newest and not at_least("1.37", newest[0]):
        yield (
            f"autoscaling_metrics_source is gke, and the cluster is of {newest[0]}: AutoscalingMetric came with 1.37.0",
            "Upgrade to 1.37 (cluster_min_master_version), or set autoscaling_metrics_source: prometheus.",
        )
    profile = cluster.hpa_profile or present.get("podAutoscaling", {}).get("hpaProfile", "")
    if profile != "PERFORMANCE" and not cluster.autopilot:
        yield (
            "autoscaling_metrics_source is gke, which works with GKE's performance profile of the HPA alone",
            "Set cluster_hpa_profile: PERFORMANCE.",
        )


def _asked_versions(cluster: Cluster, project: Project) -> list[tuple[str, str, bool]]:
    """Versions that this run will ask Google for: variable, version, whether it is of nodes."""
    present = project.cluster if isinstance(project.cluster, dict) else None
    asked = []
    if present is None:
        asked.append(("cluster_version", cluster.version, False))
    if present is None or not at_least(cluster.min_version, present.get("currentMasterVersion")):
        asked.append(("cluster_min_master_version", cluster.min_version, False))
    now = {pool["name"]: pool.get("version") for pool in (present or {}).get("nodePools", [])}
    asked += [
        (f"version of node pool {pool.name}", pool.version, True)
        for pool in cluster.pools
        if not at_least(pool.version, now.get(pool.name))
    ]
    return [one for one in asked if one[1] not in _FREE_CHOICE]


def _channel(cluster: Cluster, project: Project) -> str:
    present = project.cluster if isinstance(project.cluster, dict) else {}
    found = cluster.channel or present.get("releaseChannel", {}).get("channel", "")
    return "" if found == "UNSPECIFIED" else str(found)


def _valid_masters(config: Json, channel: str) -> tuple[list[str], str]:
    for offer in config.get("channels", []):
        if channel and offer.get("channel") == channel:
            return list(offer.get("validVersions", [])), f"the release channel {channel}"
    return list(config.get("validMasterVersions", [])), "Google there"


def _is(desired: str, offered: str) -> bool:
    """1.34 is any 1.34."""
    return desired == offered or re.match(rf"{re.escape(desired)}[.-]", offered) is not None


def _newest(versions: list[str]) -> list[str]:
    found = sorted(set(versions), key=lambda one: [int(number) for number in re.findall(r"\d+", one)])
    return found[-4:][::-1] or ["none"]


def quota(settings: Settings, project: Project) -> Iterator[Said]:
    pools = _asked_pools(settings)
    if not pools:
        return
    quotas = known(project.quotas)
    needs: Counter[str] = Counter()
    for pool in pools:
        new = max(0, pool.maximum - _present(pool, project))
        for metric, each in _needs(pool, settings, project, quotas):
            needs[metric] += each * new
    for metric, needed in sorted(needs.items()):
        found = quotas.get(metric)
        if found is not None and needed > found.left:
            yield (
                f"region {settings.cluster.region} has {found.left:g} of {found.limit:g} {metric} left, and the node "
                f"pools can come to need {needed} more: the last nodes would never come",
                f"Ask for more quota of {metric} (https://console.cloud.google.com/iam-admin/quotas), or lower "
                "max_node_count.",
            )


def _present(pool: Pool, project: Project) -> int:
    """Nodes that the pool has already, as far as GKE tells: the most there may be, so that no need is made up."""
    cluster = project.cluster if isinstance(project.cluster, dict) else {}
    for found in cluster.get("nodePools", []):
        if found["name"] == pool.name:
            _unused, maximum = bounds(found, cluster)
            return int(min(maximum, pool.maximum))
    return 0


def _needs(
    pool: Pool, settings: Settings, project: Project, quotas: Mapping[str, Quota]
) -> list[tuple[str, int]]:
    """Quotas that one node counts in, with how much. Spot machines have their own where the project was given some."""
    cores = _cores(pool, project)
    family = pool.machine_type.partition("-")[0]
    metric = "CPUS" if family in _SHARED_QUOTA else _OWN_QUOTA.get(family)
    preemptible = quotas.get("PREEMPTIBLE_CPUS")
    found = [("INSTANCES", 1)]
    if pool.spot and preemptible and preemptible.limit:
        found.append(("PREEMPTIBLE_CPUS", cores))
    elif metric:
        found.append((metric, cores))
    found.append(("DISKS_TOTAL_GB" if pool.disk_type == "pd-standard" else "SSD_TOTAL_GB", pool.disk_gb))
    present = project.cluster if isinstance(project.cluster, dict) else {}
    private = settings.cluster.private_nodes
    if private is None:
        private = present.get("networkConfig", {}).get("defaultEnablePrivateNodes", False)
    if not private:
        found.append(("IN_USE_ADDRESSES", 1))
    for kind, count in accelerators(pool, project):
        name = kind.removeprefix("nvidia-").removeprefix("tesla-").upper().replace("-", "_")
        own = f"PREEMPTIBLE_NVIDIA_{name}_GPUS"
        spot = pool.spot and own in quotas and quotas[own].limit
        found.append((own if spot else f"NVIDIA_{name}_GPUS", count))
    return found


def _cores(pool: Pool, project: Project) -> int:
    return shape(pool, project).cpu_milli // 1000


RULES = (
    Rule("machine-type", "error", "A node pool's machine type is not offered in its zones.", machine_type),
    Rule(
        "accelerator-type",
        "error",
        "A node pool's accelerator is not offered in its zones.",
        accelerator_type,
    ),
    Rule(
        "hpa-version",
        "error",
        "The cluster's version, or its profile of the HPA, does not have what the HPA is asked for.",
        hpa_version,
    ),
    Rule("version", "error", "A Kubernetes version is not in the release channel, or not offered.", version),
    Rule("quota", "error", "The region's quotas do not allow the most nodes.", quota),
    Rule(
        "cluster-of-others",
        "error",
        "A cluster that others made, or one of its node pools, would be changed.",
        of_others,
        variable="cluster_adopt",
    ),
)

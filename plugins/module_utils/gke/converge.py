"""Clusters and node pools made as wanted: read, plan, and unless it is a check, change."""

from __future__ import annotations

from ..gcp.errors import BadInput, GoogleError
from ..gcp.labels import MARK_WORDS, is_ours
from ..gcp.rest import connect
from .check_cluster import check_place
from .client import Gke
from .describe import without_secrets
from .desired import cluster_path, desired_cluster, desired_pool
from .info import is_reachable, kubeconfig_for
from .kubeconfig import check_writable, context_name, forget
from .operations import trouble
from .plan import (
    Plan,
    diff,
    plan_cluster,
    plan_pool,
    refuse_impossible,
    refuse_of_others,
    remove_cluster,
    remove_pool,
)
from .rules import check_name
from .schema import Json


def converge_cluster(params: Json, check_mode: bool) -> Json:
    """What ``gke_cluster`` does; its result. Raises ``GoogleError``."""
    path = cluster_path(params["project"], params["location"], params["name"])
    if params["state"] == "absent":
        return _remove(params, path, check_mode)
    desired = desired_cluster(params)
    if params["kubeconfig_file"]:
        check_writable(params["kubeconfig_file"])
    gke = _connect(params)
    cluster = _current(gke, path, check_mode)
    plan = plan_cluster(
        desired,
        cluster,
        path,
        exclusive_pools=params["node_pools_exclusive"],
        recreate=params["recreate"],
        protected=params["deletion_protection"],
    )
    refuse_of_others(plan.changes, cluster, adopt=params["adopt"])
    cluster = _apply(gke, plan, cluster, path, check_mode)
    exists = is_reachable(cluster)
    if cluster is not None and exists and params["kubeconfig_file"]:
        kubeconfig_for(cluster, params)
    return {**_outcome(gke, plan, cluster), "cluster": without_secrets(cluster), "exists": exists}


def _remove(params: Json, path: str, check_mode: bool) -> Json:
    """The cluster and its entries in the kubeconfig go, or both stay, and ``kept`` says why."""
    project, location, name = params["project"], params["location"], params["name"]
    check_place(project, location, name)
    gke = _connect(params)
    cluster = _current(gke, path, check_mode)
    kept = ""
    if cluster is not None and params["own_only"] and not is_ours(cluster.get("resourceLabels")):
        kept = f"cluster {name} stays: it does not have the {MARK_WORDS} of what this collection made"
    elif cluster is not None and params["deletion_protection"]:
        raise BadInput(
            f"cluster {name} is not removed: deletion_protection is true. Set it to false first, if "
            "the cluster is to go."
        )
    plan = Plan([] if cluster is None or kept else [remove_cluster(name, path)])
    cluster = _apply(gke, plan, cluster, path, check_mode)
    result = {
        **_outcome(gke, plan, cluster),
        "cluster": without_secrets(cluster),
        "exists": False,
        "kept": kept,
    }
    file = params["kubeconfig_file"]
    if file and not kept and forget(file, context_name(project, location, name), check_mode=check_mode):
        result |= {
            "changed": True,
            "actions": [*result["actions"], f"kubeconfig {file}: without cluster {name}"],
        }
    return result


def converge_pool(params: Json, check_mode: bool) -> Json:
    """What ``gke_node_pool`` does; its result. Raises ``GoogleError``."""
    name, cluster_name = params["name"], params["cluster"]
    check_place(params["project"], params["location"], cluster_name)
    path = cluster_path(params["project"], params["location"], cluster_name)
    if params["state"] == "absent":
        check_name("node pool", name)
        gke = _connect(params)
        cluster = _current(gke, path, check_mode)
        plan = Plan([remove_pool(name, path)] if _pool(cluster, name) else [])
    else:
        desired = desired_pool(params, params["location"])
        gke = _connect(params)
        cluster = _current(gke, path, check_mode)
        if cluster is None and not check_mode:
            raise BadInput(f"cluster {cluster_name} does not exist in {params['location']}: create it first.")
        plan = plan_pool(desired, cluster or {}, path, recreate=params["recreate"])
        refuse_of_others(plan.changes, cluster, adopt=params["adopt"])
    cluster = _apply(gke, plan, cluster, path, check_mode)
    return {**_outcome(gke, plan, cluster), "node_pool": _pool(cluster, name)}


def _connect(params: Json) -> Gke:
    return Gke(connect(params), params["project"], params["location"], params["wait_timeout"])


def _current(gke: Gke, path: str, check_mode: bool) -> Json | None:
    """The cluster; a check does not wait, and takes one that is being deleted for gone."""
    if not check_mode:
        return gke.settled(path)
    cluster = gke.get(path)
    return None if cluster is not None and cluster.get("status") == "STOPPING" else cluster


def _apply(gke: Gke, plan: Plan, cluster: Json | None, path: str, check_mode: bool) -> Json | None:
    """Makes the changes; the cluster afterwards."""
    refuse_impossible(plan.changes)
    gke.warnings += plan.warnings
    if check_mode or not plan.changes:
        return cluster
    made: list[str] = []
    for change in plan.changes:
        try:
            gke.make(change)
        except GoogleError as error:
            error.made = made
            raise
        made.append(str(change))
    return gke.get(path)


def _outcome(gke: Gke, plan: Plan, cluster: Json | None) -> Json:
    """A module's result for a plan, the same in check mode and for real."""
    problems = [trouble(one) for one in ([cluster, *cluster.get("nodePools", [])] if cluster else [])]
    return {
        "changed": bool(plan.changes),
        "actions": [str(change) for change in plan.changes],
        "diff": diff(plan.changes),
        "warnings": [*gke.warnings, *filter(None, problems)],
    }


def _pool(cluster: Json | None, name: str) -> Json:
    found = (pool for pool in (cluster or {}).get("nodePools", []) if pool["name"] == name)
    return next(found, {})

"""What there is to know about a cluster, and a kubeconfig to reach it by."""

from __future__ import annotations

from typing import Any

from ..gcp.auth import credentials, fresh
from ..gcp.labels import is_ours
from ..gcp.rest import connect
from .check_cluster import check_place
from .client import Gke
from .describe import options_of, unmanaged, without_secrets
from .desired import cluster_path
from .known import note
from .kubeconfig import EXEC_USER, kubeconfig, token_user, write
from .renewal import renew_in_background
from .schema import Json

SECONDS = 60

KUBECONFIG_ARGUMENTS: Json = {
    "kubeconfig_file": {"type": "path"},
    "kubeconfig_current_context": {"type": "bool", "default": False},
    "kubeconfig_auth": {"type": "str", "choices": ["token", "exec"], "default": "token"},
    "kubeconfig_endpoint": {"type": "str", "choices": ["ip", "dns", "private"], "default": "ip"},
}


def is_reachable(cluster: Json | None) -> bool:
    """Whether a cluster has an API server to talk to, which it lacks while it is being made."""
    return bool(cluster and cluster.get("endpoint") and cluster.get("status") not in ("STOPPING", "ERROR"))


def kubeconfig_for(cluster: Json, params: Json, signed: Any = None) -> tuple[Json, bool]:
    """A kubeconfig as the options want it, with a fresh token if it is to have one; written if a file is named.

    And whether that token is renewed until the run's end. ``signed``: the credentials by which Google was asked.
    """
    found = None if params["kubeconfig_auth"] == "exec" else fresh(params, signed)
    user = EXEC_USER if found is None else token_user(str(found.token))
    content = kubeconfig(cluster, params["project"], user, params["kubeconfig_endpoint"], note(params, found))
    if not params["kubeconfig_file"]:
        return content, False
    write(params["kubeconfig_file"], content, current=params["kubeconfig_current_context"])
    if found is None or not params.get("process"):
        return content, False
    return content, renew_in_background(found, params["kubeconfig_file"], content, params["process"])


def _read(params: Json) -> tuple[Json | None, Any]:
    """The cluster as the API shows it, and the credentials by which it was asked. Raises ``GoogleError``."""
    project, location, name = params["project"], params["location"], params["name"]
    check_place(project, location, name)
    signed = credentials(params)
    google = Gke(connect(params, signed), project, location, SECONDS)
    return google.get(cluster_path(project, location, name)), signed


def connected(params: Json) -> tuple[Json | None, str, bool]:
    """Writes the cluster's kubeconfig: the cluster, the name of its context, empty where it can't be reached, and whether the token
    in it is renewed. Raises ``GoogleError``.
    """
    cluster, signed = _read(params)
    if cluster is None or not is_reachable(cluster):
        return cluster, "", False
    content, renewed = kubeconfig_for(cluster, params, signed)
    return cluster, str(content["current-context"]), renewed


def read_cluster(params: Json) -> Json:
    """What ``gke_cluster_info`` does; its result. Raises ``GoogleError``."""
    cluster, signed = _read(params)
    found: Json = {"changed": False, "exists": False, "cluster": without_secrets(cluster)}
    found |= {"options": {}, "unmanaged": [], "kubeconfig": {}, "renewed": False}
    found["made_here"] = is_ours((cluster or {}).get("resourceLabels"))
    if cluster is None:
        return found
    found |= {"options": options_of(cluster), "unmanaged": unmanaged(cluster)}
    if not is_reachable(cluster):
        return found
    content, renewed = kubeconfig_for(cluster, params, signed)
    return {
        **found,
        "exists": True,
        "kubeconfig": content,
        "renewed": renewed,
        "kubeconfig_context": content["current-context"],
    }

"""What there is to know about a cluster, and a kubeconfig to reach it by."""

from __future__ import annotations

from ..gcp.auth import fresh
from ..gcp.labels import is_ours
from ..gcp.rest import connect
from .check_cluster import check_place
from .client import Gke
from .describe import options_of, unmanaged, without_secrets
from .desired import cluster_path
from .kubeconfig import EXEC_USER, context_name, kubeconfig, token_user, write
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


def kubeconfig_for(cluster: Json, params: Json) -> tuple[Json, bool]:
    """A kubeconfig as the options want it, with a fresh token if it is to have one; written if a file is named.

    And whether that token is renewed until the run's end.
    """
    found = None if params["kubeconfig_auth"] == "exec" else fresh(params)
    user = EXEC_USER if found is None else token_user(str(found.token))
    content = kubeconfig(cluster, params["project"], user, params["kubeconfig_endpoint"])
    if not params["kubeconfig_file"]:
        return content, False
    write(params["kubeconfig_file"], content, current=params["kubeconfig_current_context"])
    if found is None or not params.get("process"):
        return content, False
    return content, renew_in_background(found, params["kubeconfig_file"], content, params["process"])


def read_cluster(params: Json) -> Json:
    """What ``gke_cluster_info`` does; its result. Raises ``GoogleError``."""
    project, location, name = params["project"], params["location"], params["name"]
    check_place(project, location, name)
    cluster = Gke(connect(params), project, location, SECONDS).get(cluster_path(project, location, name))
    found: Json = {"changed": False, "exists": False, "cluster": without_secrets(cluster)}
    found |= {"options": {}, "unmanaged": [], "kubeconfig": {}, "renewed": False}
    found["made_here"] = is_ours((cluster or {}).get("resourceLabels"))
    if cluster is None:
        return found
    found |= {"options": options_of(cluster), "unmanaged": unmanaged(cluster)}
    if not is_reachable(cluster):
        return found
    content, renewed = kubeconfig_for(cluster, params)
    return {
        **found,
        "exists": True,
        "kubeconfig": content,
        "renewed": renewed,
        "kubeconfig_context": context_name(project, cluster["location"], name),
    }

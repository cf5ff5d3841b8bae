"""The one cluster that a run's tasks go to: one that exists already, or Google's with a fresh token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from ..gcp import options as google
from ..gcp.errors import BadInput
from ..gcp.labels import is_ours
from ..k8s import options as kubernetes
from ..k8s.connection import lacking
from ..k8s.kubeconfigs import kubeconfig_context, kubeconfig_path
from ..paths import absolute_path
from .known import known
from .kubeconfig import context_name

Json = dict[str, Any]

ARGUMENTS = google.argument_spec(
    google.GKE_ENDPOINT,
    name={"type": "str", "required": True},
    location={"type": "str", "required": True},
    kubeconfig_file={"type": "path", "required": True},
    kubeconfig_auth={"type": "str", "choices": ["token", "exec"], "default": "token"},
    kubeconfig_endpoint={"type": "str", "choices": ["ip", "dns", "private"], "default": "ip"},
    existing_kubeconfig={"type": "str", "default": ""},
    existing_context={"type": "str", "default": ""},
    process={"type": "int"},
)

DOCUMENTED = {
    "name": "The cluster's name.",
    "location": "A zone or a region.",
    "existing_kubeconfig": "A kubeconfig, or several with a C(:) between them, that exists; Google is not asked then.",
    "existing_context": "Its context; the one that is current if empty.",
    "process": "The id of the process with whose end the run ends, until which a token is renewed.",
}


@dataclass(frozen=True)
class Connection:
    """``kubeconfig``: its path, or paths, empty where the cluster can't be reached; ``renewed``: whether its token is until the
    run's end. Of Google's cluster: whether it ``exists``, and was ``made_here``, and its ``status`` in Google's word.
    """

    kubeconfig: str = ""
    context: str = ""
    renewed: bool = False
    exists: bool = False
    made_here: bool = False
    status: str = ""


def packages(params: Mapping[str, Any]) -> Mapping[str, str | None]:
    """What is needed for such options, and why it can't be imported here, if so."""
    if given := params.get("existing_kubeconfig"):
        return {"kubernetes": lacking(kubeconfig_path(given), params.get("existing_context") or None)}
    return {
        "google-auth and requests": None
        if _is_installed("google.auth") and _is_installed("requests")
        else "no such package"
    }


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # nor is what it is a part of
        return False


def connect(params: Json) -> Connection:
    """Raises ``GoogleError``."""
    if given := kubeconfig_path(params["existing_kubeconfig"]):
        # By its name from here on: others may choose another one in that file while a run lasts.
        return Connection(given, params["existing_context"] or kubeconfig_context(given))
    file = absolute_path(params["kubeconfig_file"])
    if params.get("exists") is not None:
        # By the name that was just written: others may have chosen another one in that file since.
        context = context_name(params["project"], params["location"], params["name"])
        return Connection(file, context) if params["exists"] else Connection()
    from .info import connected  # noqa: PLC0415 - long to import, and not needed above

    cluster, context, renewed = connected({**params, "kubeconfig_current_context": True})
    there = cluster or {}
    return Connection(
        file if context else "", context, renewed,
        exists=cluster is not None, made_here=is_ours(there.get("resourceLabels")), status=str(there.get("status", "")),
    )  # fmt: skip


def needed(found: Connection, params: Json) -> Connection:
    """The same. Raises ``BadInput`` where it leads nowhere: modules that are given no kubeconfig take one of their own."""
    if found.kubeconfig:
        return found
    where = f"cluster {params['name']} in {params['location']} of project {params['project']}"
    if found.exists or params.get("exists") is not None:
        said = f": Google says that it is {found.status}" if found.status else ""
        raise BadInput(
            f"{where} can't be reached{said}. Nothing was asked of it. Run this again once playbooks/status.yml reaches it."
        )
    raise BadInput(
        f"{where} does not exist, and nothing was asked of any other. Correct gcp_project, cluster_location or cluster_name, or have "
        "playbooks/site.yml create it."
    )


def recent(params: Json, now: float) -> Connection | None:
    """That of a run before, if it is as good as a new one."""
    context = "" if params["existing_kubeconfig"] else known(params, now)
    return Connection(absolute_path(params["kubeconfig_file"]), context) if context else None


def answered(params: Json, work: Callable[[], Json]) -> Json:
    """What ``work`` returns; its error in words, with ``failed``, where it raises one."""

    def asked() -> Json:
        return kubernetes.answered(work)

    return google.answered(
        {name: params[name] for name in params if name != "project" or not params["existing_kubeconfig"]},
        asked,
    )

"""What the module site_status does: finds the site's cluster, looks at it, and makes one screen of what it finds."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ..gcp.errors import BadInput
from ..gke.connection import Connection, connect, recent
from ..k8s.client import READS
from ..k8s.errors import KubeError
from ..k8s.options import client_from_params
from ..loadtest.runs import as_seen, replace
from ..retry import Policy
from .look import look

Json = dict[str, Any]

ONCE = Policy(attempts=1)

STATISTIC = "tfserving_health"

_NOWHERE: Json = {"health": "down", "replicas": {}, "nodes": {}, "pods": [], "cost": None, "gateways": []}


def site_status(params: Json) -> Json:
    """The module's result. Raises ``GoogleError`` and ``KubeError``."""
    connection, found = _found(params)
    from .screen import Site, screen  # noqa: PLC0415 - what judges is imported while the cluster is asked

    model = params["models"][0]["name"] if params["models"] else params["model"]
    site = Site(
        params["namespace"], params["app"], model, cluster=params["name"], location=params["location"],
        kubeconfig=connection.kubeconfig, existing=params["existing_kubeconfig"], exists=connection.exists,
    )  # fmt: skip
    lines = screen(site, found, as_seen(Path(params["reports"])), time.time())
    if params["file"]:
        _write(Path(params["file"]), found["summary"])
    health = found["summary"]["health"]
    return {
        "changed": False,
        "screen": lines,
        "summary": found["summary"],
        "line": found["line"],
        "kubeconfig": connection.kubeconfig,
        "context": connection.context,
        # As ansible.builtin.set_stats returns it, without a task for it.
        "ansible_stats": {"data": {STATISTIC: health}, "per_host": False, "aggregate": False},
    }


def _found(params: Json) -> tuple[Connection, Json]:
    """Google is asked only where no kubeconfig of a run before leads to the cluster: that takes longer than all else."""
    if not params["watch_seconds"] and (connection := recent(params, time.time())):
        try:
            return connection, _look(connection, params, ONCE)
        except KubeError:
            pass  # What lasts is told below, and what passes is tried again there.
    connection = connect(params)
    if not connection.kubeconfig:
        reason = (
            f"the cluster can't be reached: Google says that it is {connection.status}"
            if connection.exists
            else "the cluster does not exist"
        )
        return connection, {"summary": {**_NOWHERE, "reasons": [reason]}, "line": f"down: {reason}"}
    return connection, _look(connection, params, READS)


def _look(connection: Connection, params: Json, reads: Policy) -> Json:
    where = {"kubeconfig": connection.kubeconfig, "context": connection.context}
    api = client_from_params({**where, "namespace": params["namespace"], "app": params["app"]}, reads)
    return look(api, {**params, "billing": {"prices": params["prices"], "pools": params["pools"]}})


def _write(file: Path, summary: Json) -> None:
    try:
        replace(file, json.dumps(summary, indent=4, sort_keys=True) + "\n")
        file.chmod(0o644)
    except OSError as error:
        raise BadInput(f"The status can't be written to {file}: {error.strerror}.") from error

"""What the module k8s_rollout does: takes a rollout back where that is wanted, and follows it."""

from __future__ import annotations

from typing import Any

from ..outcome import failure
from ..progress import progress
from ..retry import Clock
from .client import KubeApi
from .errors import KubeError
from .objects import Json
from .rollback import rollback
from .rollout import RolloutFailed, status_now, wait_for_rollout
from .workloads import Counts, revision_of


def check(params: Json) -> None:
    """Refuses what can't be meant, before anything is asked."""
    if params["revision"] is not None and params["state"] != "undone":
        raise KubeError(
            0, "Option", "`revision` only says where `state: undone` returns to; leave it out otherwise."
        )


def converge(api: KubeApi, params: Json, check_mode: bool, clock: Clock | None = None) -> Json:
    """The module's result; raises KubeError."""
    clock = clock or Clock()
    kind, namespace, name = params["kind"], params["namespace"], params["name"]
    result: dict[str, Any] = {"changed": False}
    if params["state"] == "undone":
        changed, before, after = rollback(
            api, kind, namespace, name, desired=params["revision"], dry_run=check_mode
        )
        result.update(changed=changed, diff={"before": before, "after": after})
    if check_mode:
        return {**result, "status": status_now(api, kind, namespace, name, clock.wall())}
    try:
        workload, status = wait_for_rollout(
            api, kind, namespace, name, timeout=params["timeout"], clock=clock, say=progress
        )
    except RolloutFailed as error:
        failed = error.failed
        words = "\n  ".join(["", *failed.evidence]) if failed.evidence else ""
        return failure(
            f"{name}: {failed.reason}. Way out: {failed.hint}.{words}",
            reason=failed.reason,
            evidence=list(failed.evidence),
            hint=failed.hint,
            pod=failed.pod or "",
            container=failed.container or "",
        )
    return {
        **result,
        "status": status,
        "replicas": Counts.of(kind, workload).available,
        "revision": revision_of(kind, workload),
    }

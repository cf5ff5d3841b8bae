"""What the module k8s_rollout does: takes a rollout back where that is wanted, and follows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..outcome import failure
from ..progress import progress
from ..retry import Clock
from .client import KubeApi
from .errors import KubeError
from .objects import Json
from .rollback import rollback
from .rollout import RolloutFailed, status_now, wait_for_rollout
from .surge import held
from .workloads import Counts, revision_of


def check(params: Json) -> None:
    """Refuses what can't be meant, before anything is asked."""
    if params["revision"] is not None and params["state"] != "undone":
        raise KubeError(
            0, "Option", "`revision` only says where `state: undone` returns to; leave it out otherwise."
        )


def converge(
    api: KubeApi,
    params: Json,
    check_mode: bool,
    clock: Clock | None = None,
    again: Callable[[], KubeApi] | None = None,
) -> Json:
    """The module's result; raises KubeError. ``again``: another client of the same cluster, for a process beside this one."""
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
    if kind != "Deployment" or not params["hold_hpa"]:
        return result | _followed(api, params, clock)
    with held(api, again or (lambda: api), namespace, name, clock) as warnings:
        result |= _followed(api, params, clock)
    return result | ({"warnings": warnings} if warnings else {})


def _followed(api: KubeApi, params: Json, clock: Clock) -> Json:
    kind, namespace, name = params["kind"], params["namespace"], params["name"]
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
        "status": status,
        "replicas": Counts.of(kind, workload).available,
        "revision": revision_of(kind, workload),
    }

"""Gives a workload an earlier pod template back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .client import APPLY, KubeApi
from .errors import KubeError
from .listing import get_workload
from .objects import REVISION, Json, label_selector, owned_by, revision
from .rollout import listed
from .workloads import history_path, workload_path

MANAGER = "mlops.tfserving"  # by which the roles apply
ATTEMPTS = 10  # against controllers that write its status at the same time


def rollback(
    api: KubeApi, kind: str, namespace: str, name: str, *, desired: int | None = None, dry_run: bool = False
) -> tuple[bool, Json, Json]:
    """Returns to the previous pod template, or to that of revision `desired`; returns changed, before, after.

    Raises KubeError when there is no such template, the workload keeps none (a Job) or is paused, or another
    one changes it at the same time. What an HPA decided (replicas) is left alone.
    """
    history = history_path(kind, namespace)
    if history is None:
        raise KubeError(
            0, "NoHistory", f"a {kind} keeps no earlier pod template: delete it and apply the one you want."
        )
    workload = get_workload(api, kind, namespace, name)
    if workload["spec"].get("paused"):
        raise KubeError(
            0,
            "Paused",
            f"{kind} {name} is paused: nothing would be rolled out. Resume it (spec.paused: false) first.",
        )
    selector = label_selector(workload["spec"].get("selector") or {})
    revisions = [found for found in listed(api, history, labelSelector=selector) if owned_by(found, workload)]
    target = _target(kind, namespace, workload, revisions, desired)
    before, after = workload["spec"]["template"], template_of(target)
    if _plain(before) == _plain(after):
        return False, before, before
    _replace(api, kind, namespace, workload, after, dry_run=dry_run)
    return True, before, after


def number_of(found: Json) -> int:
    """A ReplicaSet's or ControllerRevision's place in its workload's history."""
    return int(found["revision"]) if "revision" in found else revision(found)


def template_of(found: Json) -> Json:
    """The pod template as its workload had it: without what controllers add to it."""
    holder = found["spec"] if "spec" in found else found["data"]["spec"]
    template: Json = {key: value for key, value in holder["template"].items() if key != "$patch"}
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value is not None}
    if "labels" in metadata:
        labels = metadata["labels"] or {}
        metadata["labels"] = {key: value for key, value in labels.items() if key != "pod-template-hash"}
    return {**template, "metadata": metadata}


def _target(
    kind: str, namespace: str, workload: Json, revisions: Sequence[Json], desired: int | None
) -> Json:
    ordered = sorted(revisions, key=number_of)
    numbers = [number_of(found) for found in ordered]
    name = workload["metadata"]["name"]
    if desired is not None:
        if desired not in numbers:
            kept = ", ".join(map(str, numbers)) or "none"
            raise KubeError(
                404,
                "NoSuchRevision",
                f"{kind} {name} in namespace {namespace} has no revision {desired} (kept: {kept}). Choose one of these, "
                "or apply the template you want; spec.revisionHistoryLimit says how many are kept.",
            )
        return ordered[numbers.index(desired)]
    if len(ordered) < 2:
        annotated = (workload["metadata"].get("annotations") or {}).get(REVISION)
        at = annotated or (numbers[-1] if numbers else "?")
        raise KubeError(
            404,
            "NoPreviousRevision",
            f"{kind} {name} in namespace {namespace} has no earlier revision to return to (it is at revision {at}).",
        )
    return ordered[-2]


def _replace(api: KubeApi, kind: str, namespace: str, workload: Json, after: Json, *, dry_run: bool) -> None:
    name, before = workload["metadata"]["name"], workload["spec"]["template"]
    path = workload_path(kind, namespace, name)
    for attempt in range(1, ATTEMPTS + 1):
        body, content_type, query = _change(kind, workload, after)
        query = f"?fieldManager={MANAGER}{query}" + ("&dryRun=All" if dry_run else "")
        try:
            api.patch(path + query, body, content_type=content_type)
            return
        except KubeError as error:
            unknown = error.passing and not dry_run  # whether it was done
            if error.status not in (409, 422) and not unknown:
                raise
            now = get_workload(api, kind, namespace, name)
            if _plain(now["spec"]["template"]) == _plain(after):
                return
            if now["spec"]["template"] != before:
                raise KubeError(
                    409,
                    "Conflict",
                    f"somebody else changed the pod template of {kind} {name} at the same time. "
                    "Nothing was undone: see what it is now, then run again.",
                ) from error
            if attempt == ATTEMPTS or (now["metadata"] == workload["metadata"] and not unknown):
                raise
            # Only its status or the number of replicas has changed, as controllers and an HPA do at any time.
            workload = now


def _change(kind: str, workload: Json, after: Json) -> tuple[Any, str, str]:
    """A patch's body, content type and query, good only as long as the workload's template is what it was.

    A workload that is applied by this collection gets its template applied, too: a field that came back by another
    way would belong to nobody whose next apply could drop it.
    """
    metadata = workload["metadata"]
    applied = [
        entry
        for entry in metadata.get("managedFields") or []
        if (entry.get("manager"), entry.get("operation")) == (MANAGER, "Apply")
    ]
    if not applied:
        # The template can't be tested itself: the API server compares the bytes of its own JSON, in which & is \u0026.
        test = {"op": "test", "path": "/metadata/generation", "value": metadata["generation"]}
        replace = {"op": "replace", "path": "/spec/template", "value": after}
        return [test, replace], "application/json-patch+json", ""
    owned = (applied[0].get("fieldsV1") or {}).get("f:spec") or {}
    kept = {
        key: value for key, value in workload["spec"].items() if key != "replicas" or "f:replicas" in owned
    }
    annotations = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if key != REVISION
    }
    body = {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {
            "name": metadata["name"],
            "resourceVersion": metadata.get("resourceVersion"),
            "labels": metadata.get("labels") or {},
            "annotations": annotations,
        },
        "spec": {**kept, "template": _plain(after)},
    }
    return body, APPLY, "&force=true"


def _plain(value: Any) -> Any:
    """The same without nulls, which mean nothing in a pod template."""
    if isinstance(value, dict):
        return {key: _plain(found) for key, found in value.items() if found is not None}
    return [_plain(found) for found in value] if isinstance(value, list) else value

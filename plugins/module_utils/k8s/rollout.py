"""Follows a Deployment's rollout until it is done or known to be in vain, and takes one back."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .client import KubeApi
from .diagnosis import Ready, Verdict, diagnose, previous_replicaset
from .errors import KubeError
from .objects import REVISION, Json, label_selector
from .pods import Failed, Waiting

POLL_SECONDS = 1.0
"""Between two looks; a look is one request, four while pods are not ready."""

LOG_LINES = 20
"""Of a failed container's log, for the error message."""


@dataclass(frozen=True)
class Clock:
    """Time as the loop sees it: seconds since the epoch, and a way to let some pass."""

    now: Callable[[], float]
    sleep: Callable[[float], None]


class RolloutFailed(Exception):
    """The rollout cannot succeed, or did not in time; `failed` says why."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.reason)
        self.failed = failed


def deployment_path(namespace: str, name: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


def get_deployment(api: KubeApi, namespace: str, name: str) -> Json:
    found = api.get_or_none(deployment_path(namespace, name))
    if found is None:
        raise KubeError(
            404,
            "NotFound",
            f"no Deployment {name} in namespace {namespace}. Apply it first, or correct its name.",
        )
    return found


def wait_for_rollout(
    api: KubeApi, namespace: str, name: str, *, timeout: float, clock: Clock, say: Callable[[str], None]
) -> tuple[Json, str]:
    """Blocks until the Deployment is rolled out; returns it and its state in words.

    `say` gets a line whenever the state changes. Raises RolloutFailed (in vain, or `timeout` seconds are
    over) and KubeError (no such Deployment, no access). An API server that does not answer for a while (a
    control plane being resized) is waited for like everything else.
    """
    deadline = clock.now() + timeout
    said = ""
    while True:
        try:
            deployment, verdict = look(api, namespace, name, clock.now())
        except KubeError as error:
            if 0 < error.status < 500:
                raise
            deployment, verdict = {}, Waiting(error.message)
        if isinstance(verdict, Ready):
            return deployment, verdict.text
        if isinstance(verdict, Failed):
            raise RolloutFailed(_with_log(api, namespace, verdict))
        if verdict.text != said:
            said = verdict.text
            say(f"{name}: {said}")
        if clock.now() >= deadline:
            raise RolloutFailed(
                Failed(
                    f"not rolled out within {timeout:.0f} s: {verdict.text}",
                    (),
                    "look at what it waits for, or allow more time (timeout)",
                )
            )
        clock.sleep(POLL_SECONDS)


def look(api: KubeApi, namespace: str, name: str, now: float) -> tuple[Json, Verdict]:
    """One look at the rollout: one request when it is done, four when it is not."""
    deployment = get_deployment(api, namespace, name)
    verdict = diagnose(deployment, (), (), (), now)
    if not isinstance(verdict, Waiting):
        return deployment, verdict
    selector = label_selector(deployment["spec"].get("selector", {}))
    core = f"/api/v1/namespaces/{namespace}"
    replicasets = api.get(f"/apis/apps/v1/namespaces/{namespace}/replicasets", labelSelector=selector)
    pods = api.get(f"{core}/pods", labelSelector=selector)
    events = api.get(f"{core}/events", fieldSelector="involvedObject.kind=Pod", limit=500)
    return deployment, diagnose(deployment, replicasets["items"], pods["items"], events["items"], now)


def undo(api: KubeApi, namespace: str, name: str, *, dry_run: bool) -> tuple[bool, Json, Json]:
    """Gives the Deployment its previous ReplicaSet's pod template back; returns changed, before, after.

    Raises KubeError when there is no earlier template. What an HPA decided (replicas) is left alone.
    """
    deployment = get_deployment(api, namespace, name)
    selector = label_selector(deployment["spec"].get("selector", {}))
    listed = api.get(f"/apis/apps/v1/namespaces/{namespace}/replicasets", labelSelector=selector)
    previous = previous_replicaset(deployment, listed["items"])
    if previous is None:
        raise KubeError(
            404,
            "NoPreviousRevision",
            f"Deployment {name} in namespace {namespace} has no earlier revision to return to "
            f"(it is at revision {deployment['metadata'].get('annotations', {}).get(REVISION, '?')}).",
        )
    before, after = deployment["spec"]["template"], template_of(previous)
    if before == after:
        return False, before, after
    patch: list[dict[str, Any]] = [
        # The template must still be the one this decision was made on.
        {
            "op": "test",
            "path": "/metadata/resourceVersion",
            "value": deployment["metadata"]["resourceVersion"],
        },
        {"op": "replace", "path": "/spec/template", "value": after},
    ]
    query = "?fieldManager=mlops.tfserving" + ("&dryRun=All" if dry_run else "")
    api.patch(deployment_path(namespace, name) + query, patch, content_type="application/json-patch+json")
    return True, before, after


def template_of(replicaset: Json) -> Json:
    """A ReplicaSet's pod template as its Deployment had it: without the label the controller adds."""
    template: Json = dict(replicaset["spec"]["template"])
    metadata = dict(template.get("metadata", {}))
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != "pod-template-hash"}
    return {**template, "metadata": {**metadata, "labels": labels}}


def _with_log(api: KubeApi, namespace: str, failed: Failed) -> Failed:
    """The failure with the last lines that the container wrote, where they can be had."""
    if failed.pod is None or failed.container is None:
        return failed
    try:
        status, _, content = api.raw(
            "GET",
            f"/api/v1/namespaces/{namespace}/pods/{failed.pod}/log",
            query={
                "container": failed.container,
                "tailLines": LOG_LINES,
                "previous": "true" if failed.previous else None,
            },
        )
    except KubeError:
        return failed
    if status != 200:
        return failed
    lines = tuple(line for line in content.decode("utf-8", "replace").splitlines() if line.strip())
    new = tuple(line for line in lines if line not in failed.evidence)
    return replace(failed, evidence=failed.evidence + new)

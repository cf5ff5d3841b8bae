"""What a CapacityBuffer asks for: pods that are nowhere but in the node autoscaler's plans, and its status. Pure.

Contract: https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/proposals/buffers.md, and
``cluster-autoscaler/capacitybuffer`` of its code.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from plugins.module_utils.k8s.fit import requests_of
from plugins.module_utils.k8s.objects import Json
from plugins.module_utils.k8s.quantities import quantity

KIND = "CapacityBuffer"
API_VERSION = "autoscaling.x-k8s.io/v1beta1"
STRATEGY = "buffer.x-k8s.io/active-capacity"


@dataclass(frozen=True)
class Asked:
    """``status``: of the buffer. ``template``: the PodTemplate to be applied, where the buffer goes by a Deployment."""

    pods: tuple[Json, ...]
    status: Json
    template: Json | None = None


def template_name(buffer: Json) -> str:
    """Of the PodTemplate that a buffer's pods are like."""
    spec = buffer["spec"]
    if "podTemplateRef" in spec:
        return str(spec["podTemplateRef"]["name"])
    return f"capacitybuffer-{buffer['metadata']['name']}-pod-template"


def asked(buffer: Json, template: Json | None, deployment: Json | None, now: float) -> Asked:
    """What the buffer asks for, by the PodTemplate of ``template_name`` or the Deployment that it names.

    ``template``: as it is, if it is; ``now``: seconds since 1970, for conditions that change.
    """
    spec = buffer["spec"]
    of_deployment = None
    if "scalableRef" in spec:
        if deployment is None:
            ref = spec["scalableRef"]
            return _not_ready(buffer, f"there is no {ref['kind']} {ref['name']} whose pods are known", now)
        of_deployment = _template_of(buffer, deployment)
    elif template is None:
        return _not_ready(buffer, f"there is no PodTemplate {template_name(buffer)}", now)
    content = (of_deployment or template or {})["template"]
    count = _count(spec, content, deployment)
    if count is None:
        return _not_ready(buffer, "replicas, percentage and limits are not defined", now)
    status: Json = {
        "podTemplateRef": {"name": template_name(buffer)},
        "replicas": count,
        "provisioningStrategy": spec.get("provisioningStrategy", STRATEGY),
        "conditions": _conditions(
            buffer,
            now,
            ("ReadyForProvisioning", "True", "AttributesSetSuccessfully", "ready"),
            ("Provisioning", "True", "FakePodsInjected", "")
            if count
            else ("Provisioning", "False", "BufferIsEmpty", "CapacityBuffer has zero replicas"),
        ),
    }
    if template is not None:
        status["podTemplateGeneration"] = template["metadata"].get("generation", 0)
    pods = tuple(_pod(buffer, content, number) for number in range(1, count + 1))
    return Asked(pods, status, of_deployment)


def _not_ready(buffer: Json, why: str, now: float) -> Asked:
    conditions = (
        ("ReadyForProvisioning", "False", "error", why),
        ("Provisioning", "False", "NotReadyForProvisioning", "CapacityBuffer is not ready for provisioning"),
    )
    return Asked((), {"conditions": _conditions(buffer, now, *conditions)})


def _count(spec: Json, content: Json, deployment: Json | None) -> int | None:
    """The least of what replicas, percentage and limits allow; None where nothing says how many."""
    counts = []
    if "replicas" in spec:
        counts.append(int(spec["replicas"]))
    if "percentage" in spec and deployment is not None:
        counts.append(int(spec["percentage"]) * int(deployment["spec"].get("replicas", 1)) // 100)
    if "limits" in spec:
        needs = requests_of({"spec": content["spec"]})
        counts += [
            int(quantity(most) / needs[name]) for name, most in spec["limits"].items() if name in needs
        ]
    return min(counts, default=None)


def _owner(buffer: Json) -> Json:
    metadata = buffer["metadata"]
    return {
        "apiVersion": API_VERSION, "kind": KIND, "name": metadata["name"], "uid": metadata["uid"], "controller": True,
    }  # fmt: skip


def _template_of(buffer: Json, deployment: Json) -> Json:
    content = deployment["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {
            "name": template_name(buffer),
            "namespace": buffer["metadata"]["namespace"],
            "ownerReferences": [_owner(buffer)],
        },
        "template": {
            "metadata": {key: content["metadata"].get(key, {}) for key in ("labels", "annotations")},
            "spec": content["spec"],
        },
    }


def _pod(buffer: Json, content: Json, number: int) -> Json:
    metadata = buffer["metadata"]
    return {
        "metadata": {
            "name": f"capacity-buffer-{metadata['name']}-{number}",
            "namespace": metadata["namespace"],
            "labels": content.get("metadata", {}).get("labels", {}),
            "ownerReferences": [_owner(buffer)],
        },
        "spec": {key: value for key, value in content["spec"].items() if key != "nodeName"},
    }


def _conditions(buffer: Json, now: float, *wanted: tuple[str, str, str, str]) -> list[Json]:
    """Each keeps its time as long as its status is the same."""
    had = {one["type"]: one for one in buffer.get("status", {}).get("conditions", [])}
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = []
    for kind, status, reason, message in wanted:
        before = had.get(kind, {})
        since = before["lastTransitionTime"] if before.get("status") == status else moment
        condition = {"type": kind, "status": status, "reason": reason, "message": message}
        found.append(condition | {"lastTransitionTime": since})
    return found

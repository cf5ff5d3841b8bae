"""KEDA as its own manifests install it, operator, adapter and webhooks, with the sandbox's images; and who watches what it does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.objects import is_true
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.resources import Resources

from sandbox.build import keda_dir
from sandbox.images.build import KEDA_IMAGES
from tests.metrics.following import Following

Json = dict[str, Any]
KEDA = "keda"
"""Its namespace."""
# As its config/default/kustomization.yaml has them, what others need first.
_PARTS = ("general", "crd/bases", "service_account", "rbac", "manager", "metrics-server", "webhooks")
_IMAGES = {
    "ghcr.io/kedacore/keda:latest": KEDA_IMAGES["keda-operator"],
    "ghcr.io/kedacore/keda-metrics-apiserver:latest": KEDA_IMAGES["keda-adapter"],
    "ghcr.io/kedacore/keda-admission-webhooks:latest": KEDA_IMAGES["keda-webhooks"],
}
_EXTERNAL = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.external.metrics.k8s.io"
_SECONDS = 300


def install(api: KubeClient) -> None:
    """Applies KEDA and waits until it answers for external metrics."""
    resources = Resources(api)
    for manifest in _manifests():
        meta = manifest["metadata"]
        path = resources.path(manifest["apiVersion"], manifest["kind"], meta.get("namespace"), meta["name"])
        kind = "application/apply-patch+yaml"
        api.patch(f"{path}?fieldManager=test&force=true", manifest, content_type=kind)
    deadline = time.monotonic() + _SECONDS
    while not (is_true(api.get(_EXTERNAL), "Available") and _deployed(api)):
        assert time.monotonic() < deadline, f"KEDA does not answer within {_SECONDS} s: {api.get(_EXTERNAL)}"
        time.sleep(1)


def _manifests() -> Iterator[Json]:
    for part in _PARTS:
        for file in sorted((keda_dir() / "config" / part).glob("*.yaml")):
            if file.name != "kustomization.yaml":
                for manifest in yaml.load_all(file.read_text(), yaml.CSafeLoader):
                    if manifest["kind"] == "Deployment":
                        _fit(manifest["spec"]["template"]["spec"]["containers"][0])
                    yield manifest


def _fit(container: Json) -> None:
    """Into a node of the sandbox, beside the model server."""
    container["image"] = _IMAGES[container["image"]]
    container["imagePullPolicy"] = "IfNotPresent"
    container["resources"]["requests"]["cpu"] = "20m"
    # KEDA waits so long before it is asked whether it is ready.
    container["readinessProbe"] |= {"initialDelaySeconds": 1, "periodSeconds": 2}


def _deployed(api: KubeClient) -> bool:
    found = api.get(f"/apis/apps/v1/namespaces/{KEDA}/deployments")["items"]
    return all(one["status"].get("readyReplicas") for one in found)


@dataclass
class Watched(Following):
    """A Deployment and its HPA, at each moment at which either was another, as long as the block lasts."""

    api: KubeClient
    namespace: str
    name: str
    replicas: list[int | None] = field(default_factory=list)
    """As the Deployment asks for; None: there was no such Deployment."""
    autoscalers: list[str | None] = field(default_factory=list)
    """UIDs of the HPA; None: there was none."""
    looks: int = 0

    def _follow(self) -> None:
        deployment = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.name}"
        autoscaler = f"/apis/autoscaling/v2/namespaces/{self.namespace}/horizontalpodautoscalers/{self.name}"
        while not self.stop.wait(0.1):
            try:
                found, hpa = self.api.get_or_none(deployment), self.api.get_or_none(autoscaler)
            except KubeError as problem:
                print(problem)
                continue
            self.looks += 1
            _note(self.replicas, found and found["spec"]["replicas"])
            _note(self.autoscalers, hpa and hpa["metadata"]["uid"])


def _note(seen: list[Any], value: Any) -> None:
    if not seen or seen[-1] != value:
        seen.append(value)

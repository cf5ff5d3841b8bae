"""Asks every ready pod of a Deployment, through the API server, whether it serves the model, and how."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..k8s.client import KubeApi
from ..k8s.errors import KubeError
from ..k8s.objects import Json, is_true, name_of
from .compare import compare

PARALLEL = 8
"""Pods asked at a time: enough for a large Deployment, little for the API server."""


@dataclass(frozen=True)
class Golden:
    """A request whose answer is known: `request` is TF Serving's REST body, `expect` a part of the answer."""

    name: str
    request: Mapping[str, Any]
    expect: Any
    tolerance: float

    @classmethod
    def of(cls, option: Mapping[str, Any]) -> Golden:
        """From the module's option; exactly one of instances (rows) and inputs (columns) is given."""
        body: dict[str, Any] = {"signature_name": option["signature_name"]}
        key = "instances" if option.get("instances") is not None else "inputs"
        body[key] = option[key]
        return cls(str(option["name"]), body, option["expect"], float(option["tolerance"]))


@dataclass(frozen=True)
class Target:
    """Where and what to ask."""

    namespace: str
    model: str
    version: int | None
    port: int
    timeout: float


@dataclass(frozen=True)
class PodResult:
    """What one pod answered; `problems` is empty when all is well."""

    pod: str
    node: str
    versions: Mapping[str, str]
    problems: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "pod": self.pod,
            "node": self.node,
            "versions": dict(self.versions),
            "ok": not self.problems,
            "problems": list(self.problems),
        }


def ready_pods(api: KubeApi, namespace: str, selector: str) -> list[Json]:
    """Pods that take traffic: ready, and not on their way out."""
    pods = api.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)["items"]
    return [pod for pod in pods if is_true(pod, "Ready") and "deletionTimestamp" not in pod["metadata"]]


def check_pods(
    api: KubeApi, target: Target, pods: Sequence[Json], goldens: Sequence[Golden]
) -> list[PodResult]:
    """Asks all pods, a few at a time; one result a pod, in the order of their names."""
    ordered = sorted(pods, key=name_of)
    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(lambda pod: check_pod(api, target, pod, goldens), ordered))


def check_pod(api: KubeApi, target: Target, pod: Json, goldens: Sequence[Golden]) -> PodResult:
    """Model state first; golden predictions only of a model that is available."""
    versions: dict[str, str] = {}
    problems: list[str] = []
    try:
        versions = _versions(_ask(api, target, pod, "GET", ""))
        problems += version_problems(versions, target.version)
        if not problems:
            at = "" if target.version is None else f"/versions/{target.version}"
            for golden in goldens:
                answer = _ask(api, target, pod, "POST", f"{at}:predict", body=golden.request)
                outputs = answer.get("predictions", answer.get("outputs"))
                found = compare(golden.expect, outputs, golden.tolerance)
                problems += [f"golden {golden.name}: {difference}" for difference in found]
    except (_BadAnswer, KubeError) as error:
        problems.append(str(error))
    return PodResult(name_of(pod), str(pod["spec"].get("nodeName", "")), versions, tuple(problems))


def version_problems(versions: Mapping[str, str], wanted: int | None) -> list[str]:
    """What is wrong with the model's states: the wanted version (or any) must be AVAILABLE."""
    states = ", ".join(f"{version} {state}" for version, state in sorted(versions.items())) or "none"
    if wanted is None:
        return [] if "AVAILABLE" in versions.values() else [f"no version is available (has: {states})"]
    state = versions.get(str(wanted))
    return [] if state == "AVAILABLE" else [f"version {wanted} is not available (has: {states})"]


class _BadAnswer(Exception):
    """The model server answered, but not with what was asked for."""


def _versions(answer: Mapping[str, Any]) -> dict[str, str]:
    try:
        return {
            str(s["version"]): str(s["state"])
            + ("" if s["state"] == "AVAILABLE" else _why(s.get("status", {})))
            for s in answer["model_version_status"]
        }
    except (KeyError, TypeError) as error:
        raise _BadAnswer(f"not a model status: {str(answer)[:200]}") from error


def _why(status: Mapping[str, Any]) -> str:
    message = status.get("error_message")
    return f" ({message})" if message else ""


def _ask(
    api: KubeApi,
    target: Target,
    pod: Json,
    method: str,
    path: str,
    *,
    body: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """One request to a pod's REST port, through the API server's proxy."""
    proxy = f"/api/v1/namespaces/{target.namespace}/pods/{name_of(pod)}:{target.port}/proxy"
    status, _, content = api.raw(
        method,
        f"{proxy}/v1/models/{quote(target.model, safe='')}{path}",
        body=None if body is None else json.dumps(body).encode(),
        headers={} if body is None else {"content-type": "application/json"},
        timeout=target.timeout,
    )
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if status != 200 or not isinstance(answer, dict):
        said = answer.get("error") or answer.get("message") if isinstance(answer, dict) else None
        raise _BadAnswer(f"HTTP {status}: {said or content[:200].decode('utf-8', 'replace')}")
    return answer

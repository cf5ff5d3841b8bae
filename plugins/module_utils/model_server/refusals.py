"""What the proxies before the model servers refused, by their own counters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..digits import natural
from ..k8s.client import KubeApi
from ..k8s.errors import KubeError
from ..k8s.listing import pages
from ..k8s.objects import name_of
from .runtime import TF_SERVING

TIMEOUT = 3.0
"""Seconds for one look at a pod."""

_METRICS = "/metrics?scope=frontend&scope=backend"
_BACKEND = re.compile(
    rb'^haproxy_backend_http_requests_total\{proxy="(?:rest|grpc)_(\w+)"[^}]*\} ([0-9.eE+]+)', re.MULTILINE
)
_HELD = re.compile(
    rb'^tfserving_held_requests_failed_total\{protocol="\w+",reason="(\w+)"\} ([0-9.eE+]+)',
    re.MULTILINE,
)
_CLOSED = re.compile(
    rb'^haproxy_frontend_denied_connections_total\{proxy="(?:rest|grpc)"[^}]*\} ([0-9.eE+]+)', re.MULTILINE
)


def refused_in(metrics: bytes) -> dict[str, int]:
    """Requests that were refused, by the way they were (of REST and gRPC together), and ``connections`` that were closed.

    Ways without any are left out. Each has a backend of its own (roles/serving/templates/haproxy.cfg.j2); ``held_…`` are those of a
    pod that holds requests while there is no replica (hold.lua.j2 there).
    """
    found: dict[str, int] = {}
    ways = [(name.decode(), count) for name, count in _BACKEND.findall(metrics)]
    ways += [(f"held_{reason.decode()}", count) for reason, count in _HELD.findall(metrics)]
    for way, count in [*ways, *(("connections", count) for count in _CLOSED.findall(metrics))]:
        found[way] = found.get(way, 0) + int(float(count))
    return {way: count for way, count in found.items() if count}


def refused_by(api: KubeApi, namespace: str, pod: str, port: int) -> dict[str, int] | None:
    """What one pod's proxy has refused since it started; None where it has none, or does not say."""
    if port == TF_SERVING.rest_port:
        return None
    path = f"/api/v1/namespaces/{namespace}/pods/http:{pod}:{port}/proxy{_METRICS}"
    try:
        status, _unused, body = api.raw("GET", path, timeout=TIMEOUT)
    except KubeError:
        return None
    tells = b"\nhaproxy_" in body or b"\ntfserving_held_" in body
    return refused_in(body) if status == 200 and tells else None


def found(api: KubeApi, params: Mapping[str, str]) -> dict[str, Any]:
    """The result of the module tfserving_refusals_info. Raises KubeError."""
    path = f"/api/v1/namespaces/{params['namespace']}/pods"
    pods = [pod for page in pages(api, path, labelSelector=params["label_selector"]) for pod in page]
    refused = refused_by_pods(api, params["namespace"], pods)
    return {"changed": False, "refused": refused, "words": words_of(refused)}


def refused_by_pods(
    api: KubeApi, namespace: str, pods: Iterable[Mapping[str, Any]], apply: Callable[..., Iterable[Any]] = map
) -> dict[str, dict[str, int]]:
    """By the names of those that say it. ``apply``: how each is asked, as ``map`` or at the same time."""

    def ask(pod: Mapping[str, Any]) -> tuple[str, dict[str, int] | None]:
        port = natural((pod["metadata"].get("annotations") or {}).get("prometheus.io/port", ""))
        return name_of(pod), None if port is None else refused_by(api, namespace, name_of(pod), port)

    return {name: refused for name, refused in apply(ask, pods) if refused is not None}


def words_of(refused: Mapping[str, dict[str, int]]) -> str:
    """What all pods together refused; empty for nothing."""
    total: dict[str, int] = {}
    for ways in refused.values():
        total = {way: total.get(way, 0) + ways.get(way, 0) for way in total | ways}
    return in_words(total) if total else ""


def in_words(refused: Mapping[str, int]) -> str:
    """As ``12 (10 full, 2 size)``, the most first."""
    ways = sorted(refused.items(), key=lambda item: (-item[1], item[0]))
    return f"{sum(refused.values())} ({', '.join(f'{count} {way}' for way, count in ways)})"

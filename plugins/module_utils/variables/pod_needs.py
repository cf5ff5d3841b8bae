"""What a model server's pod asks of nodes, and how long it takes to go: for its template, for the rules and for preflight. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..model_server.runtime import TF_SERVING
from .reading import is_true

Json = dict[str, Any]

DISK = "ephemeral-storage"
"""https://kubernetes.io/docs/concepts/storage/ephemeral-storage/; of the proxy only what its log takes before it is rotated."""

GPU = "nvidia.com/gpu"
GPU_LABEL = "cloud.google.com/gke-accelerator"
"""Of nodes with GPUs, with their type. https://cloud.google.com/kubernetes-engine/docs/how-to/gpus"""

GPU_TOLERATION = {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}
"""Google taints nodes with GPUs, so that nothing else takes their room."""

TOLD_SECONDS = 3
"""Until a pod's containers are told that it goes. TF Serving ignores the stop signal."""


def grace_seconds(handover: int, propagation: int, drain: int, *, proxy: bool) -> int:
    """To leave the endpoints, then to drain, plus a moment to be told."""
    return (handover if proxy else 0) + propagation + drain + TOLD_SECONDS


def pod_needs(given: Mapping[str, Any]) -> Json:
    """Of the role's variables: requests of each container, node selector, tolerations, grace seconds.

    Raises ``ValueError`` and its like for what is no number; the rules tell such in words.
    """
    gpus, proxy = int(given["serving_gpus"] or 0), is_true(given["serving_proxy_enabled"])
    cpu, kind = str(given["serving_cpu"]), str(given["serving_gpu_type"] or "")
    requests: Json = {
        TF_SERVING.container: {
            "cpu": cpu,
            "memory": str(given["serving_memory"]),
            DISK: str(given["serving_storage"]),
            **({GPU: gpus} if gpus else {}),
        },
        "fetcher": {
            "cpu": cpu,
            "memory": str(given["serving_fetcher_memory"]),
            DISK: str(given["serving_storage"]),
        },
    }
    if proxy:
        requests["proxy"] = {
            "cpu": str(given["serving_proxy_cpu"]),
            "memory": str(given["serving_proxy_memory"]),
            DISK: "128Mi",
        }
    times = (int(given[f"serving_{name}_seconds"]) for name in ("handover", "propagation", "drain"))
    return {
        "requests": requests,
        "node_selector": {**(given["serving_node_selector"] or {}), **({GPU_LABEL: kind} if kind else {})},
        "tolerations": [*(given["serving_tolerations"] or ()), *([GPU_TOLERATION] if gpus else [])],
        "grace_seconds": grace_seconds(*times, proxy=proxy),
    }

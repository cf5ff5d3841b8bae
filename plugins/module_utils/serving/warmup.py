"""Requests that a new replica answers before it is ready: TensorFlow's first run of a signature takes many times longer."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..model_server.runtime import TF_SERVING
from .problems import Variables

SIZE_MOST = 768 * 1024
"""Bytes. A ConfigMap holds 1 MiB in all: https://kubernetes.io/docs/concepts/configuration/configmap/"""


def warmup_requests(name: str, versions: Sequence[int], golden: Sequence[Mapping[str, Any]]) -> list[str]:
    """One HTTP request, as it goes over the wire, for each version and golden prediction. ASCII only."""
    found = []
    for version in versions:
        for prediction in golden:
            asked = {
                key: prediction[key] for key in ("signature_name", "instances", "inputs") if key in prediction
            }
            body = json.dumps(asked)
            head = (
                f"POST {TF_SERVING.predict_path(name, version)} HTTP/1.0",
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
            )
            found.append("\r\n".join([*head, "", body]))
    return found


def check_warmup(variables: Variables) -> None:
    times = variables.integer("serving_warmup_requests", 0, 1000)
    if not times:
        return
    models = [model for model in variables.listing("serving_models") if isinstance(model, Mapping)]
    asked = [(model.get("versions") or [], model.get("golden") or []) for model in models] or [
        ([1], variables.listing("serving_golden"))
    ]
    size = sum(
        len(request)
        for versions, golden in asked
        if isinstance(versions, list | tuple) and isinstance(golden, list | tuple)
        for request in warmup_requests("", [0] * len(versions), [g for g in golden if isinstance(g, Mapping)])
    )
    if size > SIZE_MOST:
        variables.refuse(
            "serving_warmup_requests",
            f"the golden predictions' requests take {size // 1024} KiB, and there is room for {SIZE_MOST // 1024} in a "
            "ConfigMap",
            "Write 0, or give requests that are smaller",
            value=times,
        )

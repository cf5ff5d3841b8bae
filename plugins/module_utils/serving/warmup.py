"""Requests that a new replica answers before it is ready: TensorFlow's first run of a signature takes many times longer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..model_server.runtime import TF_SERVING


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

"""Asks one pod's model server by REST, through the API server's proxy."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..k8s.client import KubeApi
from ..retry import TRANSIENT, seconds_of
from .errors import BadAnswer
from .golden import Golden
from .runtime import TF_SERVING

LAST = {"x-connection": "close"}
"""The API server would keep its connection to the pod for later, and the pod, when it has to go, would wait for that. The
serving role's proxy closes it; ``Connection`` itself ends at the API server."""
THIS_ONE = {TF_SERVING.stays: "1"}
"""The pod that is asked about is the one that has to answer, and no other that has less to do."""


@dataclass(frozen=True)
class Servable:
    """Which model is meant: its version, or the version a label points to, or (neither) its latest."""

    model: str
    version: int | None = None
    label: str | None = None


class ModelServer(Protocol):
    """One pod's model server. What it answers badly raises BadAnswer, what does not reach it KubeError."""

    def versions(self, servable: Servable) -> dict[str, str]:
        """The state of every version that the server knows of (of the label's version, where one is given):
        AVAILABLE, or another state and why."""

    def predict(self, servable: Servable, golden: Golden) -> Any:
        """The outputs as TF Serving's REST API shapes them: a list of rows, or columns."""


class RestModelServer:
    """The model server in a pod, at its REST port."""

    def __init__(self, api: KubeApi, namespace: str, pod: str, port: int, timeout: float) -> None:
        self._api = api
        self._proxy = f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy"
        self._timeout = timeout

    def versions(self, servable: Servable) -> dict[str, str]:
        answer = self._ask("GET", TF_SERVING.model_path(servable.model, None, servable.label))
        try:
            return {
                str(found["version"]): state_in_words(
                    str(found["state"]), str((found.get("status") or {}).get("error_message") or "")
                )
                for found in answer["model_version_status"]
            }
        except (KeyError, TypeError, AttributeError) as error:
            raise BadAnswer(f"not a model status: {str(answer)[:200]}", passing=True) from error

    def predict(self, servable: Servable, golden: Golden) -> Any:
        path = TF_SERVING.predict_path(servable.model, servable.version, servable.label)
        answer = self._ask("POST", path, golden.request)
        key = "predictions" if golden.by_rows else "outputs"
        if key not in answer:
            raise BadAnswer(f"no {key} in the answer: {str(answer)[:200]}", passing=True)
        return answer[key]

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        status, headers, content = self._api.raw(
            method,
            self._proxy + path,
            body=None if body is None else json.dumps(body).encode(),
            headers={**LAST, **THIS_ONE, **({} if body is None else {"content-type": "application/json"})},
            timeout=self._timeout,
        )
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if status == 200 and isinstance(answer, dict):
            return answer
        said = (answer.get("error") or answer.get("message")) if isinstance(answer, dict) else None
        words = str(said or content[:200].decode("utf-8", "replace").strip() or "an empty answer")
        raise BadAnswer(
            f"HTTP {status}: {words}{_hint(status, answer)}",
            # With status 200: a page of what lies between.
            passing=status in (200, *TRANSIENT),
            retry_after=seconds_of(headers.get("retry-after"), time.time()),
        )


def state_in_words(state: str, message: str) -> str:
    return state if state == "AVAILABLE" or not message else f"{state} ({message})"


def _hint(status: int, answer: Any) -> str:
    """Who has answered where it is not the model server, and what to do."""
    if not isinstance(answer, dict) or answer.get("kind") != "Status":
        full = status == 503 and isinstance(answer, dict) and "queue" in str(answer.get("error"))
        return (
            ". The pod's proxy says so, time and again: it needs less load, or more replicas" if full else ""
        )
    if status in (401, 403):
        return ". The identity in the kubeconfig needs the verbs get and create on pods/proxy"
    if status >= 500:
        return ". The API server does not reach this port of the pod: is it open, and let in by network policies?"
    return ""

"""What an API server's answers mean: errors in words, and answers that no API server gives. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..retry import TRANSIENT
from .errors import KubeError

Json = dict[str, Any]

_HINTS = {
    401: " The credentials are not (or no longer) accepted: fetch the kubeconfig again.",
    403: " The identity in the kubeconfig lacks this permission.",
    429: " The API server has too much to do: look at its load, or try again in a minute.",
    500: " The API server is in trouble: look at its load, or try again in a minute.",
    502: " Something in front of the API server does not reach it: is the control plane being upgraded?",
    503: " The API server, or one that it asks, is not ready: is the control plane being upgraded?",
    504: " The API server did not manage it in time: look at its load, or try again in a minute.",
}

_WITHOUT_METADATA = ("APIVersions", "APIResourceList", "APIGroup", "APIGroupList", "Status")
"""Kinds that are no objects and no lists of them: what the server says of itself."""

_METRICS = "metrics.k8s.io/"


def error_of(request: str, status: int, content: bytes) -> KubeError:
    """The error in the API server's own words, and what to do about it where that is known."""
    try:
        answer = json.loads(content)
        reason, message = str(answer.get("reason") or ""), str(answer.get("message") or "")
    except (ValueError, AttributeError):
        reason, message = "", content[:300].decode("utf-8", "replace").strip()
    words = (message or f"HTTP {status}").rstrip(".")
    return KubeError(status, reason, f"{request}: {words}.{_HINTS.get(status, '')}")


def refused_for_good(words: str) -> bool:
    """Whether a failure of kubernetes.core is an API server's refusal that asking again does not change.

    It tells no status, but repeats the Status that it was answered. What has none may pass: a lost connection, a proxy's
    page, or a kind that it did not find, which is also what it makes of a 503. So does 404 (NotFound): what was to be
    removed has gone already, which the next look finds.
    """
    try:
        status = json.loads(words[words.index("{") : words.rindex("}") + 1])
        code = status["code"] if status["kind"] == "Status" else None
    except (ValueError, KeyError, TypeError):
        return False
    return isinstance(code, int) and code not in (*TRANSIENT, 404)


def object_of(request: str, status: int, content: bytes, host: str) -> Json:
    """The JSON object in an answer. Raises KubeError(reason="NotJson") for what no API server answers.

    Such as the page of a proxy in between, with status 200.
    """
    try:
        answer = json.loads(content)
    except ValueError as error:
        raise KubeError(
            status,
            "NotJson",
            f"{request}: {host} answered something that is not JSON. "
            "Is this the address of a Kubernetes API server, and is no proxy in between?",
        ) from error
    if not isinstance(answer, dict):
        raise KubeError(status, "NotJson", f"{request}: {host} answered no JSON object.")
    return answer


def refuse_nonsense(request: str, answer: Mapping[str, Any]) -> None:
    """Raises KubeError(reason="NotJson") for what is read and has not what all objects and lists have."""
    kind = str(answer.get("kind") or "")
    missing = None
    if not answer:
        missing = "an empty object"
    elif "items" in answer and not (answer.get("metadata") or {}).get("name"):
        items = answer["items"]
        if not isinstance(items, list):
            missing = "a list without items"
        elif not all(isinstance(item, dict) and isinstance(item.get("metadata"), dict) for item in items):
            missing = "a list with items that are no objects"
        elif (
            not items and "resourceVersion" not in (answer.get("metadata") or {}) and _METRICS not in request
        ):
            # Everything that is listed from etcd says as of when; what is counted at the moment does not.
            missing = "an empty list that does not say as of when"
    elif kind and kind not in _WITHOUT_METADATA and not isinstance(answer.get("metadata"), dict):
        missing = f"a {kind} without metadata"
    if missing:
        raise KubeError(
            0,
            "NotJson",
            f"{request}: answered with {missing}. Is this a Kubernetes API server, and is no proxy in between?",
        )

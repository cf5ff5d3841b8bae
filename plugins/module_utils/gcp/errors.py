"""What can go wrong between a module and Google, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any


class GoogleError(Exception):
    """Something failed; the text says what, where and why, and what to do where that is known.

    ``made``: what had been changed before that, a line each.
    """

    made: Sequence[str] = ()


class BadInput(GoogleError):
    """The options contradict each other, Google's rules or what is there; nothing was changed."""


class NoAnswer(GoogleError):
    """The connection failed or broke: whether the request did anything is not known."""


class ApiError(GoogleError):
    """Google refused a request. ``reason``: Google's word for it, such as notFound or conflict."""

    def __init__(self, status: int, reason: str, message: str, what: str) -> None:
        super().__init__(f"{what}: {message} ({status} {reason}).{_hint(status, reason, message)}")
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def is_kept(self) -> bool:
        """Whether it is no missing permission that keeps the object, but retention or a hold."""
        return _is_kept(self.status, self.reason, self.message)


class OperationFailed(GoogleError):
    """A long-running operation ended with an error."""


class TimedOut(GoogleError):
    """Waiting took longer than allowed; what was begun goes on, and a further run picks it up."""


_HINTS = {
    401: "The credentials are not accepted: is the key still valid, and is this machine's clock right?",
    403: "Grant the account this permission, and see that the API is enabled in the project.",
    429: "Google limits the rate of such requests: try again in a minute.",
}


def _is_kept(status: int, reason: str, message: str) -> bool:
    """Google's documents have reasons of their own for both; of a hold the API says "forbidden" all the same."""
    return status == 403 and (
        reason in ("retentionPolicyNotMet", "objectUnderActiveHold")
        or re.search(r"retention policy|under active \S+ hold", message) is not None
    )


def _hint(status: int, reason: str, message: str) -> str:
    if "quota" in message.lower():
        return " Ask for more quota, or use smaller or fewer machines."
    if reason == "CLUSTER_ALREADY_HAS_OPERATION":
        return " Wait for that operation to end."
    if _is_kept(status, reason, message):
        return (
            " No permission is missing: the bucket's retention policy or a hold keeps the object. Have it removed, or wait "
            "until it has run out."
        )
    if reason == "SERVICE_DISABLED":
        return " Enable the API in the project (gcloud services enable), and wait a minute."
    return f" {_HINTS[status]}" if status in _HINTS else ""


def parse_error(status: int, body: bytes, what: str) -> ApiError:
    """An error from an answer's body, in either form that Google's APIs have."""
    reason, message = "", body[:300].decode("utf-8", "replace").strip() or f"HTTP {status}"
    try:
        error: dict[str, Any] = json.loads(body)["error"]
        message = str(error.get("message", message))
        details = error.get("details", [])
        errors = error.get("errors", [])
        reason = next((d["reason"] for d in details if "reason" in d), "")
        reason = reason or next((e["reason"] for e in errors if "reason" in e), str(error.get("status", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # Not Google's form: a proxy's page, perhaps. The beginning of the body says so.
    return ApiError(status, reason, message, what)

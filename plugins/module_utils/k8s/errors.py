"""The one kind of error that talking to Kubernetes raises."""

from __future__ import annotations

from ..retry import TRANSIENT


class KubeError(Exception):
    """A request to the API server that failed.

    `status` is the HTTP status, 0 when there was no answer; `reason` is Kubernetes' own word (NotFound,
    Conflict, ...), or "NoAnswer", "Kubeconfig", "NotJson"; `message` says what, where, why and the way out.
    `retry_after`: the seconds that the server asked to wait, if it did.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after: float | None = None

    @property
    def passing(self) -> bool:
        """Whether the next answer may be another one; whether to ask again is for who knows what was asked."""
        return self.reason in ("NoAnswer", "NotJson") or self.status in TRANSIENT

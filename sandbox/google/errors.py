"""Refusals in the form of Google's APIs."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

# google.rpc.Code by HTTP status, as Google's front ends map them.
_RPC_STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    409: "ALREADY_EXISTS", 412: "FAILED_PRECONDITION", 429: "RESOURCE_EXHAUSTED", 501: "UNIMPLEMENTED",
    503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
_REASONS = {
    400: "badRequest", 401: "authError", 403: "forbidden", 404: "notFound",
    409: "alreadyExists", 412: "conditionNotMet", 429: "rateLimitExceeded", 501: "notImplemented",
}  # fmt: skip


class GoogleError(Exception):
    """A request that is refused. ``rpc_status`` and ``reason`` follow from the HTTP status if not given."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        rpc_status: str | None = None,
        reason: str | None = None,
        info: str | None = None,
        details: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.rpc_status = rpc_status or _RPC_STATUS.get(status, "INTERNAL")
        self.reason = reason or _REASONS.get(status, "backendError")
        self.info = info
        self.details = details or []

    def body(self, service: str) -> dict[str, Any]:
        """The error as Google's newer APIs word it; ``info`` is the reason of its google.rpc.ErrorInfo."""
        error: dict[str, Any] = {
            "code": self.status,
            "message": self.message,
            "errors": [{"message": self.message, "domain": "global", "reason": self.reason}],
            "status": self.rpc_status,
        }
        details = list(self.details)
        if self.info:
            kind = "type.googleapis.com/google.rpc.ErrorInfo"
            details.append({"@type": kind, "reason": self.info, "domain": service})
        if details:
            error["details"] = details
        return {"error": error}

    def storage_body(self) -> dict[str, Any]:
        """The error as the Cloud Storage JSON API words it, and Compute Engine's, too."""
        entry = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.status, "message": self.message, "errors": [entry]}}


def invalid(message: str) -> GoogleError:
    """A value that can't be, in the words of Cloud Storage."""
    return GoogleError(400, message, reason="invalid")


def failed_precondition(message: str, **more: Any) -> GoogleError:
    """A request that does not fit what there is, in the words of the newer APIs."""
    return GoogleError(400, message, rpc_status="FAILED_PRECONDITION", reason="failedPrecondition", **more)


def respond(error: GoogleError, path: str, service: str = "container.googleapis.com") -> JSONResponse:
    """The error in the words of the API that the path belongs to."""
    old_style = "/storage/v1" in path or path.startswith("/compute/v1")
    headers = (
        {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'} if error.status == 401 else {}
    )
    body = error.storage_body() if old_style else error.body(service)
    return JSONResponse(body, error.status, headers=headers)

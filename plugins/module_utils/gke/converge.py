"""Carries plans out: one request after the other, each waited for."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..gcp.errors import ApiError, BadInput, OperationFailed, TimedOut
from ..gcp.rest import Google
from ..progress import progress
from .plan import Change, Json, diff, refused

BUSY = "CLUSTER_ALREADY_HAS_OPERATION"
_FIRST_POLL, _LAST_POLL = 1.0, 2.0
_PROGRESS_SECONDS = 5.0


@dataclass
class Clock:
    """Time as a parameter."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Gke:
    """GKE as far as one module call needs it. ``timeout``: seconds for everything together."""

    google: Google
    project: str
    location: str
    timeout: float
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self._deadline = self.clock.now() + self.timeout

    def get(self, path: str) -> Json | None:
        """A resource, or None when it does not exist."""
        try:
            return self.google.call("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def apply(self, changes: list[Change], *, wait: bool = True) -> None:
        """Makes the changes in order. Raises ``OperationFailed``, ``TimedOut``, ``ApiError``."""
        for change in changes:
            progress(
                f"{change.field}: {'creating' if change.before is None else 'removing' if change.after is None else 'changing'}"
            )
            operation = self._begin(change)
            if operation and wait:
                self.wait(operation, change.field)

    def _begin(self, change: Change) -> Json | None:
        """Sends the request; while another operation runs on the cluster, waits for that first."""
        while True:
            try:
                return self.google.call(change.method, change.path, change.body, what=change.field)
            except ApiError as error:
                if change.method == "DELETE" and error.status == 404:
                    return None
                if not (error.reason == BUSY or "incompatible operation" in error.message):
                    raise
                self._await_others(change)

    def _await_others(self, change: Change) -> None:
        running = self.running(change.path)
        for operation in running:
            progress(f"{change.field}: waiting for {operation['operationType']} {operation['name']}")
            # Its own failure is not ours; what it left shows when our request is repeated.
            try:
                self.wait(operation, change.field)
            except OperationFailed:
                continue
        if not running:
            self._pause(_LAST_POLL, change.field)

    def running(self, path: str) -> list[Json]:
        """Operations that are under way on the cluster of the path."""
        cluster = path.partition("/clusters/")[2].partition("/")[0].partition(":")[0]
        answer = self.google.call("GET", f"/v1/projects/{self.project}/locations/{self.location}/operations")
        return [
            operation
            for operation in answer.get("operations", [])
            if operation["status"] != "DONE"
            and operation.get("targetLink", "").partition("/clusters/")[2].partition("/")[0] == cluster
        ]

    def adopt(self, path: str) -> None:
        """Waits for what an interrupted run left running on the cluster."""
        for operation in self.running(path):
            progress(f"waiting for {operation['operationType']} {operation['name']}, which runs already")
            self.wait(operation, operation["operationType"])

    def wait(self, operation: Json, what: str) -> None:
        """Returns when the operation has ended well."""
        path = f"/v1/projects/{self.project}/locations/{self.location}/operations/{operation['name']}"
        pause, started = _FIRST_POLL, self.clock.now()
        told = started
        while operation["status"] != "DONE":
            self._pause(pause, what)
            pause = min(_LAST_POLL, pause * 1.5)
            operation = self.google.call("GET", path)
            if self.clock.now() - told >= _PROGRESS_SECONDS:
                told = self.clock.now()
                detail = operation.get("detail", "")
                progress(f"{what}: {told - started:.0f} s{', ' + detail if detail else ''}")
        problem = failure(operation)
        if problem:
            raise OperationFailed(f"{what}: {operation['operationType']} failed: {problem}")

    def _pause(self, seconds: float, what: str) -> None:
        if self.clock.now() + seconds > self._deadline:
            raise TimedOut(
                f"{what}: not finished within {self.timeout:.0f} s. It goes on at Google's; run this again to wait on, "
                "or raise wait_timeout."
            )
        self.clock.sleep(seconds)


def failure(operation: Json) -> str | None:
    """Why a finished operation failed, in words; None when it did not."""
    error = operation.get("error") or {}
    conditions = operation.get("clusterConditions") or []
    words = (
        [error.get("message") or operation.get("statusMessage") or ""]
        if error or operation.get("statusMessage")
        else []
    )
    words += [c.get("message", c.get("code", "")) for c in conditions if c.get("canonicalCode", "OK") != "OK"]
    text = "; ".join(dict.fromkeys(filter(None, words)))
    if not text:
        return None
    if "quota" in text.lower():
        return f"{text} Ask for more quota in this region, or use smaller or fewer machines."
    if "stockout" in text.lower() or "does not have enough resources" in text:
        return f"{text} The zone has no such machines now: try another zone or machine type."
    return text


def check_refused(changes: list[Change], way_out: str) -> None:
    """Fails with all that can't be changed, before anything is."""
    impossible = refused(changes)
    if impossible:
        raise BadInput(f"These can't be changed in place: {'; '.join(map(str, impossible))}. {way_out}")


def outcome(changes: list[Change], **more: Any) -> Json:
    """A module's result for a plan, the same in check mode and for real."""
    return {"changed": bool(changes), "actions": [str(c) for c in changes], "diff": diff(changes), **more}


def without_secrets(cluster: Json | None) -> Json:
    """A cluster without credentials, for results."""
    shown = dict(cluster or {})
    auth = shown.get("masterAuth", {})
    shown["masterAuth"] = {key: value for key, value in auth.items() if key not in ("clientKey", "password")}
    return shown if cluster else {}

"""The GKE API as far as a module needs it: reads, changes that are made once, operations that are waited for."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..gcp.errors import ApiError, GoogleError, NoAnswer, OperationFailed, TimedOut
from ..gcp.rest import Google
from ..progress import progress
from ..retry import TRANSIENT, Clock, Policy
from .desired import parent_path
from .operations import failure, progress_in_words
from .plan import FAILED, Change
from .schema import Json

BUSY = "CLUSTER_ALREADY_HAS_OPERATION"
FIRST_POLL, LAST_POLL = 1.0, 2.0
"""Seconds between two polls at an operation: so its end is noticed within two."""

TRIES = 3
"""Of a question whose answer is a success and yet says nothing."""

UNCERTAIN_ATTEMPTS = 5
"""How often a change is sent whose answers get lost."""

_PROGRESS_SECONDS = 5.0
_UNCERTAIN = Policy(first=2.0)
_BETWEEN = ("PROVISIONING", "STOPPING", "RECONCILING")
_REFUSED_UNTOUCHED = (429,)


@dataclass
class Gke:
    """One module call's GKE. ``timeout``: seconds for everything together. ``warnings``: for the user."""

    google: Google
    project: str
    location: str
    timeout: float
    clock: Clock = field(default_factory=Clock)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._deadline = self.clock.now() + self.timeout

    def get(self, path: str) -> Json | None:
        """A resource, or None when it does not exist."""
        try:
            return self._read(path, "name")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _read(self, path: str, has: str, what: str = "") -> Json:
        """What is there; ``has``: a field of all that Google answers there."""
        for _unused in range(TRIES):
            found = self.google.call("GET", path, what=what)
            if has in found:
                return found
        raise NoAnswer(f"{what or path}: the answers are not of Google's API. Is a proxy in between?")

    def settled(self, path: str) -> Json | None:
        """A cluster when nothing that runs already changes it any more: also what an interrupted run left running."""
        cluster = self.get(path)
        while cluster is not None and in_between(cluster):
            running = self.running(path)
            for operation in running:
                progress(f"waiting for {_called(operation)}, which runs already")
                self._await_foreign(operation)
            if not running:
                if cluster.get("status") not in ("PROVISIONING", "STOPPING"):
                    return cluster  # Google repairs something, which may take as long as it likes.
                self._pause(LAST_POLL, f"cluster {cluster['name']}, which is {cluster['status']}")
            cluster = self.get(path)
        return cluster

    def make(self, change: Change) -> None:
        """Makes a change once and waits for it. Raises ``OperationFailed``, ``TimedOut``, ``ApiError``, ``NoAnswer``.

        Where the answer got lost, looks whether the change was made, before it is sent again.
        """
        progress(f"{change.field}: {_doing(change)}")
        uncertain = 0
        while True:
            try:
                operation = self.google.call(
                    change.method, change.path, change.body, what=change.field, retriable=_REFUSED_UNTOUCHED
                )
            except (ApiError, NoAnswer) as error:
                if change.method == "DELETE" and _status(error) == 404:
                    return
                if is_busy(error):
                    self._await_others(change)
                    if uncertain and self._is_done(change):
                        return
                    continue
                made_before = uncertain and change.creates and _status(error) == 409
                if not made_before and not is_uncertain(error):
                    raise
                uncertain += 1
                if self._came_through(change, uncertain):
                    return
                if uncertain >= UNCERTAIN_ATTEMPTS:
                    raise
            else:
                self.wait(operation, change.field)
                return

    def _came_through(self, change: Change, attempt: int) -> bool:
        """Whether a change whose answer got lost was made after all; waits where it is under way."""
        progress(f"{change.field}: the answer got lost; looking whether it was made")
        self._pause(_UNCERTAIN.pause(attempt), change.field)
        for operation in self.running(change.cluster):
            self.wait(operation, change.field)
        return self._is_done(change)

    def _is_done(self, change: Change) -> bool:
        return change.done is not None and change.done(self.get(change.cluster))

    def _await_others(self, change: Change) -> None:
        """Waits while another operation is on the cluster."""
        running = self.running(change.cluster)
        for operation in running:
            progress(f"{change.field}: waiting for {_called(operation)}, which runs already")
            self._await_foreign(operation)
        if not running:
            self._pause(LAST_POLL, change.field)

    def _await_foreign(self, operation: Json) -> None:
        """What another's failure left shows in the resource; it is told, and not ours."""
        try:
            self.wait(operation, operation["operationType"])
        except OperationFailed as error:
            self.warnings.append(f"{_called(operation)}, which ran already: {error}")

    def running(self, path: str) -> list[Json]:
        """Operations that are under way on a cluster or its pools."""
        answer = self.google.call("GET", f"{parent_path(self.project, self.location)}/operations")
        name = path.rpartition("/")[2]
        return [
            operation
            for operation in answer.get("operations", [])
            if operation["status"] != "DONE"
            and operation.get("targetLink", "").partition("/clusters/")[2].partition("/")[0] == name
        ]

    def wait(self, operation: Json, what: str) -> None:
        """Returns when the operation has ended well."""
        path = f"{parent_path(self.project, self.location)}/operations/{operation['name']}"
        pause, started = FIRST_POLL, self.clock.now()
        told = started
        while operation["status"] != "DONE":
            self._pause(pause, what)
            pause = min(LAST_POLL, pause * 1.5)
            operation = self._read(path, "status", f"{what}: {operation['name']}")
            if self.clock.now() - told >= _PROGRESS_SECONDS:
                told = self.clock.now()
                detail = progress_in_words(operation)
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


def in_between(cluster: Json) -> bool:
    """Whether something is under way on a cluster or one of its pools. One that failed stays as it is."""
    return cluster.get("status") != FAILED and any(
        one.get("status") in _BETWEEN for one in (cluster, *cluster.get("nodePools", []))
    )


def _status(error: GoogleError) -> int:
    return error.status if isinstance(error, ApiError) else 0


def is_uncertain(error: GoogleError) -> bool:
    """Whether a request may have been carried out all the same."""
    return isinstance(error, NoAnswer) or (_status(error) >= 500 and _status(error) in TRANSIENT)


def is_busy(error: GoogleError) -> bool:
    """Google's refusal while another operation runs on the cluster, in its newer and its older words."""
    if not isinstance(error, ApiError) or error.status not in (400, 409, 412):
        return False
    text = error.message.lower()
    return (
        error.reason == BUSY
        or "incompatible operation" in text
        or ("operation-" in text and "is currently" in text)
    )


def _called(operation: Json) -> str:
    return f"{operation['operationType']} {operation['name']}"


def _doing(change: Change) -> str:
    if change.method == "DELETE":
        return "removing"
    return "creating" if change.creates else "changing"

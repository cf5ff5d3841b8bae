"""Long-running operations of the emulated GKE: their life, their progress, and how they fail."""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..google.errors import GoogleError, failed_precondition
from ..google.faults import INJECTED_ERROR
from .cluster import Cluster
from .defaults import Json, Place

log = logging.getLogger(__name__)

# google.rpc.Code
_CANCELLED, _RESOURCE_EXHAUSTED, _INTERNAL = 1, 8, 13
_CANCELLABLE = ("UPGRADE_NODES", "CREATE_NODE_POOL")


class OperationFailed(Exception):
    """Work that Google would report as failed. ``conditions``: each a ``StatusCondition``."""

    def __init__(self, message: str, code: int = _INTERNAL, conditions: tuple[Json, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.conditions = conditions


def failure(error: Exception) -> OperationFailed:
    """How Google reports an exception: what is short of is told as such, the rest is an internal error."""
    if isinstance(error, OperationFailed):
        return error
    text = str(error)
    for pattern, code in ((r"STOCKOUT|does not have enough resources", "GCE_STOCKOUT"), ("(?i)quota|nodes at most", "GCE_QUOTA_EXCEEDED")):  # fmt: skip
        if re.search(pattern, text):
            condition = {"code": code, "canonicalCode": "RESOURCE_EXHAUSTED", "message": text}
            return OperationFailed(text, _RESOURCE_EXHAUSTED, (condition,))
    return OperationFailed(text)


class Cancelled(OperationFailed):
    """The operation was cancelled."""

    def __init__(self) -> None:
        super().__init__("Operation was cancelled.", _CANCELLED)


@dataclass
class Run:
    """What work tells of its progress, and asks whether it is to go on."""

    answer: Json
    cancelled: threading.Event = field(default_factory=threading.Event)

    def detail(self, text: str) -> None:
        self.answer["detail"] = text

    def metrics(self, **values: int) -> None:
        self.answer["progress"] = {
            "metrics": [{"name": name, "intValue": str(value)} for name, value in values.items()]
        }

    def go_on(self) -> None:
        """Raises ``Cancelled`` when the operation is to end."""
        if self.cancelled.is_set():
            raise Cancelled


Work = Callable[[Run], None]


@dataclass
class Operation:
    """One operation; ``cluster`` is the name of the one that it works on."""

    place: Place
    cluster: str
    run: Run

    @property
    def answer(self) -> Json:
        return self.run.answer

    @property
    def busy(self) -> bool:
        return bool(self.answer["status"] != "DONE")


class Operations:
    """All operations since the start."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._all: dict[str, Operation] = {}

    def timestamp(self) -> str:
        moment = datetime.fromtimestamp(self._now(), UTC)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")

    def known(self, project: str, location: str) -> list[Json]:
        with self._lock:
            found = list(self._all.values())
        return [
            dict(operation.answer)
            for operation in found
            if operation.place.project == project and location in ("-", operation.place.location)
        ]

    def projects(self) -> dict[str, str]:
        """Every project that has had an operation, by its number."""
        with self._lock:
            return {operation.place.number: operation.place.project for operation in self._all.values()}

    def get(self, project: str, location: str, name: str) -> Operation:
        found = self._all.get(name)
        if found is None or (found.place.project, found.place.location) != (project, location):
            place = "zones" if location.count("-") == 2 else "locations"
            raise GoogleError(404, f"Not found: projects/{project}/{place}/{location}/operations/{name}.")
        return found

    def refuse_if_busy(self, cluster: Cluster) -> None:
        """A cluster has one operation at a time."""
        for operation in self.running(cluster):
            request = {
                "@type": "type.googleapis.com/google.rpc.RequestInfo",
                "requestId": hex(uuid.uuid4().int >> 64),
            }
            raise failed_precondition(
                f"Cluster is running incompatible operation {operation.answer['name']}.",
                info="CLUSTER_ALREADY_HAS_OPERATION", details=[request],
            )  # fmt: skip

    def refuse_change(self, cluster: Cluster) -> None:
        """Nothing changes while something changes, nor in a cluster that did not come to be."""
        self.refuse_if_busy(cluster)
        if cluster.answer["status"] == "ERROR":
            raise failed_precondition(f"Cluster {cluster.name} is in state ERROR: it can only be deleted.")

    def running(self, cluster: Cluster) -> list[Operation]:
        key = (cluster.project, cluster.location, cluster.name)
        with self._lock:
            return [
                operation
                for operation in self._all.values()
                if (operation.place.project, operation.place.location, operation.cluster) == key
                and operation.busy
            ]

    def begin(self, cluster: Cluster, kind: str, target: str, work: Work) -> Json:
        """Starts work in a thread of its own; the operation as it is at that moment."""
        place = cluster.place
        name = f"operation-{int(self._now() * 1000)}-{uuid.uuid4()}"
        by_number = f"/projects/{place.number}/"
        answer: Json = {
            "name": name,
            "operationType": kind,
            "selfLink": place.link("operations", name).replace(f"/projects/{place.project}/", by_number),
            "startTime": self.timestamp(),
            # Operations on node pools wait for their turn before they run.
            "status": "PENDING" if "/nodePools/" in target else "RUNNING",
            "targetLink": target.replace(f"/projects/{place.project}/", by_number),
            "zone": place.location,
        }
        operation = Operation(place, cluster.name, Run(answer))
        with self._lock:
            self._all[name] = operation
        first = dict(answer)
        injected = INJECTED_ERROR.get()

        def run() -> None:
            answer["status"] = "RUNNING"
            try:
                work(_failing(operation.run, injected) if injected else operation.run)
                if injected:
                    raise _told(injected)
            except Exception as error:
                log.exception("%s of %s failed", kind, cluster.name)
                self._fail(answer, failure(error), of_pool="NODE" in kind)
            answer.pop("detail", None)
            answer["endTime"] = self.timestamp()
            answer["status"] = "DONE"

        threading.Thread(target=run, daemon=True, name=name).start()
        return first

    def _fail(self, answer: Json, error: OperationFailed, *, of_pool: bool) -> None:
        answer["error"] = {"code": error.code, "message": str(error)}
        answer["statusMessage"] = str(error)
        if error.conditions:
            answer["nodepoolConditions" if of_pool else "clusterConditions"] = list(error.conditions)

    def cancel(self, operation: Operation) -> None:
        """Asks an operation to end; only work on nodes can be stopped half-way."""
        kind = operation.answer["operationType"]
        if not operation.busy or kind not in _CANCELLABLE:
            why = "it is done" if not operation.busy else f"operations of type {kind} can't be cancelled"
            raise failed_precondition(f"Operation {operation.answer['name']} cannot be cancelled: {why}.")
        operation.run.cancelled.set()
        operation.answer["status"] = "ABORTING"


def _told(injected: Json) -> OperationFailed:
    return OperationFailed(
        injected["message"], injected.get("code", _INTERNAL), tuple(injected.get("conditions", []))
    )


def _failing(run: Run, injected: Json) -> Run:
    """A run that fails where work first asks whether to go on, so that it leaves what a real failure leaves."""

    class Failing(Run):
        def go_on(self) -> None:
            raise _told(injected)

    return Failing(run.answer, run.cancelled)

"""A small Google in memory: the GKE API's rules for changes, on a clock that only waits move.

What it knows of fields it has from the discovery document; that messages in an update replace what was there is the
least kind reading of it.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.rest import Answer
from discovery import problems, properties

Json = dict[str, Any]

PROJECT, LOCATION = "my-project", "us-central1"
VERSION = "1.34.4-gke.100"
SCOPES = [f"https://www.googleapis.com/auth/{name}" for name in ("logging.write", "monitoring")]

_CLUSTER_PLACES = {
    "desiredAdditionalIpRangesConfig": "ipAllocationPolicy",
    "desiredBinaryAuthorization": "binaryAuthorization",
    "desiredClusterAutoscaling": "autoscaling",
    "desiredDefaultEnablePrivateNodes": "networkConfig.defaultEnablePrivateNodes",
    "desiredGcfsConfig": "nodePoolDefaults.nodeConfigDefaults.gcfsConfig",
    "desiredIntraNodeVisibilityConfig": "networkConfig.enableIntraNodeVisibility",
    "desiredL4ilbSubsettingConfig": "networkConfig.enableL4ilbSubsetting",
    "desiredMasterVersion": "currentMasterVersion",
    "desiredNodePoolAutoConfigNetworkTags": "nodePoolAutoConfig.networkTags",
    "desiredStackType": "ipAllocationPolicy.stackType",
}
"""Where a field of ClusterUpdate shows, if not by its own name in the cluster or its network."""

_POOL_PLACES = {"nodeVersion": "version", "nodeNetworkConfig": "networkConfig", "nodePoolId": "", "name": ""}
_UNWRAPPED = {"labels": "labels", "tags": "tags", "taints": "taints", "resourceLabels": "labels"}
_MERGED = ("desiredAddonsConfig", "nodeNetworkConfig", "desiredAdditionalIpRangesConfig")


@dataclass
class Operation:
    """One operation: it has its effect when it ends, at ``until``."""

    answer: Json
    until: float
    effect: Callable[[], None]
    failure: Json | None = None


@dataclass
class Refusal(Exception):
    status: int
    reason: str
    message: str


@dataclass
class FakeGoogle:
    """``faults``: for the next changing requests, in turn: what happens to each (None: nothing)."""

    seconds: float = 5.0
    clusters: dict[str, Json] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    faults: list[str | None] = field(default_factory=list)
    requests: list[tuple[str, str, Json]] = field(default_factory=list)
    failures: list[Json | None] = field(default_factory=list)
    reads: int = 0
    time: float = 0.0
    on_wait: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        for operation in self.operations.values():
            if operation.answer["status"] == "RUNNING" and operation.until <= self.time:
                self._end(operation)
        self.on_wait()

    def _end(self, operation: Operation) -> None:
        operation.answer["status"] = "DONE"
        if operation.failure:
            operation.answer |= operation.failure
        operation.effect()

    def __call__(self, method: str, url: str, *, body: Any, headers: Any) -> Answer:
        """The transport."""
        path = re.sub(r"^https?://[^/]+", "", url)
        sent = json.loads(body) if body else {}
        try:
            if method == "GET":
                self.reads += 1
                return _answer(200, self._get(path))
            fault = self.faults.pop(0) if self.faults else None
            status, _, when = (fault or "").partition(" ")
            if when == "before":
                self._break(status)
            self.requests.append((method, path, sent))
            answer = self._change(method, path, sent)
            if when == "after":
                self._break(status)
            return _answer(200, answer)
        except Refusal as error:
            details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": error.reason}]
            body = {"error": {"code": error.status, "message": error.message, "details": details}}
            return _answer(error.status, body)

    def _break(self, kind: str) -> None:
        if kind == "reset":
            raise ConnectionError("Connection reset by peer")
        raise Refusal(int(kind), "backendError", "The service is currently unavailable.")

    def _get(self, path: str) -> Json:
        if path.endswith("/operations"):
            return {"operations": [copy.deepcopy(o.answer) for o in self.operations.values()]}
        if "/operations/" in path:
            return copy.deepcopy(self.operations[path.rpartition("/")[2]].answer)
        cluster = self._cluster(path)
        pool = path.partition("/nodePools/")[2]
        return copy.deepcopy(self._pool(cluster, pool) if pool else cluster)

    def _cluster(self, path: str) -> Json:
        name = path.partition("/clusters/")[2].partition("/")[0].partition(":")[0]
        if name not in self.clusters:
            raise Refusal(404, "", f"Not found: {path}.")
        return self.clusters[name]

    def _pool(self, cluster: Json, name: str) -> Json:
        found = next((p for p in cluster["nodePools"] if p["name"] == name), None)
        if found is None:
            raise Refusal(404, "", f"Not found: node pool {name}.")
        return found

    def _change(self, method: str, path: str, body: Json) -> Json:
        if path.endswith("/clusters"):
            return self._create(body["cluster"])
        cluster = self._cluster(path)
        self._refuse_if_busy(cluster["name"])
        head, _, verb = path.rpartition("/")[2].partition(":")
        if path.endswith("/nodePools"):
            return self._create_pool(cluster, body["nodePool"])
        if "/nodePools/" in path:
            pool = self._pool(cluster, head)
            if method == "DELETE":
                return self._begin(
                    cluster, "DELETE_NODE_POOL", lambda: cluster["nodePools"].remove(pool), pool
                )
            change = self._pool_setter(verb, body) if verb else self._pool_update(body)
        elif method == "DELETE":
            return self._begin(
                cluster, "DELETE_CLUSTER", lambda: self._forget(cluster["name"]), cluster, "STOPPING"
            )
        else:
            change = (
                self._cluster_setter(verb, body, cluster) if verb else self._cluster_update(body, cluster)
            )
            pool = cluster

        def effect() -> None:
            change(pool)
            self._settle(cluster)

        return self._begin(cluster, "UPDATE_CLUSTER", effect, cluster)

    def _refuse_if_busy(self, name: str) -> None:
        for operation in self.operations.values():
            if operation.answer["status"] == "RUNNING" and operation.answer["targetLink"].endswith(
                f"/clusters/{name}"
            ):
                raise Refusal(
                    400, "CLUSTER_ALREADY_HAS_OPERATION",
                    f"Cluster is running incompatible operation {operation.answer['name']}.",
                )  # fmt: skip

    def _begin(
        self, cluster: Json, kind: str, effect: Callable[[], None], target: Json, status: str = "RECONCILING"
    ) -> Json:
        name = f"operation-{len(self.operations) + 1}"
        answer = {
            "name": name, "operationType": kind, "status": "RUNNING",
            "targetLink": f"https://x/v1/projects/1/locations/{LOCATION}/clusters/{cluster['name']}",
        }  # fmt: skip
        failure = self.failures.pop(0) if self.failures else None
        if kind not in ("CREATE_CLUSTER", "CREATE_NODE_POOL"):
            cluster["status"] = status

        def end() -> None:
            if cluster["status"] == "RECONCILING":
                cluster["status"] = "RUNNING"
            if failure is None:
                effect()
            elif kind.startswith("CREATE"):
                target["status"] = "ERROR"

        self.operations[name] = Operation(answer, self.time + self.seconds, end, failure)
        return copy.deepcopy(answer)

    def foreign(self, cluster: str, kind: str = "UPGRADE_MASTER") -> None:
        """Somebody else's operation, which changes nothing here."""
        self._begin(self.clusters[cluster], kind, lambda: None, self.clusters[cluster])

    def _forget(self, name: str) -> None:
        del self.clusters[name]

    def _create(self, asked: Json) -> Json:
        self._demand("Cluster", asked)
        if asked["name"] in self.clusters:
            raise Refusal(409, "", f"Already exists: {asked['name']}.")
        cluster = copy.deepcopy(asked) | {"status": "PROVISIONING", "location": LOCATION}
        addons = cluster.get("addonsConfig", {})
        if "gcePersistentDiskCsiDriverConfig" in addons:
            addons["gcePersistentDiskCsiDriverConfig"] = {"enabled": True}
        cluster.setdefault("locations", [f"{LOCATION}-{zone}" for zone in "abc"])
        desired = cluster.pop("initialClusterVersion", VERSION)
        cluster["currentMasterVersion"] = _in_full(desired)
        if not cluster.get("autopilot", {}).get("enabled") and "nodePools" not in cluster:
            cluster["nodePools"] = [
                {"name": "default-pool", "initialNodeCount": cluster.pop("initialNodeCount")}
            ]
        for pool in cluster.setdefault("nodePools", []):
            self._new_pool(pool, cluster)
        cluster["endpoint"], cluster["masterAuth"] = "192.0.2.1", {"clusterCaCertificate": "Q0E="}
        self.clusters[cluster["name"]] = cluster

        def effect() -> None:
            for one in (cluster, *cluster["nodePools"]):
                one["status"] = "RUNNING"
            self._settle(cluster)

        return self._begin(cluster, "CREATE_CLUSTER", effect, cluster)

    def _create_pool(self, cluster: Json, asked: Json) -> Json:
        self._demand("NodePool", asked)
        if any(pool["name"] == asked["name"] for pool in cluster["nodePools"]):
            raise Refusal(409, "", f"Already exists: node pool {asked['name']}.")
        pool = copy.deepcopy(asked)
        self._new_pool(pool, cluster)
        cluster["nodePools"].append(pool)

        def effect() -> None:
            pool["status"] = "RUNNING"
            self._settle(cluster)

        return self._begin(cluster, "CREATE_NODE_POOL", effect, pool)

    def _new_pool(self, pool: Json, cluster: Json) -> None:
        config = pool.setdefault("config", {})
        config |= {
            "diskSizeGb": 100,
            "diskType": "pd-balanced",
            "imageType": "COS_CONTAINERD",
            "machineType": "e2-medium",
        } | config
        config.setdefault("serviceAccount", "default")
        config["resourceLabels"] = {
            "goog-gke-node-pool-provisioning-model": "on-demand",
            **config.get("resourceLabels", {}),
        }
        pool.setdefault("locations", list(cluster["locations"]))
        pool["management"] = {"autoRepair": True, "autoUpgrade": True} | pool.get("management", {})
        desired = pool.get("version", cluster["currentMasterVersion"])
        pool |= {"version": _in_full(desired), "status": "PROVISIONING"}
        pool.setdefault("upgradeSettings", {"maxSurge": 1, "strategy": "SURGE"})

    def _settle(self, cluster: Json) -> None:
        """As Google shows it: nothing that is falsy, its own scopes, versions in full."""
        for pool in cluster["nodePools"]:
            scopes = pool["config"].setdefault("oauthScopes", list(SCOPES))
            scopes += [scope for scope in SCOPES if scope not in scopes]
            pool["version"] = _in_full(pool["version"])
        cluster["currentMasterVersion"] = _in_full(cluster["currentMasterVersion"])
        cluster["currentNodeCount"] = sum(
            pool.get("initialNodeCount", 0) * len(pool["locations"]) for pool in cluster["nodePools"]
        )
        cluster["labelFingerprint"] = f"fingerprint-{self.time}"
        shown = _shown(cluster)
        cluster.clear()
        cluster |= {"nodePools": [], **shown}

    def _demand(self, schema: str, value: Json) -> None:
        found = problems(schema, value)
        if found:
            raise Refusal(400, "badRequest", "; ".join(found))

    def _cluster_update(self, body: Json, cluster: Json) -> Callable[[Json], None]:
        update = body["update"]
        self._demand("ClusterUpdate", update)
        if len(update) != 1 and set(update) != {"desiredLoggingService", "desiredMonitoringService"}:
            raise Refusal(400, "badRequest", f"Exactly one update can be applied, not {sorted(update)}.")
        zones, present = set(update.get("desiredLocations", ())), set(cluster["locations"])
        if zones - present and zones and present - zones:
            raise Refusal(400, "badRequest", "Locations can be added or removed in one update, not both.")
        return lambda cluster: [self._place(cluster, name, value) for name, value in update.items()] and None

    def _place(self, cluster: Json, name: str, value: Any) -> None:
        own = name.removeprefix("desired")
        own = own[0].lower() + own[1:]
        path = _CLUSTER_PLACES.get(name) or (own if own in properties("Cluster") else f"networkConfig.{own}")
        if name in ("desiredIntraNodeVisibilityConfig", "desiredL4ilbSubsettingConfig"):
            value = value["enabled"]
        _put(cluster, path, value, merge=name in _MERGED)
        if name == "desiredLocations":
            for pool in cluster["nodePools"]:
                pool["locations"] = list(value)

    def _cluster_setter(self, verb: str, body: Json, cluster: Json) -> Callable[[Json], None]:
        if verb == "setResourceLabels":
            self._demand("SetLabelsRequest", body)
            if body["labelFingerprint"] != cluster["labelFingerprint"]:
                raise Refusal(412, "conditionNotMet", "Labels could not be set due to fingerprint mismatch.")
            return lambda found: found.update(resourceLabels=body["resourceLabels"])
        assert verb == "setMaintenancePolicy"
        self._demand("SetMaintenancePolicyRequest", body)
        return lambda found: found.update(maintenancePolicy=body["maintenancePolicy"])

    def _pool_update(self, body: Json) -> Callable[[Json], None]:
        self._demand("UpdateNodePoolRequest", body)

        def change(pool: Json) -> None:
            for name, value in body.items():
                inner = value[_UNWRAPPED[name]] if name in _UNWRAPPED else value
                own = _POOL_PLACES.get(name, name)
                path = own if own in properties("NodePool") else f"config.{own}"
                _put(pool, path, int(inner) if name == "diskSizeGb" else inner, merge=name in _MERGED)

        return change

    def _pool_setter(self, verb: str, body: Json) -> Callable[[Json], None]:
        schema = {
            "setAutoscaling": "SetNodePoolAutoscalingRequest",
            "setManagement": "SetNodePoolManagementRequest",
            "setSize": "SetNodePoolSizeRequest",
        }[verb]
        self._demand(schema, body)
        ((name, value),) = body.items()
        return lambda pool: pool.update({{"nodeCount": "initialNodeCount"}.get(name, name): value})


def _in_full(version: str) -> str:
    """1.X and 1.X.Y are the newest of these."""
    if "gke" in version:
        return version
    return f"{version if version.count('.') == 2 else version + '.9'}-gke.900"


def _answer(status: int, body: Json) -> Answer:
    return Answer(status, {}, json.dumps(body).encode())


def _put(resource: Json, path: str, value: Any, *, merge: bool) -> None:
    *way, last = path.split(".")
    for key in way:
        resource = resource.setdefault(key, {})
    resource[last] = {**resource.get(last, {}), **value} if merge else copy.deepcopy(value)


def _shown(value: Any) -> Any:
    """Messages leave out what is falsy; maps of text keep it."""
    if isinstance(value, dict):
        return {
            k: dict(v) if k in ("labels", "resourceLabels", "metadata") else _shown(v)
            for k, v in value.items()
            if v not in (False, 0, "", None, [])
        }
    return [_shown(item) for item in value] if isinstance(value, list) else value

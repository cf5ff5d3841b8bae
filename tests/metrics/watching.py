"""A site on the sandbox that a real Prometheus watches, with real kube-state-metrics: its answers, alerts, and what goes wrong."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.monitoring.dashboard import Panel

from tests.drills.client import Load
from tests.drills.drill import KUBECONFIG, Cluster

from .shortened import shortened

Json = dict[str, Any]
HERE = Path(__file__).parent
NAMESPACE, NAME = "tfserving", "line"
_PROXY = f"/api/v1/namespaces/{NAMESPACE}/services/http:watcher:9090/proxy/api/v1"
_PLACES = {
    "Namespace": "/api/v1/namespaces/{name}", "ServiceAccount": "/api/v1/namespaces/{ns}/serviceaccounts/{name}",
    "ConfigMap": "/api/v1/namespaces/{ns}/configmaps/{name}", "Service": "/api/v1/namespaces/{ns}/services/{name}",
    "Deployment": "/apis/apps/v1/namespaces/{ns}/deployments/{name}",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles/{name}",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/{name}",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{name}",
}  # fmt: skip


class NoAnswer(Exception):
    """Prometheus can't be asked, since it starts, say."""


class Watched:
    """The site NAME, and what watches it."""

    def __init__(self) -> None:
        self._cluster = Cluster(KUBECONFIG, NAMESPACE)
        self.api = self._cluster.api

    def watch(self) -> None:
        """Brings Prometheus with the role's rules, and with the shortened ones, and waits until it reads everything."""
        text = (HERE / "watcher.yml").read_text().replace("NAMESPACE", NAMESPACE).replace("NAME", NAME)
        for manifest in yaml.safe_load_all(text):
            if manifest["metadata"]["name"] == "watcher" and manifest["kind"] == "ConfigMap":
                manifest["data"]["shortened.yml"] = yaml.safe_dump(shortened(self.rules()))
            meta = manifest["metadata"]
            place = _PLACES[manifest["kind"]].format(ns=meta.get("namespace"), name=meta["name"])
            self.api.patch(
                f"{place}?fieldManager=test&force=true",
                manifest,
                content_type="application/apply-patch+yaml",
            )
        self.wait(
            self.reads_everything, "Prometheus reads proxies, model servers and kube-state-metrics", 180
        )

    def rules(self) -> Json:
        """As the role applied them."""
        found = self.api.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}-monitoring")
        return dict(yaml.safe_load(found["data"]["rules.yml"]))

    def reads_everything(self) -> bool:
        up = {one["metric"]["job"]: one["value"][1] for one in self.ask("min by (job) (up)")}
        return len(up) == 3 and set(up.values()) == {"1"}

    def ask(self, query: str, **span: float) -> list[Json]:
        """The result of a query, now, or from ``start`` to ``end`` each ``step`` seconds. Raises ``NoAnswer``."""
        kind = "query_range" if span else "query"
        try:
            status, _, body = self.api.raw(
                "GET", f"{_PROXY}/{kind}", query={"query": query, **span}, timeout=20
            )
        except KubeError as error:
            raise NoAnswer(str(error)) from error
        if status != 200:
            raise NoAnswer(f"{query}: {status} {body!r:.500}")
        return list(json.loads(body)["data"]["result"])

    def shown(self, panel: Panel, start: float, end: float, step: float) -> list[Json]:
        """What a panel draws: ``legend``, ``query``'s number, ``labels`` and ``points`` (time, value) of each line."""
        return [
            {
                "query": number, "labels": one["metric"], "legend": query.legend.format_map(one["metric"]),
                "points": [(float(t), float(f"{float(value):.4g}")) for t, value in one["values"]],
            }
            for number, query in enumerate(panel.queries)
            for one in self.ask(query.expr, start=start, end=end, step=step)
        ]  # fmt: skip

    def alerts(self, state: str = "firing", mark: str = 'shortened="true"') -> set[str]:
        """Names, with the severity where one name has several."""
        return {_called(one) for one in self.ask(f'ALERTS{{alertstate="{state}",{mark}}}')}

    def alerts_between(self, start: float, end: float) -> dict[str, set[str]]:
        """By state, of all rules."""
        found: dict[str, set[str]] = {"firing": set(), "pending": set()}
        for one in self.ask("ALERTS", start=start, end=end, step=5):
            found[one["metric"]["alertstate"]].add(_called(one))
        return found

    def wait(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        deadline, trouble = time.monotonic() + seconds, ""
        while True:
            with suppress(NoAnswer):
                if condition():
                    return
                trouble = f"firing: {self.alerts()}, pending: {self.alerts('pending')}"
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}; {trouble}"
            time.sleep(1)

    def ready(self) -> list[Json]:
        """Its pods that are ready and stay."""
        return self._cluster.ready(NAME)

    def replicas_between(self, low: int, high: int) -> None:
        self._cluster.replicas_between(NAME, low, high)

    def scale(self, deployment: str, replicas: int) -> None:
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{deployment}"
        body = {"spec": {"replicas": replicas}}
        self.api.patch(path, body, content_type="application/merge-patch+json")

    @contextmanager
    def asked(self, rate: float, connections: int) -> Iterator[Load]:
        """REST clients through the load balancer, as long as the block lasts."""
        load = Load(
            {
                "protocol": "rest", "host": self._cluster.address(NAME), "port": 8501,
                "model": NAME, "rate": rate, "connections": connections,
            }
        )  # fmt: skip
        try:
            yield load
        finally:
            print(json.dumps(load.end(), indent=1))

    @contextmanager
    def hung(self, pods: list[Json]) -> Iterator[None]:
        """Their model servers take connections and answer nothing."""
        found = {pod["metadata"]["name"]: _servers(pod["metadata"]["uid"]) for pod in pods}
        assert all(found.values()), found
        stopped = [pid for pids in found.values() for pid in pids]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


def _called(one: Json) -> str:
    """An alert by name and severity."""
    return f"{one['metric']['alertname']} ({one['metric']['severity']})"


def _servers(uid: str) -> list[int]:
    """The processes of a pod's model server."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (
                uid in (entry / "cgroup").read_text()
                and b"tensorflow_model_server" in (entry / "cmdline").read_bytes()
            ):
                found.append(int(entry.name))
    return found

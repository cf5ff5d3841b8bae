"""Drills: something happens to a model server while clients ask it steadily; what became of every request."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError

from sandbox.releases import DEFAULT, RELEASES

from . import client

OLD, NEW = (release.rpartition(".")[0] for release in (DEFAULT, RELEASES[RELEASES.index(DEFAULT) + 1]))
"""The sandbox's usual version of Kubernetes and the one after it, as MAJOR.MINOR."""
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KUBECONFIG = Path.home() / ".kube/mlops-tfserving/sandbox-project_us-central1-f_cluster-1.yml"
NAMESPACE = "drills"
REQUESTS = 5_000
LIMIT_SECONDS = 420
_RATE = 20
_CONNECTIONS = 6
_IMAGES = {"rest": "sandbox.local/python:3.13", "grpc": "sandbox.local/tensorflow-serving:2.21.0"}

Json = dict[str, Any]


def playbook(name: str, *arguments: str) -> subprocess.Popen[str]:
    """Starts a playbook for the drills' model server."""
    command = [f"{ROOT}/.venv/bin/ansible-playbook", str(name), "-e", f"@{HERE / 'vars.yml'}", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def converge(name: str, *arguments: str) -> str:
    """Runs a playbook that has to succeed; what it printed."""
    running = playbook(name, *arguments)
    output, _ = running.communicate(timeout=600)
    assert running.returncode == 0, (
        f"{name} {' '.join(arguments)} exited {running.returncode}:\n{output[-5000:]}"
    )
    return output


def refused(name: str, *arguments: str) -> str:
    """Runs a playbook that has to fail; what it printed."""
    running = playbook(name, *arguments)
    output, _ = running.communicate(timeout=600)
    assert running.returncode != 0, (
        f"{name} {' '.join(arguments)} should have been refused:\n{output[-3000:]}"
    )
    return output


class Cluster:
    """The cluster that the drills happen in."""

    def __init__(self, kubeconfig: Path, namespace: str = NAMESPACE) -> None:
        self.api = KubeClient(str(kubeconfig))
        self._namespace = namespace

    def pods(self, app: str) -> list[Json]:
        found = self.api.get(f"/api/v1/namespaces/{self._namespace}/pods", labelSelector=f"app={app}")[
            "items"
        ]
        return [dict(pod) for pod in found]

    def ready(self, app: str) -> list[Json]:
        """Its pods that are ready and stay."""
        return [
            pod
            for pod in self.pods(app)
            if not pod["metadata"].get("deletionTimestamp")
            and any(
                c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", [])
            )
        ]

    def versions(self, app: str) -> set[str]:
        """The versions that its ready pods serve."""
        return {p["metadata"]["annotations"]["mlops.tfserving/model-version"] for p in self.ready(app)}

    def nodes(self) -> list[str]:
        return [node["metadata"]["name"] for node in self.api.get("/api/v1/nodes")["items"]]

    def kubelets(self) -> set[str]:
        """The versions of Kubernetes that its nodes have."""
        nodes = self.api.get("/api/v1/nodes")["items"]
        return {str(node["status"]["nodeInfo"]["kubeletVersion"]) for node in nodes}

    def first_node(self) -> str:
        """The node with the cluster's DNS, which no autoscaler takes away."""
        pods = self.api.get("/api/v1/namespaces/kube-system/pods", labelSelector="k8s-app=kube-dns")["items"]
        return str(pods[0]["spec"]["nodeName"])

    def address(self, service: str) -> str:
        found = self.api.get(f"/api/v1/namespaces/{self._namespace}/services/{service}")
        return str(found["status"]["loadBalancer"]["ingress"][0]["ip"])

    def restarts(self, app: str) -> int:
        """How often containers of its pods were started again."""
        statuses = [one for pod in self.pods(app) for one in pod["status"].get("containerStatuses", [])]
        return sum(one["restartCount"] for one in statuses)

    def replicas_between(self, app: str, low: int, high: int) -> None:
        path = f"/apis/autoscaling/v2/namespaces/{self._namespace}/horizontalpodautoscalers/{app}"
        body = {"spec": {"minReplicas": low, "maxReplicas": high}}
        self.api.patch(path, body, content_type="application/merge-patch+json")

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = LIMIT_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            time.sleep(1)

    def wait_for_replicas(self, app: str, count: int) -> None:
        """Exactly so many are ready, and none is left of others."""
        self.wait(lambda: len(self.ready(app)) == len(self.pods(app)) == count, f"{count} replicas of {app}")


class Clients:
    """Steady kept-alive REST and gRPC clients: two in the cluster, two through the load balancer."""

    kind = "client"
    images: ClassVar[dict[str, str]] = _IMAGES
    turns: ClassVar = False
    """Whether what disturbs does so in turns, so that both parts of each are told apart."""

    def __init__(self, cluster: Cluster, app: str, rate: float = _RATE) -> None:
        self._cluster = cluster
        self._app = app
        self._rate = rate
        self._pods = [f"{self.kind}-{protocol}-{app}" for protocol in self.images]
        self._core = f"/api/v1/namespaces/{NAMESPACE}"

    def start(self) -> None:
        self._remove()
        self._create(f"{self._core}/configmaps", self._script())
        for protocol, name in zip(self.images, self._pods, strict=True):
            self._create(f"{self._core}/pods", self._pod(name, protocol))
        self._cluster.wait(
            lambda: all(self._counts(name) for name in self._pods), "clients in the cluster", 120
        )
        self._outside = self._through_the_load_balancer()

    def _through_the_load_balancer(self) -> dict[str, client.Load]:
        address = self._cluster.address(self._app)
        return {
            f"{protocol} through the load balancer": client.Load(self._config(protocol, address))
            for protocol in _IMAGES
        }

    def requests(self) -> int:
        inside = sum((self._counts(name) or {}).get("requests", 0) for name in self._pods)
        return inside + sum(load.tally.show()["requests"] for load in self._outside.values())

    def stop(self) -> dict[str, Json]:
        """Ends them; what each of them counted."""
        results = {name: load.end() for name, load in self._outside.items()}
        for protocol, name in zip(self.images, self._pods, strict=True):
            status, _, body = self._cluster.api.raw("POST", self._proxy(name, "stop"), timeout=30)
            assert status == 200, body
            results[f"{protocol} in the cluster"] = json.loads(body)
        self._remove()
        return results

    def _config(self, protocol: str, host: str) -> Json:
        return {
            "protocol": protocol, "host": host, "port": 8501 if protocol == "rest" else 8500, "model": "drill",
            "rate": self._rate, "connections": _CONNECTIONS,
            "turns": self.turns,
        }  # fmt: skip

    def _proxy(self, name: str, path: str) -> str:
        return f"{self._core}/pods/http:{name}:9000/proxy/{path}"

    def _counts(self, name: str) -> Json | None:
        try:
            status, _, body = self._cluster.api.raw("GET", self._proxy(name, "counts"), timeout=10)
        except KubeError:
            return None
        return dict(json.loads(body)) if status == 200 else None

    def _create(self, path: str, body: Json) -> None:
        # What is being removed keeps its name for a moment.
        for _ in range(60):
            try:
                self._cluster.api.post(path, body)
                return
            except KubeError as error:
                if error.status != 409:
                    raise
                time.sleep(0.5)

    def _remove(self) -> None:
        for path in [f"configmaps/{self.kind}-{self._app}", *(f"pods/{name}" for name in self._pods)]:
            try:
                self._cluster.api.delete(f"{self._core}/{path}", {"gracePeriodSeconds": 0})
            except KubeError as error:
                if error.status != 404:
                    raise

    def _script(self) -> Json:
        data = {name: (HERE / name).read_text() for name in ("client.py", f"{self.kind}.py")}
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{self.kind}-{self._app}"},
            "data": data,
        }

    def _pod(self, name: str, protocol: str) -> Json:
        config = self._config(protocol, f"{self._app}.{NAMESPACE}.svc.cluster.local")
        container = {
            "name": "client",
            "image": self.images[protocol],
            "imagePullPolicy": "IfNotPresent",
            "command": ["/usr/bin/python3", f"/script/{self.kind}.py", json.dumps(config)],
            "env": [{"name": "PYTHONPATH", "value": "/opt/packages"}],
            "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [{"name": "script", "mountPath": "/script"}],
        }
        annotations = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "annotations": annotations, "labels": {"app": self.kind}},
            "spec": {
                "restartPolicy": "Never",
                # With the cluster's DNS, on the node that stays while others go.
                "nodeSelector": {"kubernetes.io/hostname": self._cluster.first_node()},
                "terminationGracePeriodSeconds": 1,
                "automountServiceAccountToken": False,
                "securityContext": {
                    "runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [container],
                "volumes": [{"name": "script", "configMap": {"name": f"{self.kind}-{self._app}"}}],
            },
        }  # fmt: skip


class FromOutside(Clients):
    """Through the load balancer alone: a pod that asks could not stay where it is while every node is replaced."""

    images: ClassVar = {}


class InTurns(Clients):
    """Beside hostile clients, which are there and away in turns."""

    turns = True


class Hostile(Clients):
    """Two pods that do what ``hostile.py`` has, each at half the rate. They count what is not refused as it should be."""

    kind = "hostile"
    images: ClassVar = {"one": _IMAGES["grpc"], "two": _IMAGES["grpc"]}

    def _through_the_load_balancer(self) -> dict[str, client.Load]:
        return {}


@contextmanager
def load_during(
    cluster: Cluster,
    app: str,
    results: dict[str, Json],
    rate: float = _RATE,
    requests: int = REQUESTS,
    kind: type[Clients] = Clients,
) -> Iterator[Clients]:
    """Clients that ask from before the block until after it, and at least so many times in all."""
    clients = kind(cluster, app, rate)
    clients.start()
    try:
        time.sleep(5)
        yield clients
        time.sleep(5)
        cluster.wait(lambda: clients.requests() >= requests, f"{requests} requests")
    finally:
        results.update(clients.stop())
        print(json.dumps(results, indent=1), file=sys.stderr)

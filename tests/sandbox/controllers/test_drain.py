"""Draining a node, against an API server with the habits of Kubernetes' controllers."""

from __future__ import annotations

from typing import Any

from sandbox.controllers.drain import drain
from sandbox.kube.rest import KubeError

UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class Cluster:
    """Two nodes, and a Deployment of two pods, both on ``old``, that may miss one at a time.

    Its node controller makes of ``spec.unschedulable`` a taint and takes the taint where that is not said
    (https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-nodes-by-condition); its scheduler
    prefers ``old`` whenever it may.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, Any]] = {"old": {"taints": []}, "new": {"taints": []}}
        self.pods = {"a": "old", "b": "old"}
        self.going: list[str] = []

    def get(self, path: str, **query: str) -> dict[str, Any]:
        kind, _, name = path.removeprefix("/api/v1/").rpartition("/")
        if kind == "nodes":
            return {"metadata": {"name": name}, "spec": self.nodes[name]}
        if name == "pods":
            node = query["fieldSelector"].removeprefix("spec.nodeName=")
            found = [pod for pod, place in self.pods.items() if place == node]
            return {"items": [{"metadata": {"namespace": "n", "name": pod}} for pod in found]}
        if name in self.pods:
            return {}
        raise KubeError(404, "not found")

    def request(self, method: str, path: str, body: Any = None, content_type: str = "") -> Any:
        if method == "PATCH":
            spec = self.nodes[path.rpartition("/")[2]]
            spec.update(body["spec"])
            return
        if self.going:
            raise KubeError(429, "Cannot evict pod as it would violate the pod's disruption budget.")
        self.going.append(body["metadata"]["name"])

    def wait(self, _: float) -> bool:
        """What controllers do while the drain waits."""
        for spec in self.nodes.values():
            others = [t for t in spec["taints"] if t["key"] != UNSCHEDULABLE["key"]]
            spec["taints"] = [*others, UNSCHEDULABLE] if spec.get("unschedulable") else others
        for pod in self.going:
            del self.pods[pod]
            self.pods[f"{pod}-anew"] = next(name for name, spec in self.nodes.items() if not spec["taints"])
        self.going.clear()
        return False


def test_no_pod_comes_back_to_a_node_that_is_drained() -> None:
    cluster: Any = Cluster()
    assert drain(cluster, "old", seconds=60, stopped=cluster.wait)
    assert cluster.pods == {"a-anew": "new", "b-anew": "new"}

"""Scans the cluster every few seconds and carries out what the planner decides."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import requests

from ..kube.rest import Json, KubeError, KubeRest
from .drain import evict, taint, untaint
from .events import emit
from .node_autoscaler import (
    AutoscalerSettings,
    ClusterView,
    Decision,
    Memory,
    NoScaleUp,
    PoolState,
    ScaleDown,
    ScaleUp,
    key_of,
    plan,
)
from .node_view import DELETION_TAINT

log = logging.getLogger(__name__)

_SOURCE = "cluster-autoscaler"
_STATUS = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"
# --max-graceful-termination-sec
_DRAIN_SECONDS = 600


class Nodes(Protocol):
    """Where nodes come from: the cluster's pools."""

    def pool_states(self) -> list[PoolState]: ...
    def autoscaler_settings(self) -> AutoscalerSettings: ...
    def scale_up(self, pool_name: str) -> str: ...
    def remove(self, node: str) -> None: ...


class NodeAutoscaler:
    """The loop. Whatever goes wrong is logged, and the next scan tries again."""

    def __init__(self, rest: KubeRest, nodes: Nodes, now: Callable[[], float] = time.time) -> None:
        self._rest = rest
        self._nodes = nodes
        self._now = now
        self._memory = Memory()
        self._told: dict[tuple[str, str], str] = {}

    def run(self, stop: threading.Event) -> None:
        self._tidy()
        while not stop.is_set():
            try:
                self.scan(stop)
            except (KubeError, requests.RequestException) as error:
                log.warning("scan: %s", error)
            except Exception:
                # One odd object must not end it: without this loop no node would come or go any more.
                log.exception("scan")
            stop.wait(self._nodes.autoscaler_settings().scan_seconds)

    def scan(self, stop: threading.Event) -> list[Decision]:
        """One look and what follows from it."""
        view = ClusterView(
            nodes=tuple(self._rest.get("/api/v1/nodes")["items"]),
            pods=tuple(self._rest.get("/api/v1/pods")["items"]),
            budgets=tuple(self._rest.get("/apis/policy/v1/poddisruptionbudgets")["items"]),
        )
        pools = self._nodes.pool_states()
        decisions = plan(view, pools, self._nodes.autoscaler_settings(), self._memory, self._now())
        pods = {key_of(pod): pod for pod in view.pods}
        for decision in decisions:
            match decision:
                case ScaleUp():
                    self._scale_up(decision, pods)
                case NoScaleUp(pod, reason):
                    self._tell_once(pods[pod], reason)
                case ScaleDown():
                    self._scale_down(decision, pods, stop)
        self._told = {key: reason for key, reason in self._told.items() if key in pods}
        self._write_status(pools, decisions)
        return decisions

    def _scale_up(self, decision: ScaleUp, pods: dict[tuple[str, str], Json]) -> None:
        for _ in range(decision.count):
            log.info("pool %s gets node %s", decision.pool, self._nodes.scale_up(decision.pool))
        after = decision.before + decision.count
        text = f"pod triggered scale-up: [{{{decision.group} {decision.before}->{after} (max: {decision.limit})}}]"
        for key in decision.pods:
            self._emit(pods[key], "Pod", "TriggeredScaleUp", text)

    def _tell_once(self, pod: Json, reason: str) -> None:
        if self._told.get(key_of(pod)) != reason:
            self._told[key_of(pod)] = reason
            self._emit(pod, "Pod", "NotTriggerScaleUp", f"pod didn't trigger scale-up: {reason}")

    def _scale_down(
        self, decision: ScaleDown, pods: dict[tuple[str, str], Json], stop: threading.Event
    ) -> None:
        node = self._rest.get(f"/api/v1/nodes/{decision.node}")
        taint(self._rest, decision.node, DELETION_TAINT, self._now())
        kind = "with drain" if decision.evict else "as empty"
        self._emit(node, "Node", "ScaleDown", f"node removed by cluster autoscaler {kind}")
        for key in decision.evict:
            self._emit(pods[key], "Pod", "ScaleDown", "deleting pod for node scale down")
        if not evict(self._rest, decision.evict, seconds=_DRAIN_SECONDS, stopped=stop.wait):
            log.warning("node %s could not be drained", decision.node)
            untaint(self._rest, self._rest.get(f"/api/v1/nodes/{decision.node}"), DELETION_TAINT)
            return
        log.info("node %s goes", decision.node)
        self._nodes.remove(decision.node)

    def _emit(self, about: Json, kind: str, reason: str, message: str) -> None:
        emit(self._rest, about, kind=kind, reason=reason, message=message, source=_SOURCE, now=self._now())

    def _tidy(self) -> None:
        """Taints that an interrupted removal left."""
        try:
            for node in self._rest.get("/api/v1/nodes")["items"]:
                if any(t["key"] == DELETION_TAINT for t in node.get("spec", {}).get("taints", [])):
                    untaint(self._rest, node, DELETION_TAINT)
        except (KubeError, requests.RequestException) as error:
            log.warning("tidying: %s", error)

    def _write_status(self, pools: list[PoolState], decisions: list[Decision]) -> None:
        moment = datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%d %H:%M:%S")
        growing = {d.pool for d in decisions if isinstance(d, ScaleUp)}
        lines = [f'time: "{moment}"', "autoscalerStatus: Running", "nodeGroups:"]
        for pool in pools:
            lines += [
                f"- name: {pool.group}",
                f"  health: {{status: Healthy, cloudProviderTarget: {len(pool.nodes)}, "
                f"minSize: {pool.min_nodes}, maxSize: {pool.max_nodes}}}",
                f"  scaleUp: {{status: {'InProgress' if pool.name in growing else 'NoActivity'}}}",
                f"  scaleDown: {{status: {'CandidatesPresent' if self._memory.unneeded_since else 'NoCandidates'}}}",
            ]
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "cluster-autoscaler-status",
                "namespace": "kube-system",
                "annotations": {"cluster-autoscaler.kubernetes.io/last-updated": f"{moment} +0000 UTC"},
            },
            "data": {"status": "\n".join(lines) + "\n"},
        }
        self._rest.apply(_STATUS, manifest)

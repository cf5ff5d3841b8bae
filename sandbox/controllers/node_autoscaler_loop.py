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
from .capacity_buffer import API_VERSION, KIND, STRATEGY, asked, template_name
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
        self._told: dict[tuple[str, str, str], str] = {}

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
        buffers = self._buffers()
        view = ClusterView(
            nodes=tuple(self._rest.get("/api/v1/nodes")["items"]),
            pods=tuple(self._rest.get("/api/v1/pods")["items"]),
            budgets=tuple(self._rest.get("/apis/policy/v1/poddisruptionbudgets")["items"]),
            imagined=tuple(pod for _, pods in buffers for pod in pods),
        )
        pools = self._nodes.pool_states()
        decisions = plan(view, pools, self._nodes.autoscaler_settings(), self._memory, self._now())
        pods = {key_of(pod): pod for pod in view.pods}
        # What is told of an imagined pod is told of its buffer.
        pods |= {key_of(pod): buffer for buffer, imagined in buffers for pod in imagined}
        for decision in decisions:
            match decision:
                case ScaleUp():
                    self._scale_up(decision, pods)
                case NoScaleUp(pod, reason):
                    self._tell_once(pods[pod], reason)
                case ScaleDown():
                    self._scale_down(decision, pods, stop)
        there = {_told_as(about) for about in pods.values()}
        self._told = {key: reason for key, reason in self._told.items() if key in there}
        self._write_status(pools, decisions)
        return decisions

    def _scale_up(self, decision: ScaleUp, pods: dict[tuple[str, str], Json]) -> None:
        for _ in range(decision.count):
            log.info("pool %s gets node %s", decision.pool, self._nodes.scale_up(decision.pool))
        after = decision.before + decision.count
        text = (
            f"triggered scale-up: [{{{decision.group} {decision.before}->{after} (max: {decision.limit})}}]"
        )
        for about in {key_of(pods[key]): pods[key] for key in decision.pods}.values():
            self._emit(about, "TriggeredScaleUp", f"{_who(about)} {text}")

    def _tell_once(self, about: Json, reason: str) -> None:
        if self._told.get(_told_as(about)) != reason:
            self._told[_told_as(about)] = reason
            self._emit(about, "NotTriggerScaleUp", f"{_who(about)} didn't trigger scale-up: {reason}")

    def _scale_down(
        self, decision: ScaleDown, pods: dict[tuple[str, str], Json], stop: threading.Event
    ) -> None:
        node = self._rest.get(f"/api/v1/nodes/{decision.node}")
        taint(self._rest, decision.node, DELETION_TAINT, self._now())
        kind = "with drain" if decision.evict else "as empty"
        self._emit(node, "ScaleDown", f"node removed by cluster autoscaler {kind}")
        for key in decision.evict:
            self._emit(pods[key], "ScaleDown", "deleting pod for node scale down")
        if not evict(self._rest, decision.evict, seconds=_DRAIN_SECONDS, stopped=stop.wait):
            log.warning("node %s could not be drained", decision.node)
            untaint(self._rest, self._rest.get(f"/api/v1/nodes/{decision.node}"), DELETION_TAINT)
            return
        log.info("node %s goes", decision.node)
        self._nodes.remove(decision.node)

    def _buffers(self) -> list[tuple[Json, tuple[Json, ...]]]:
        """CapacityBuffers, each with the pods that it keeps room for; their status is written as it changes."""
        return [
            (buffer, self._kept(buffer))
            for buffer in self._list(f"/apis/{API_VERSION}/capacitybuffers")
            if buffer["spec"].get("provisioningStrategy", STRATEGY) == STRATEGY
        ]

    def _kept(self, buffer: Json) -> tuple[Json, ...]:
        metadata = buffer["metadata"]
        namespace = f"namespaces/{metadata['namespace']}"
        templates = f"/api/v1/{namespace}/podtemplates/{template_name(buffer)}"
        ref = buffer["spec"].get("scalableRef", {})
        deployment = None
        if ref.get("kind") == "Deployment":
            deployment = self._found(f"/apis/apps/v1/{namespace}/deployments/{ref['name']}")
        wanted = asked(buffer, self._found(templates), deployment, self._now())
        if wanted.template is not None:
            self._rest.apply(templates, wanted.template)
        if wanted.status != buffer.get("status"):
            path = f"/apis/{API_VERSION}/{namespace}/capacitybuffers/{metadata['name']}/status"
            body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": metadata["name"]}}
            self._rest.apply(path, body | {"status": wanted.status})
        return wanted.pods

    def _list(self, path: str) -> list[Json]:
        """All of a kind; none where the cluster has no such kind."""
        return list((self._found(path) or {"items": []})["items"])

    def _found(self, path: str) -> Json | None:
        try:
            return self._rest.get(path)
        except KubeError as error:
            if error.status != 404:
                raise
            return None

    def _emit(self, about: Json, reason: str, message: str) -> None:
        kind = about.get("kind", "Pod")
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


def _told_as(about: Json) -> tuple[str, str, str]:
    return about.get("kind", "Pod"), *key_of(about)


def _who(about: Json) -> str:
    return "pod" if about.get("kind", "Pod") == "Pod" else "capacity buffer's fake pods"

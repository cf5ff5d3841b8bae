"""A run as a timeline, acted by an HPA's controller, a metrics server and kubelets of whole objects: what a watch would see
of them, late by a little, and with the looks that left no trace written down beside it."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime
from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.limits import Memory
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.look import Decision, look
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.objects import pod_of, samples_of
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.seen import Controller, Seen
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.spec import read_spec
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.objects import ASIDE, summary
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.samples import sample_of
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import lift

Json = dict[str, Any]
START = 1_700_000_000.0
REQUEST = 300


def stamp(t: float) -> str:
    """Kubernetes' own: whole seconds."""
    return datetime.fromtimestamp(math.floor(t), UTC).isoformat().replace("+00:00", "Z")


def hpa_spec(**more: Any) -> Json:
    target = {"type": "Utilization", "averageUtilization": 60}
    source = {"name": "cpu", "container": "tfserving", "target": target}
    return {
        "scaleTargetRef": {"kind": "Deployment", "name": "m"}, "minReplicas": 1, "maxReplicas": 12,
        "metrics": [{"type": "ContainerResource", "containerResource": source}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}, **more,
    }  # fmt: skip


class Acted:
    """``events``: the timeline; ``truth``: (t, what the controller decided) of every look."""

    def __init__(self, seed: int, seconds: int = 900, spec: Json | None = None, minor: int = 36) -> None:
        self._dice = random.Random(seed)
        self._spec = hpa_spec() if spec is None else spec
        self._controller = Controller(minor)
        self._pods: dict[str, Json] = {}
        self._metrics: dict[str, Json] = {}
        self._status: Json = {"currentReplicas": 1, "desiredReplicas": 1}
        self._replicas, self._made, self._memory = 1, 0, Memory()
        self._known: dict[str, Json] = {}
        self._polled: float | None = None
        self._polls: dict[str, Json] = {}
        self.events: list[Json] = []
        self.truth: list[tuple[float, Decision]] = []
        self._new(START - 900, ready=START - 880)
        self._write(START, "hpa", self._hpa())
        self._write(START, "deployment", self._deployment())
        self._write(START, "pod", self._pods["p0"])
        self._add(
            START, "run", namespace="n", deployment="m", replicas=1, nodes=1, kubernetes=f"v1.{minor}.1"
        )
        scrape, due, poll = START + self._dice.uniform(0, 15), START + self._dice.uniform(1, 15), START
        t = START
        while t < START + seconds:
            t = min(scrape, due, poll, *(one["at"] for one in self._pods.values() if one["at"] > t))
            self._kubelets(t)
            if t == scrape:
                self._scrape(t)
                scrape += 15
            elif t == due:
                self._look(t)
                due += 15 + self._dice.uniform(0.002, 0.05)
            elif t == poll:
                self._poll(t)
                poll += 2.01
        self.events.sort(key=lambda event: event["t"])

    def _add(self, t: float, kind: str, **fields: Any) -> None:
        self.events.append(lift({"t": round(t, 3), "kind": kind, **fields}))

    def _write(self, t: float, kind: str, item: Json) -> None:
        """As the follower keeps it."""
        late = t + self._dice.uniform(0.005, 0.06)
        for each in filter(None, (kind, ASIDE.get(kind))):
            kept, key = dict(summary(each, item) or {}), f"{each}/{item['metadata']['name']}"
            if self._known.get(key) != kept:
                self._known[key] = kept
                self._add(late, each, **kept)

    def _new(self, t: float, ready: float) -> None:
        name = f"p{self._made}"
        self._made += 1
        self._pods[name] = {
            "metadata": {"name": name, "labels": {"app": "m"}, "creationTimestamp": stamp(t)},
            "spec": {"nodeName": "n1", "containers": [{"name": "tfserving", "resources": {"requests": {"cpu": f"{REQUEST}m"}}},
                                                      {"name": "proxy", "resources": {"requests": {"cpu": "50m"}}}]},
            "status": {"phase": "Pending", "conditions": []},
            "at": t + 1.5, "ready": ready, "made": t,
        }  # fmt: skip
        self._kubelets(max(t, START - 1))

    def _kubelets(self, t: float) -> None:
        for name, pod in list(self._pods.items()):
            status, before = pod["status"], repr(pod["status"])
            if pod.get("ends", math.inf) <= t:
                del self._pods[name]
                self._metrics.pop(name, None)
                self._add(t + 0.01, "pod", **{**self._known.pop(f"pod/{name}"), "gone": True})
                continue
            if t >= pod["made"] + 1.5 and status["phase"] == "Pending":
                status.update(phase="Running", startTime=stamp(pod["made"]))
                status["conditions"] = [
                    {"type": "Ready", "status": "False", "lastTransitionTime": stamp(pod["made"])}
                ]
                pod["at"] = pod["ready"]
            if t >= pod["ready"] and status["conditions"] and status["conditions"][0]["status"] == "False":
                status["conditions"][0].update(status="True", lastTransitionTime=stamp(pod["ready"]))
                pod["at"] = -1.0
            if t >= START and repr(status) != before:
                self._write(t, "pod", pod)

    def _usage(self, t: float) -> float:
        """Load in mCPU of all pods together, in a slow wave with noise."""
        wave = 1 + math.sin((t - START) / 120)
        return 60 + 900 * wave * self._dice.uniform(0.9, 1.1)

    def _scrape(self, t: float) -> None:
        running = [p for p in self._pods.values() if p["status"]["phase"] == "Running"]
        ready = [p for p in running if p["ready"] <= t]
        load = self._usage(t)
        for pod in running:
            share = min(REQUEST, load / max(1, len(ready))) if pod in ready else 250
            name = pod["metadata"]["name"]
            self._metrics[name] = {
                "metadata": {"name": name}, "timestamp": stamp(t - 1), "window": "15.02s",
                "containers": [{"name": "tfserving", "usage": {"cpu": f"{int(share * 1e6)}n"}},
                               {"name": "proxy", "usage": {"cpu": "9m"}}],
            }  # fmt: skip

    def _poll(self, t: float) -> None:
        fresh = [one for name, one in self._metrics.items() if self._polls.get(name) != one]
        gone = sorted(set(self._polls) - set(self._metrics))
        before, self._polled = self._polled or t, t
        if fresh or gone:
            self._polls = dict(self._metrics)
            self._add(t + 0.01, "samples", since=t, before=before, pods=[sample_of(one) for one in fresh], gone=gone,
                      problem="")  # fmt: skip

    def _hpa(self) -> Json:
        return {"metadata": {"name": "m"}, "spec": self._spec, "status": self._status}

    def _deployment(self) -> Json:
        return {
            "metadata": {"name": "m"},
            "spec": {"replicas": self._replicas, "selector": {"matchLabels": {"app": "m"}}},
        }

    def _look(self, t: float) -> None:
        spec = read_spec(self._spec)
        pods = tuple(pod_of(pod) for pod in self._pods.values())
        readings = tuple(samples_of(metric, self._metrics.values()) for metric in spec.metrics)
        seen = Seen(t, self._replicas, len(pods), pods, readings)
        decision = look(spec, seen, self._memory, self._controller)
        self._memory = decision.memory
        self.truth.append((t, decision))
        held = (decision.stabilised or 0) > (decision.recommendation or 0)
        status = {"currentReplicas": self._replicas, "desiredReplicas": decision.replicas, "currentMetrics": [],
                  "conditions": [{"type": "AbleToScale", "status": "True",
                                  "reason": "ScaleDownStabilized" if held else "ReadyForNewScale"}]}  # fmt: skip
        for metric, proposal in zip(spec.metrics, decision.proposals, strict=False):
            current = {"averageUtilization": proposal.value}
            source = {"name": metric.name, "container": metric.container, "current": current}
            status["currentMetrics"] += (
                [{"type": metric.type, "containerResource": source}]
                if proposal.replicas is not None
                else [{"type": ""}]
            )
        if decision.replicas != self._replicas:
            status["lastScaleTime"] = stamp(t)
            self._scale(t, decision.replicas)
        else:
            status |= {k: v for k, v in self._status.items() if k == "lastScaleTime"}
        self._status = status
        self._write(t + 0.02, "hpa", self._hpa())

    def _scale(self, t: float, replicas: int) -> None:
        alive = [pod for pod in self._pods.values() if "ends" not in pod]
        for _ in range(replicas - len(alive)):
            self._new(t + 0.01, t + self._dice.uniform(12, 40))
            self._write(t + 0.015, "pod", self._pods[f"p{self._made - 1}"])
        for pod in alive[replicas:] if replicas < len(alive) else []:
            pod["metadata"]["deletionTimestamp"] = stamp(t)
            pod.update(ends=t + 8.0, at=t + 8.0, ready=-1.0)
            self._write(t + 0.015, "pod", pod)
        self._replicas = replicas
        self._write(t + 0.01, "deployment", self._deployment())

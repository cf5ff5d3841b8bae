"""Random HPAs with what they see at some twenty looks, as JSON for the oracle and as what the rules take."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.limits import Memory
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.look import Decision, look
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.objects import NO_VALUE
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.seen import (
    Controller,
    Pod,
    Reading,
    Sample,
    Seen,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.spec import read_spec

Json = dict[str, Any]
LOOKS = 20


def scenario(chance: random.Random, minor: int) -> Json:
    """An HPA and its looks. Half of the numbers of replicas are what the HPA set, half come from outside."""
    metrics = [_metric(chance) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    outside = any(metric["type"] in ("Object", "External") for metric in metrics)
    minimum = chance.choice((None, 1, 1, 2, 5, *((0, 0) if minor >= 37 and outside else ())))
    spec = {"minReplicas": minimum, "maxReplicas": chance.randint(minimum or 1, 40), "metrics": metrics}
    if chance.random() < 0.7:
        spec["behavior"] = {
            key: _rules(chance, minor) for key in ("scaleUp", "scaleDown") if chance.random() < 0.8
        }
    t, looks = 0.0, []
    crowd = chance.randint(1, 12)
    for number in range(LOOKS):
        t += chance.choice((15, 15, 15, 15.5, 30, 1))
        if chance.random() < 0.4:
            crowd = max(0, crowd + chance.randint(-4, 6))
        looks.append({
            "T": t,
            "Replicas": crowd if number == 0 or chance.random() < 0.2 else None,
            "StatusReplicas": max(0, crowd + chance.choice((0, 0, 0, 1, -1))),
            **_world(chance, t, crowd, metrics),
        })  # fmt: skip
    return {"Spec": spec, "Looks": looks}


def _metric(chance: random.Random) -> Json:
    kind = chance.choice(("Resource", "ContainerResource", "ContainerResource", "Pods", "Object", "External"))
    if kind in ("Resource", "ContainerResource"):
        target: Json = {
            "type": "Utilization",
            "averageUtilization": chance.choice((30, 50, 60, 80, 100, 150)),
        }
        if chance.random() < 0.3:
            target = {"type": "AverageValue", "averageValue": f"{chance.randint(20, 400)}m"}
        source: Json = {"name": chance.choice(("cpu", "cpu", "memory")), "target": target}
        if kind == "ContainerResource":
            source["container"] = "server"
        return {"type": kind, kind[0].lower() + kind[1:]: source}
    value = {"type": "AverageValue", "averageValue": f"{chance.randint(20, 400)}m"}
    if kind != "Pods" and chance.random() < 0.5:
        value = {"type": "Value", "value": f"{chance.randint(20, 4000)}m"}
    source = {"metric": {"name": "queue"}, "target": value}
    if kind == "Object":
        source["describedObject"] = {"kind": "Service", "name": "it", "apiVersion": "v1"}
    return {"type": kind, kind.lower(): source}


def _rules(chance: random.Random, minor: int) -> Json:
    rules: Json = {}
    if chance.random() < 0.6:
        rules["stabilizationWindowSeconds"] = chance.choice((0, 15, 30, 60, 120))
    if chance.random() < 0.3:
        rules["selectPolicy"] = chance.choice(("Max", "Min", "Disabled"))
    if chance.random() < 0.6:
        rules["policies"] = [
            {"type": chance.choice(("Pods", "Percent")), "value": chance.choice((1, 2, 4, 10, 50, 100, 300)),
             "periodSeconds": chance.choice((15, 30, 60, 120))}
            for _ in range(chance.randint(1, 3))
        ]  # fmt: skip
    if chance.random() < 0.3:
        rules["tolerance"] = chance.choice(("0", "50m", "200m", "500m"))
    return rules


def _world(chance: random.Random, t: float, crowd: int, metrics: list[Json]) -> Json:
    pods = [_pod(chance, t, f"p{index}") for index in range(crowd)]
    level = chance.choice((0.3, 0.6, 0.9, 1.0, 1.0, 1.1, 1.3, 2.0, 6.0))
    return {"Pods": pods, "Readings": [_reading(chance, t, pods, metric, level) for metric in metrics]}


def _pod(chance: random.Random, t: float, name: str) -> Json:
    quiet = chance.random() < 0.7
    started = t - chance.choice((400, 1000) if quiet else (3, 20, 40, 200, 301, 400))
    ready_since = started + chance.choice((1, 5, 20, 29, 30, 31, 60))
    request = {"cpu": chance.choice((100, 100, 100, 250)), "memory": 200}
    requests: Json = {"server": request, "proxy": {"cpu": 50, "memory": 100}}
    if chance.random() < 0.02:
        requests.pop("server")
    if chance.random() < 0.01:
        requests["server"] = {}
    return {
        "Name": name,
        "Phase": "Running" if quiet else chance.choice(("Running", "Running", "Pending", "Failed", "Succeeded", "Unknown")),
        "Deleting": not quiet and chance.random() < 0.2,
        "Ready": "True" if quiet else chance.choice(("True", "True", "False", "Unknown", None)),
        "ReadySince": min(ready_since, t),
        "Started": None if not quiet and chance.random() < 0.1 else started,
        "Requests": requests,
        "PodRequests": {"cpu": 300, "memory": 500} if chance.random() < 0.05 else {},
    }  # fmt: skip


def _reading(chance: random.Random, t: float, pods: list[Json], metric: Json, level: float) -> Json:
    if chance.random() < 0.04:
        return {"Problem": "the source does not answer"}
    source = metric[metric["type"][0].lower() + metric["type"][1:]]
    target = source["target"]
    aim = target.get("averageUtilization") or int((target.get("averageValue") or target["value"])[:-1])
    if metric["type"] in ("Object", "External"):
        total = (
            level * aim * (max(1, len(pods)) if "averageValue" in target else 1) * chance.uniform(0.8, 1.2)
        )
        if chance.random() < 0.1:
            total = 0
        parts = chance.randint(1, 3) if metric["type"] == "External" else 1
        return {"Values": [int(total / parts)] * parts}
    samples = {
        pod["Name"]: {
            "Value": int(level * aim * chance.uniform(0.8, 1.2)),
            "T": t - chance.choice((0, 5, 10, 20)),
            "Window": chance.choice((10, 15, 30)),
        }
        for pod in pods
        if chance.random() < 0.93
    }
    if chance.random() < 0.05:
        samples["gone"] = {"Value": aim, "T": t, "Window": 15}
    return {"Samples": samples}


def decisions(given: Json, minor: int, *, count: int = 1) -> list[Decision]:
    """What the rules decide at each look of a scenario. ``count``: each pod stands for so many."""
    spec, memory, controller, replicas, found = read_spec(given["Spec"]), Memory(), Controller(minor), 0, []
    for one in given["Looks"]:
        replicas = replicas if one["Replicas"] is None else one["Replicas"]
        seen = Seen(
            one["T"], replicas, one["StatusReplicas"],
            tuple(_as_pod(pod, count) for pod in one["Pods"]), tuple(_as_reading(it) for it in one["Readings"]),
        )  # fmt: skip
        decision = look(spec, seen, memory, controller)
        memory, replicas = decision.memory, decision.replicas
        found.append(decision)
    return found


def _as_pod(given: Json, count: int) -> Pod:
    names = {"ReadySince": "ready_since", "PodRequests": "pod_requests"}
    fields = {names.get(key, key.lower()): value for key, value in given.items()}
    assert {*fields, "count"} == {field.name for field in dataclasses.fields(Pod)}
    return Pod(**fields, count=count)


def _as_reading(given: Json) -> Reading:
    if "Problem" in given:
        return str(given["Problem"])
    if "Values" in given:
        return tuple(given["Values"])
    return {name: Sample(one["Value"], one["T"], one["Window"]) for name, one in given["Samples"].items()}


def difference(decision: Decision, answer: Json) -> str:
    """What the rules and the controller say differently of one look; empty when they agree."""
    ours: Json = {"replicas": decision.replicas}
    theirs: Json = {"replicas": answer["replicas"]}
    if decision.by in ("metric", "unreadable"):
        ours["active"], theirs["active"] = decision.by == "metric", answer["active"].startswith("True")
        ours["values"] = [one.value for one in decision.proposals]
        # Over no pods the controller shows the least or the greatest of its integers; for us that is no value.
        seen = [one["value"] for one in answer["metrics"]]
        theirs["values"] = [None if one is None or abs(one) >= NO_VALUE else one for one in seen]
    if decision.by == "zero":
        ours["active"], theirs["active"] = "False ScalingDisabled", answer["active"]
    if decision.by == "metric":
        ours["limit"] = decision.limit
        theirs["limit"] = (
            answer["limited"].removeprefix("True ") if answer["limited"].startswith("True") else ""
        )
    return "" if ours == theirs else f"ours {ours}, theirs {theirs}"

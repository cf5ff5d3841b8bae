"""Other settings of a site, by the names of the roles' variables, made an HPA's spec of. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..hpa.seen import Spec
from ..hpa.sources import amount
from ..hpa.spec import read_spec
from ..hpa.wanted import TOLERANCE, behavior
from .measured import Measured, NotMeasured, is_of_cpu
from .simulate import REQUESTS

Json = dict[str, Any]

SITE = {
    "start_seconds": "seconds that a replica takes to start",
    "node_start_seconds": "seconds that a node takes to come",
    "nodes_min": "nodes that are always there",
    "nodes_max": "most nodes that there may be",
    "autoscaling_buffer_replicas": "replicas for which nodes have room in stock; none unless it is given",
}
"""What else may be otherwise, beside the variables that an HPA is made of."""

TARGET, METRICS = "autoscaling_target_cpu_percent", "autoscaling_metrics"

_WAYS = (("up", "scaleUp"), ("down", "scaleDown"))


class SettingError(ValueError):
    """A setting that can't be simulated; in words, with the way out."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """``given``: what was said of it; ``hpa``: the spec that comes of it."""

    name: str
    given: Json
    spec: Spec
    start: float | None = None
    node_start: float | None = None
    nodes_min: int | None = None
    nodes_max: int | None = None
    stock: int = 0
    """replicas that nodes have room for in stock"""


def asked(spec: Mapping[str, Any]) -> Json:
    """The role's variables that an HPA's spec was, or could have been, made of."""
    metric = read_spec(spec).metrics[0]
    found: Json = {
        "autoscaling_target_cpu_percent": metric.target,
        "autoscaling_min_replicas": read_spec(spec).min,
        "autoscaling_max_replicas": spec["maxReplicas"],
    }
    had = read_spec(spec).behavior or read_spec({**spec, "behavior": {}}).behavior
    assert had is not None  # noqa: S101 - one was given
    for way, _unused in _WAYS:
        rules = had.up if way == "up" else had.down
        found |= {
            f"autoscaling_scale_{way}_stabilization_seconds": rules.window,
            f"autoscaling_scale_{way}_policies": [
                {"type": one.type, "value": one.value, "periodSeconds": one.seconds} for one in rules.policies
            ],
            f"autoscaling_scale_{way}_select_policy": rules.select,
            f"autoscaling_tolerance_{way}": TOLERANCE if rules.tolerance is None else rules.tolerance,
        }
    return found


def in_force(spec: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> Json:
    """The role's variables that an HPA's spec could be made of again; empty for one that goes by more than a percentage of the CPU.
    ``metrics``: autoscaling_metrics.
    """
    found = read_spec(spec).metrics
    if len(found) != 1 or found[0].name != "cpu" or found[0].target_type != "Utilization":
        return {}
    return written(asked(spec), metrics)


def written(variables: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> Json:
    """Variables as an inventory with these autoscaling_metrics has to write them: the target of an entry ``cpu`` wins there over
    autoscaling_target_cpu_percent.
    """
    if [one.get("type") for one in metrics] != ["cpu"] or not metrics[0].get("target"):
        return dict(variables)
    return {
        (METRICS if name == TARGET else name): [{**metrics[0], "target": value}] if name == TARGET else value
        for name, value in variables.items()
    }


def setting(given: Mapping[str, Any], run: Measured) -> Setting:
    """A setting that differs from the run's by what is given. Raises SettingError."""
    metric, *more = read_spec(run.hpa).metrics
    if more or not is_of_cpu(metric):
        raise NotMeasured(
            "the HPA goes by several metrics, or by one that is not CPU: a simulation knows one of CPU alone"
        )
    if metric.target_type != "Utilization":
        raise NotMeasured(
            "the HPA's target is an amount of CPU: a simulation knows one that is a percentage of the request"
        )
    before = asked(run.hpa)
    known = {*before, METRICS}
    unknown = sorted(set(given) - known - set(SITE) - {"name"})
    if unknown:
        raise SettingError(
            f"a setting has no {', '.join(unknown)}; it has name, {', '.join(sorted(known))}, {', '.join(SITE)}. What else changes "
            "a request's time or a replica's size has to be measured by a load test of its own"
        )
    changed = {key: value for key, value in given.items() if key in known}
    variables = {**before, **changed}
    name = str(given.get("name") or words(given) or "as it was")
    try:
        least, most = int(variables["autoscaling_min_replicas"]), int(variables["autoscaling_max_replicas"])
        spec = read_spec(
            {
                "minReplicas": least,
                "maxReplicas": most,
                "metrics": _metrics(run.hpa["metrics"][0], variables),
                "behavior": behavior(variables),
            }
        )
        site = {key: None if given.get(key) is None else float(given[key]) for key in SITE}
    except (TypeError, ValueError, KeyError) as error:
        raise SettingError(f"setting {name!r} has a value that can't be read: {error}") from None
    if not 1 <= least <= most:
        raise SettingError(
            f"setting {name!r}: {least} to {most} replicas is no range; the minimum is 1 or more"
        )
    if any(metric.target < 1 for metric in spec.metrics):
        raise SettingError(f"setting {name!r}: a target has to be 1 or more, of requests a thousandth")
    if not all(value is None or math.isfinite(value) for value in site.values()):
        raise SettingError(f"setting {name!r}: each of {', '.join(SITE)} has to be a number")
    if any(value is not None and value < 0 for value in site.values()):
        raise SettingError(f"setting {name!r}: {', '.join(SITE)} can't be below 0")
    tolerant = [key for key in changed if "tolerance" in key and float(changed[key]) != TOLERANCE]
    if tolerant and not run.site.controller.spec_tolerance:
        raise SettingError(
            f"setting {name!r}: Kubernetes 1.{run.site.controller.minor}, which the run was made on, forgets "
            f"{' and '.join(tolerant)}; 1.35 and later know it"
        )
    return Setting(
        name, dict(given), spec, site["start_seconds"], site["node_start_seconds"],
        None if site["nodes_min"] is None else int(site["nodes_min"]),
        None if site["nodes_max"] is None else int(site["nodes_max"]),
        int(site["autoscaling_buffer_replicas"] or 0),
    )  # fmt: skip


def _metrics(by_cpu: Mapping[str, Any], variables: Mapping[str, Any]) -> list[Json]:
    """The HPA's, of autoscaling_metrics as the role takes them, as far as a simulation knows them. Raises ValueError."""
    found = []
    for one in variables.get(METRICS) or [{"type": "cpu"}]:
        kind, target = one["type"], one.get("target")
        if kind == "cpu":
            found.append(_aimed(by_cpu, int(variables[TARGET] if target is None else target)))
        elif kind == REQUESTS:
            if not 0 < float(target) < math.inf:
                raise ValueError(f"the target of {kind} is {target}, and has to be above 0")
            aim = {"type": "AverageValue", "averageValue": amount(target)}
            found.append({"type": "External", "external": {"metric": {"name": REQUESTS}, "target": aim}})
        else:
            raise ValueError(f"a simulation knows the metrics cpu and {REQUESTS}, and not {kind}")
    if not any(one["type"] != "External" for one in found):
        raise ValueError(
            "autoscaling_metrics has to have {type: cpu}, so that a source that fails makes no fleet smaller"
        )
    return found


def _aimed(metric: Mapping[str, Any], percent: int) -> Json:
    """The run's own metric with another target."""
    kind = str(metric["type"])
    source = kind[0].lower() + kind[1:]
    target = {"type": "Utilization", "averageUtilization": percent}
    return {**metric, source: {**metric[source], "target": target}}


def words(given: Mapping[str, Any]) -> str:
    """A setting by what is given of it, shortly."""
    told = []
    for key, value in given.items():
        if key != "name":
            short = key.removeprefix("autoscaling_").removesuffix("_seconds").replace("_", " ")
            told.append(f"{short} {_metrics_shortly(value) if key == METRICS else _short(value)}")
    return ", ".join(told)


def _metrics_shortly(value: Any) -> str:
    if not _of_dictionaries(value):
        return str(value)
    return " and ".join(" ".join(str(part) for part in one.values()) for one in value)


def _of_dictionaries(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, Mapping) for one in value)


def _short(value: Any) -> str:
    if _of_dictionaries(value):
        return " or ".join(
            f"{one.get('value')}{' %' if one.get('type') == 'Percent' else ''} in {one.get('periodSeconds')} s"
            for one in value
        )
    return str(value)

"""What a HorizontalPodAutoscaler (autoscaling/v2) looks at. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..hpa.objects import NO_VALUE
from ..k8s.quantities import quantity

if TYPE_CHECKING:  # long, and nothing but types is wanted of it
    from .schema import Metric

Json = dict[str, Any]

_FIELDS = {"Utilization": "averageUtilization", "AverageValue": "averageValue", "Value": "value"}
_UNITS = {"cpu": "cores", "memory": "bytes"}


def metrics_of(hpa: Json) -> list[Metric]:
    """Its metrics in the order of its spec, with the values that it last saw."""
    seen = [one for one in hpa.get("status", {}).get("currentMetrics") or [] if one.get("type")]
    found = []
    for metric in hpa["spec"].get("metrics") or []:
        current: Json = next((_source(one)["current"] for one in seen if _same(one, metric)), {})
        found.append(_metric(metric["type"], _source(metric), current))
    return found


def averages_of(hpa: Json) -> list[float | None]:
    """The same as averages over its pods, finer than per cent; None where its status has none."""
    seen = [one for one in hpa.get("status", {}).get("currentMetrics") or [] if one.get("type")]
    found = []
    for metric in hpa["spec"].get("metrics") or []:
        current: Json = next((_source(one)["current"] for one in seen if _same(one, metric)), {})
        found.append(_number(current.get("averageValue")))
    return found


def share(metric: Metric) -> float | None:
    """The value as a multiple of its target: above 1 the HPA wants more replicas."""
    current, target = metric["current"], metric["target"]
    return current / target if current is not None and target else None


def leading(metrics: Iterable[Metric]) -> Metric | None:
    """The metric that the HPA goes by: of several it takes the one that wants most replicas."""
    return max((m for m in metrics if share(m) is not None), key=lambda m: share(m) or 0.0, default=None)


def words(value: float | None, metric: Metric) -> str:
    """A value of the metric with its unit."""
    return "no value" if value is None else f"{value:.4g} {metric['unit']}".rstrip()


def _source(metric: Json) -> Json:
    kind = str(metric["type"])
    return dict(metric[kind[0].lower() + kind[1:]])


def _same(one: Json, other: Json) -> bool:
    """Whether a value and a target are of one metric: all else that is said of them is equal."""
    rest = [
        {key: value for key, value in _source(it).items() if key not in ("current", "target")}
        for it in (one, other)
    ]
    return bool(one["type"] == other["type"] and rest[0] == rest[1])


def _metric(kind: Any, source: Json, current: Json) -> Metric:
    target, about = source["target"], source.get("describedObject")
    name = source.get("name") or source["metric"]["name"]
    resource = _UNITS.get(name, "") if kind in ("Resource", "ContainerResource") else ""
    average = "a replica" if target["type"] == "AverageValue" else ""
    return {
        "name": name,
        "type": kind,
        "of": f"{about['kind']}/{about['name']}" if about else source.get("container", ""),
        "current": _number(current.get(_FIELDS[target["type"]])),
        "target": _number(target.get(_FIELDS[target["type"]])),
        "unit": "%" if target["type"] == "Utilization" else f"{resource} {average}".strip(),
    }


def _number(value: Any) -> float | None:
    number = None if value is None else round(float(quantity(value)), 3)
    if number is None or abs(number) * 1000 >= NO_VALUE:
        return None
    return int(number) if number.is_integer() else number

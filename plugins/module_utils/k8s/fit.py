"""Why a node can never take a pod, however empty it were: size, labels, taints.

Pure. What is about the moment (used resources, cordons, pressure) is the scheduler's word, not asked here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from .objects import Json, name_of
from .quantities import in_words, quantity

Amounts = dict[str, Fraction]

PASSING_TAINTS = (
    "node.kubernetes.io/",
    "node.cloudprovider.kubernetes.io/",
    "ToBeDeletedByClusterAutoscaler",
    "DeletionCandidateOfClusterAutoscaler",
    "cloud.google.com/impending-node-termination",
)
"""Beginnings of taints that come and go with a node's state; all others are there on purpose."""


def requests_of(pod: Json) -> Amounts:
    """What the scheduler reserves for a pod: its containers together, or its largest init container.

    Sidecars (init containers that restart always) run on, beside those that come after them.
    https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
    """
    spec = pod["spec"]
    sidecars: Amounts = {}
    largest: Amounts = {}
    for container in spec.get("initContainers") or []:
        own = _requests(container)
        if container.get("restartPolicy") == "Always":
            sidecars, own = _sum(sidecars, own), {}
        largest = _maximum(largest, _sum(sidecars, own))
    together = sidecars
    for container in spec.get("containers") or []:
        together = _sum(together, _requests(container))
    # Requests of the pod as a whole win over those of its containers.
    whole = _maximum(together, largest) | _requests(spec)
    whole = _sum(
        whole, {resource: quantity(amount) for resource, amount in (spec.get("overhead") or {}).items()}
    )
    return {resource: amount for resource, amount in whole.items() if amount > 0}


def why_never(pod: Json, node: Json) -> str | None:
    """The first reason for which this node can never take the pod; None when it might."""
    return label_mismatch(pod, node) or _taint(pod, node) or _size(pod, node)


def never_fits(pod: Json, nodes: Sequence[Json]) -> str | None:
    """Why no node there is can ever take the pod, in one line; None when one might, or when there is none."""
    reasons = [why_never(pod, node) for node in nodes]
    if not reasons or None in reasons:
        return None
    counted = Counter(reason for reason in reasons if reason)
    return "; ".join(
        f"{count} node{'' if count == 1 else 's'}: {reason}" for reason, count in counted.most_common()
    )


def too_large(pod: Json, nodes: Sequence[Json]) -> str | None:
    """The resource of which the pod asks for more than the largest node has, in words; None if there is none."""
    for resource, desired in sorted(requests_of(pod).items()):
        maximum = max((_allocatable(node, resource) for node in nodes), default=None)
        if maximum is not None and desired > maximum:
            return (
                f"it requests {in_words(resource, desired)} {resource}, "
                f"the largest node has {in_words(resource, maximum)}"
            )
    return None


def _size(pod: Json, node: Json) -> str | None:
    for resource, desired in sorted(requests_of(pod).items()):
        has = _allocatable(node, resource)
        if desired > has:
            return (
                f"{resource} {in_words(resource, desired)} requested, {in_words(resource, has)} allocatable"
            )
    return None


def label_mismatch(pod: Json, node: Json) -> str | None:
    """Why the pod's node selector or required node affinity does not mean the node; None when it does."""
    labels: Mapping[str, str] = node["metadata"].get("labels") or {}
    for key, value in sorted((pod["spec"].get("nodeSelector") or {}).items()):
        if labels.get(key) != value:
            return (
                f"label {key} is {labels[key]}, not {value}" if key in labels else f"no label {key}={value}"
            )
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or []
    if terms and not any(_term_matches(term, labels, name_of(node)) for term in terms):
        return "the required node affinity does not match"
    return None


def _term_matches(term: Mapping[str, Any], labels: Mapping[str, str], name: str) -> bool:
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    return bool(expressions or fields) and (
        all(_matches(expression, labels) for expression in expressions)
        and all(_matches(field, {"metadata.name": name}) for field in fields)
    )


def _matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    values: list[str] = expression.get("values") or []
    rules: dict[str, Callable[[], bool]] = {
        "In": lambda: value in values,
        "NotIn": lambda: value not in values,
        "Exists": lambda: value is not None,
        "DoesNotExist": lambda: value is None,
        "Gt": lambda: _compares(value, values, lambda one, other: one > other),
        "Lt": lambda: _compares(value, values, lambda one, other: one < other),
    }
    # An operator of a Kubernetes to come must not make a node unfit.
    rule = rules.get(str(expression.get("operator")))
    return rule is None or rule()


def _compares(value: str | None, values: Sequence[str], holds: Callable[[int, int], bool]) -> bool:
    try:
        return value is not None and holds(int(value), int(values[0]))
    except (ValueError, IndexError):
        return False


def _taint(pod: Json, node: Json) -> str | None:
    lasting = [t for t in node["spec"].get("taints") or [] if not t["key"].startswith(PASSING_TAINTS)]
    taint = untolerated(pod, lasting)
    if taint is None:
        return None
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"taint {taint['key']}{value}:{taint['effect']} is not tolerated"


def untolerated(pod: Json, taints: Sequence[Json]) -> Json | None:
    """The first of the taints that keeps the pod from being scheduled; None when none does."""
    tolerations = pod["spec"].get("tolerations") or []
    for taint in taints:
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not any(
            _tolerates(toleration, taint) for toleration in tolerations
        ):
            return taint
    return None


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def _requests(holder: Mapping[str, Any]) -> Amounts:
    requests = (holder.get("resources") or {}).get("requests") or {}
    return {resource: quantity(amount) for resource, amount in requests.items()}


def _allocatable(node: Json, resource: str) -> Fraction:
    return quantity((node.get("status", {}).get("allocatable") or {}).get(resource, "0"))


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return {name: one.get(name, Fraction(0)) + other.get(name, Fraction(0)) for name in {**one, **other}}


def _maximum(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, Fraction(0)), other.get(name, Fraction(0))) for name in {**one, **other}}

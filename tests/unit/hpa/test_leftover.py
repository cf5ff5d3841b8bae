"""What others wrote on an HPA and an apply of ours leaves there goes with a patch of its own."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.filter.autoscaling_taking_off import FilterModule

Json = dict[str, Any]
PLAIN: Json = {"scaleUp": {}, "scaleDown": {}}
LABELS = {"app": "m", "app.kubernetes.io/managed-by": "mlops.tfserving"}
# As KEDA 2.21.0 wrote it on the sandbox.
TAKEN: Json = {
    "metadata": {
        "labels": {
            **LABELS, "app.kubernetes.io/name": "m", "app.kubernetes.io/part-of": "m",
            "app.kubernetes.io/version": "2.21.0", "scaledobject.keda.sh/name": "m",
        },
        "annotations": {"scaledobject.keda.sh/transfer-hpa-ownership": "true", "mlops.tfserving/beside": "keda"},
    },
    "spec": {"behavior": {"scaleUp": {"tolerance": "200m"}, "scaleDown": {"selectPolicy": "Max"}}},
}  # fmt: skip


def off(hpa: Json, behavior: Json = PLAIN, beside: tuple[str, ...] = (), *, keda: bool = False) -> Any:
    return FilterModule().filters()["autoscaling_taking_off"](hpa, behavior, list(beside), keda=keda)


def without(hpa: Json, patch: Json) -> Json:
    """RFC 7396, of mappings."""
    left = {**hpa}
    for key, value in patch.items():
        if value is None:
            left.pop(key, None)
        else:
            left[key] = without(left.get(key, {}), value) if isinstance(value, dict) else value
    return left


def test_nothing_of_keda_s_stays_when_it_is_given_back() -> None:
    left = without(TAKEN, off(TAKEN))
    assert left["metadata"] == {"labels": LABELS, "annotations": {}}
    assert left["spec"]["behavior"] == {"scaleUp": {}, "scaleDown": {"selectPolicy": "Max"}}
    assert off(left) == {}, "a second time there is nothing"


def test_what_is_asked_for_stays() -> None:
    asked: Json = {"scaleUp": {"tolerance": "0.2"}, "scaleDown": {}}
    left = without(TAKEN, off(TAKEN, asked, ("prometheus", "adapter")))
    assert left["metadata"]["annotations"] == {"mlops.tfserving/beside": "keda"}, "the apply has another"
    assert left["spec"] == TAKEN["spec"]


def test_labels_that_somebody_else_gave_stay() -> None:
    assert off({"metadata": {"labels": {**LABELS, "app.kubernetes.io/part-of": "shop"}}, "spec": {}}) == {}


@pytest.mark.parametrize("hpa", [{}, TAKEN, {"metadata": {"labels": LABELS}, "spec": {"behavior": None}}])
def test_of_keda_s_own_nothing_is_taken(hpa: Json) -> None:
    assert off(hpa, keda=True) == {}

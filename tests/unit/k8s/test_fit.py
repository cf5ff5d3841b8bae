"""Quantities, and whether a node could ever take a pod."""

from __future__ import annotations

from fractions import Fraction

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.fit import (
    never_fits,
    requests_of,
    too_large,
    why_never,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.quantities import in_words, quantity
from hypothesis import given
from hypothesis import strategies as st
from kube_objects import Json, node, pod

SUFFIX = {"n": "1e-9", "u": "1e-6", "m": "1e-3", "": "1", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12"}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}


def container(**requests: str) -> Json:
    return {"name": "m", "resources": {"requests": requests}}


def asking(**requests: str) -> Json:
    return pod(spec={"containers": [container(**requests)]})


@given(st.decimals(0, 10**6, places=3), st.sampled_from([*SUFFIX]))
def test_decimal_suffixes_are_powers_of_ten(number: object, suffix: str) -> None:
    assert quantity(f"{number}{suffix}") == Fraction(str(number)) * Fraction(SUFFIX[suffix])


@given(st.integers(0, 10**6), st.sampled_from([*BINARY]))
def test_binary_suffixes_are_powers_of_two(number: int, suffix: str) -> None:
    assert quantity(f"{number}{suffix}") == number * 2 ** BINARY[suffix]


@pytest.mark.parametrize("text", ["", "m", "1mm", "1 Gi", "1gi", "0x1", "1e", "one"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        quantity(text)


def test_exponents_and_numbers_are_read() -> None:
    assert quantity("2e3") == 2000
    assert quantity(".5") == quantity(0.5) == quantity("500m")
    assert quantity("1E") == 10**18


def test_amounts_are_told_as_people_write_them() -> None:
    assert in_words("cpu", quantity("940m")) == "0.94"
    assert in_words("memory", quantity("2684354560")) == "2.5Gi"
    assert in_words("memory", quantity("100")) == "100"


@given(st.integers(1, 8000), st.integers(1, 8000))
def test_a_pod_fits_an_empty_node_exactly_when_it_asks_for_no_more(asked: int, has: int) -> None:
    reason = why_never(asking(cpu=f"{asked}m"), node(cpu=f"{has}m"))
    assert (reason is None) == (asked <= has)
    assert (too_large(asking(cpu=f"{asked}m"), [node(cpu=f"{has}m")]) is None) == (asked <= has)


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=4), st.integers(1, 4000))
def test_containers_add_up_and_an_init_container_counts_alone(own: list[int], init: int) -> None:
    spec = {
        "containers": [container(cpu=f"{amount}m") for amount in own],
        "initContainers": [container(cpu=f"{init}m")],
    }
    assert requests_of(pod(spec=spec))["cpu"] == Fraction(max(sum(own), init), 1000)


def test_a_sidecar_counts_beside_both() -> None:
    sidecar = {**container(cpu="100m"), "restartPolicy": "Always"}
    spec = {
        "containers": [container(cpu="1")],
        "initContainers": [sidecar, container(cpu="2")],
        "overhead": {"cpu": "50m"},
    }
    assert requests_of(pod(spec=spec))["cpu"] == Fraction("2.15")
    whole = {**spec, "resources": {"requests": {"cpu": "3"}}}
    assert requests_of(pod(spec=whole))["cpu"] == Fraction("3.05")


AFFINE = {
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["a", "b"]}]},
                    {"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["8"]}]},
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n9"]}]},
                ]
            }
        }
    }
}


@pytest.mark.parametrize(
    ("name", "labels", "fits"),
    [("n1", {"pool": "b"}, True), ("n1", {"cores": "16"}, True), ("n1", {"cores": "8"}, False),
     ("n1", {"cores": "many"}, False), ("n1", {}, False), ("n9", {}, True)],
)  # fmt: skip
def test_one_term_of_the_affinity_must_match(name: str, labels: Json, fits: bool) -> None:
    assert (why_never(pod(spec=AFFINE), node(name, labels=labels)) is None) == fits


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"key": "gpu", "value": "yes"}, True),
        ({"key": "gpu", "value": "yes", "effect": "NoSchedule"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "value": "no"}, False),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_a_taint_keeps_away_what_does_not_tolerate_it(toleration: Json, fits: bool) -> None:
    tainted = node(taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}])
    assert (why_never(pod(spec={"tolerations": [toleration]}), tainted) is None) == fits


def test_a_taint_that_only_prefers_or_passes_keeps_nothing_away() -> None:
    taints = [
        {"key": "spot", "effect": "PreferNoSchedule"},
        {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"},
    ]
    assert why_never(pod(), node(taints=taints)) is None


def test_one_node_that_might_take_it_is_enough() -> None:
    small, large = node("n1", cpu="1"), node("n2", cpu="4")
    assert never_fits(asking(cpu="2"), [small, large]) is None
    assert never_fits(asking(cpu="8"), [small, small]) == "2 nodes: cpu 8 requested, 1 allocatable"
    assert never_fits(asking(cpu="8"), []) is None, "of a cluster without nodes nothing is known"

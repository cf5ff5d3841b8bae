"""Machine shapes against the figures that Google publishes."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.machine import (
    UnknownMachineType,
    machine_shape,
    reserved_memory_mib,
    shape_of,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("name", "cpu", "allocatable"),
    [
        ("e2-medium", 2000, 940),
        ("e2-standard-4", 4000, 3920),
        ("n1-standard-1", 1000, 940),
        ("e2-standard-16", 16000, 15890),
        ("e2-custom-4-8192", 4000, 3920),
        ("e2-custom-medium-4096", 2000, 940),
        ("n2-custom-6-10240", 6000, 5915),
    ],
)
def test_allocatable_cpu_is_what_gke_documents(name: str, cpu: int, allocatable: int) -> None:
    shape = machine_shape(name)
    assert (shape.cpu_milli, shape.allocatable_cpu_milli) == (cpu, allocatable)


def test_memory_is_reserved_by_tiers() -> None:
    # 25 % of the first 4 GiB, 20 % of the next 4, 10 % of the next 8, and 100 MiB for eviction.
    assert reserved_memory_mib(16 * 1024) == round(1024 + 819.2 + 819.2) + 100


@given(st.sampled_from(["e2-medium", "e2-standard-8", "n1-highmem-2", "c3-highcpu-4"]))
def test_a_size_that_google_tells_gives_the_same_shape(name: str) -> None:
    shape = machine_shape(name)
    assert shape_of(name, shape.cpu_milli // 1000, shape.memory_mib) == shape


@given(st.integers(1024, 512 * 1024), st.integers(1, 4096))
def test_a_larger_machine_never_has_less_left(memory: int, more: int) -> None:
    assert memory + more - reserved_memory_mib(memory + more) >= memory - reserved_memory_mib(memory) - 1


@pytest.mark.parametrize(
    "name", ["", "e2", "e2-standard-0", "z9-standard-4", "e2-standard-four", "e2-custom-0-8192"]
)
def test_an_unknown_type_is_refused(name: str) -> None:
    with pytest.raises(UnknownMachineType):
        machine_shape(name)

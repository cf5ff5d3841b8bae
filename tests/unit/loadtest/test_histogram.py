"""Percentiles of the histogram against sorted lists."""

from __future__ import annotations

import math

from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest import histogram
from hypothesis import given
from hypothesis import strategies as st

TIMES = st.lists(st.floats(0.05, 60_000), min_size=1, max_size=300)


def counted(times: list[float]) -> dict[int, int]:
    buckets: dict[int, int] = {}
    for time in times:
        buckets[histogram.bucket_of(time)] = buckets.get(histogram.bucket_of(time), 0) + 1
    return buckets


@given(TIMES, st.floats(0.01, 1))
def test_any_percentile_is_at_most_one_percent_off(times: list[float], share: float) -> None:
    exact = sorted(times)[max(1, math.ceil(share * len(times))) - 1]
    found = histogram.rounded(histogram.percentile(counted(times), share))
    assert found is not None
    assert abs(found - exact) <= 0.01 * exact + 1e-9


@given(TIMES, TIMES)
def test_the_difference_of_two_looks_is_what_came_between(first: list[float], more: list[float]) -> None:
    assert histogram.difference(counted(first + more), counted(first)) == counted(more)


def test_without_requests_there_is_no_percentile() -> None:
    assert histogram.percentile({}, 0.5) is None

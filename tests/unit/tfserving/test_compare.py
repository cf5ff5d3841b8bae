"""Golden predictions: what counts as the same."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.tfserving.compare import compare
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_everything_is_the_same_as_itself(value: Any) -> None:
    assert compare(value, value, 0) == []


@pytest.mark.parametrize(
    ("expected", "actual", "tolerance", "place"),
    [
        ([0.9, 0.1], [0.8, 0.2], 0.05, "$[0]"),
        ({"labels": ["a"]}, {"labels": ["b"]}, 1, "$.labels[0]"),
        ({"labels": ["a"]}, {}, 1, "$.labels: missing"),
        ([1, 2], [1], 1, "expected 2 elements"),
        (1, "1", 1, "expected 1"),
        (True, 1, 1, "expected True"),
    ],
)
def test_a_difference_is_named_with_its_place(
    expected: Any, actual: Any, tolerance: float, place: str
) -> None:
    assert place in compare(expected, actual, tolerance)[0]


@given(st.floats(-1e6, 1e6), st.floats(0, 1), st.floats(0.001, 10))
def test_numbers_may_be_off_by_the_tolerance_and_no_more(
    value: float, share: float, tolerance: float
) -> None:
    assert compare(value, value + share * tolerance * 0.999, tolerance) == []
    assert compare(value, value + tolerance * 1.1 + 1e-6, tolerance) != []


def test_what_is_not_expected_may_be_there() -> None:
    assert compare({"a": 1}, {"a": 1, "more": 2}, 0) == []

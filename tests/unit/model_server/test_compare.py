"""Golden predictions: what counts as the same."""

from __future__ import annotations

import math
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.compare import (
    Tolerance,
    Tolerances,
    compare,
    shape,
)
from hypothesis import assume, given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NUMBERS = st.integers() | st.floats(allow_nan=True, allow_infinity=True)
NAN, INFINITY = math.nan, math.inf


@given(JSON)
def test_everything_is_the_same_as_itself(value: Any) -> None:
    assert compare(value, value, 0) == []


@given(JSON, JSON)
def test_any_two_answers_can_be_compared_and_each_difference_has_a_place(one: Any, other: Any) -> None:
    assert all(sentence.startswith("$") for sentence in compare(one, other, 0.1))


@given(JSON)
def test_an_answer_within_zero_is_within_any_tolerance(value: Any) -> None:
    assert compare(value, value, Tolerances(Tolerance(1, 1))) == []


@pytest.mark.parametrize(
    ("expected", "actual", "tolerance", "place"),
    [
        ([0.9, 0.1], [0.8, 0.2], 0.05, "$[0]"),
        ({"labels": ["a"]}, {"labels": ["b"]}, 1, "$.labels[0]"),
        ({"labels": ["a"]}, {}, 1, "$.labels: missing"),
        ({"labels": ["a"]}, {"label": ["a"]}, 1, "there is 'label'"),
        ([1, 2], [1], 1, "expected 2 elements"),
        (1, "1", 1, "expected 1"),
        (True, 1, 1, "expected True"),
        (0, False, 1, "expected 0"),
        (None, 0, 1, "expected None"),
        ([1], 1, 1, "expected a list"),
        ({"a": 1}, [1], 1, "expected an object"),
        ([[1, 2], [3, 4]], [[1, 2, 3], [4, 5, 6]], 9, "of another shape (shape [2, 3], not [2, 2])"),
        ([[1, 2], [3, 4]], [[1, 2]], 9, "expected 2 elements, got 1 (shape [1, 2], not [2, 2])"),
        ([[1, 2], [3, 4]], [[1, 2], [3]], 9, "$[1]: expected 2 elements, got 1"),
        ("espresso", "Espresso", 1, "expected 'espresso'"),
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


@given(st.floats(1e-3, 1e6), st.floats(0.01, 0.5))
def test_numbers_may_be_off_by_a_share_of_what_is_expected(value: float, share: float) -> None:
    allowed = Tolerances(Tolerance(relative=share))
    assert compare(value, value * (1 + share * 0.99), allowed) == []
    assert compare(value, value * (1 + share * 1.01) + 1e-9, allowed) != []
    assert compare(0.0, 1e-9, allowed) != [], "a share of nothing is nothing"


@given(NUMBERS, NUMBERS, st.floats(0, 1e300), st.floats(0, 10))
def test_no_number_is_too_odd_and_order_is_never_lost(
    one: float, other: float, absolute: float, relative: float
) -> None:
    narrow, wide = Tolerance(absolute, relative), Tolerance(absolute * 2, relative * 2)
    assert not narrow.allows(one, other) or wide.allows(one, other)
    assert Tolerance(absolute).allows(one, other) == Tolerance(absolute).allows(other, one)


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        (NAN, NAN, True), (NAN, 0.0, False), (0.0, NAN, False),
        (INFINITY, INFINITY, True), (INFINITY, -INFINITY, False), (INFINITY, 1e308, False), (1e308, INFINITY, False),
        (10**400, 10**400, True), (10**400, 10**401, False), (10**400, 1.0, False), (2**53, 2**53 + 1, True),
        (1, 1.0, True), (-0.0, 0.0, True),
    ],
)  # fmt: skip
def test_odd_numbers(expected: float, actual: float, same: bool) -> None:
    assert (compare(expected, actual, 1.0) == []) == same
    assert (compare([[expected]], [[actual]], 1.0) == []) == same


@given(st.text(), st.text())
def test_texts_are_the_same_or_not(one: str, other: str) -> None:
    assume(one != other)
    assert compare({"labels": [one]}, {"labels": [other]}, 1e9) != []


def test_what_is_not_expected_may_be_there() -> None:
    assert compare({"a": 1}, {"a": 1, "more": 2}, 0) == []


@pytest.mark.parametrize("by_rows", [True, False])
def test_each_output_has_its_own_tolerance(by_rows: bool) -> None:
    def answer(score: float, logit: float) -> Any:
        columns = {"scores": [score], "logits": [logit]}
        return [columns] if by_rows else columns

    allowed = Tolerances(Tolerance(0.001), {"logits": Tolerance(0.5)})
    assert compare(answer(0.9, 7.0), answer(0.9, 7.4), allowed) == []
    [difference] = compare(answer(0.9, 7.0), answer(0.95, 7.4), allowed)
    assert ".scores[0]: expected 0.9, got 0.95 (off by 0.05)" in difference
    assert "logits" in compare(answer(0.9, 7.0), answer(0.9, 7.6), allowed)[0]


def test_of_many_differences_the_largest_is_told_and_how_many_there_are() -> None:
    [sentence] = compare({"scores": [0.0] * 1000}, {"scores": [0.01] * 999 + [0.5]}, 0.001)
    assert sentence == "$.scores[999]: expected 0.0, got 0.5 (off by 0.5), and 999 more differences in scores"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, ()), ([], (0,)), ([[1, 2], [3, 4]], (2, 2)), ([[1], [2, 3]], None), ([1, [2]], None)],
)
def test_the_shape_of_nested_lists(value: Any, expected: Any) -> None:
    assert shape(value) == expected

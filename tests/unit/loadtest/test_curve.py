"""The open model's clock and the closed model's users, against brute force."""

from __future__ import annotations

import itertools
import math

from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.curve import (
    Curve,
    due_times,
    users_at,
)
from hypothesis import given
from hypothesis import strategies as st

LEVELS = st.floats(0, 40)
PIECES = st.lists(st.tuples(st.floats(0.5, 20), LEVELS, LEVELS), min_size=1, max_size=5)


def level(pieces: list[tuple[float, float, float]], t: float) -> float:
    """By the definition: walk the pieces."""
    for seconds, first, last in pieces:
        if t < seconds:
            return first + (last - first) * t / seconds
        t -= seconds
    return 0.0


def area(pieces: list[tuple[float, float, float]], t: float) -> float:
    """Trapezoids of each piece until t."""
    total = 0.0
    for seconds, first, last in pieces:
        part = min(t, seconds)
        if part <= 0:
            break
        total += part * (first + first + (last - first) * part / seconds) / 2
        t -= seconds
    return total


@given(PIECES, st.floats(0, 120))
def test_level_and_area_are_what_the_pieces_say(pieces: list[tuple[float, float, float]], t: float) -> None:
    curve = Curve(pieces)
    if all(abs(t - edge) > 1e-6 for edge in itertools.accumulate(p[0] for p in pieces)):
        assert math.isclose(curve.level(t), level(pieces, t), abs_tol=1e-6)
    assert math.isclose(curve.area(t), area(pieces, t), rel_tol=1e-9, abs_tol=1e-6)


@given(PIECES, st.integers(1, 4))
def test_all_workers_together_send_each_request_when_the_area_says(
    pieces: list[tuple[float, float, float]], workers: int
) -> None:
    curve = Curve(pieces)
    whole = curve.area(curve.length)
    due = sorted(t for w in range(workers) for t in due_times(curve, worker=w, workers=workers))
    assert len(due) == max(0, math.floor(whole + 0.5 - 1e-9) if whole % 1 != 0.5 else math.floor(whole + 0.5))
    for number, t in enumerate(due):
        assert math.isclose(area(pieces, t), number + 0.5, rel_tol=1e-6, abs_tol=1e-5)
    assert all(0 <= t <= curve.length + 1e-9 for t in due)


@given(st.integers(1, 5), st.integers(0, 1000))
def test_poisson_arrivals_of_all_workers_have_the_whole_rate(workers: int, seed: int) -> None:
    curve = Curve([(200, 10, 10)])
    due = [list(due_times(curve, worker=w, workers=workers, poisson=True, seed=seed)) for w in range(workers)]
    count = sum(map(len, due))
    # 2,000 are expected; six standard deviations of a Poisson count are 268.
    assert abs(count - 2000) < 268
    assert all(times == sorted(times) for times in due)
    again = list(due_times(curve, worker=0, workers=workers, poisson=True, seed=seed))
    assert again == due[0], "the same seed gives the same arrivals"


@given(PIECES, st.floats(0, 100))
def test_users_are_the_level_rounded_up(pieces: list[tuple[float, float, float]], t: float) -> None:
    curve = Curve(pieces)
    users = users_at(curve, t)
    if t >= curve.length:
        assert users is None
    else:
        assert users is not None
        assert curve.level(t) - 1e-6 <= users < curve.level(t) + 1 + 1e-6


@given(PIECES, st.floats(0, 60), st.floats(0, 30))
def test_the_range_holds_every_level_between(
    pieces: list[tuple[float, float, float]], begin: float, length: float
) -> None:
    curve = Curve(pieces)
    low, high = curve.range(begin, begin + length)
    for step in range(21):
        assert low - 1e-9 <= curve.level(begin + length * step / 20) <= high + 1e-9

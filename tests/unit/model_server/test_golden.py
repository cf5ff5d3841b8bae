"""Golden predictions as options and as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.compare import Tolerance
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.errors import GoldenError
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.golden import (
    FORMAT,
    Golden,
    goldens_of,
    read,
    says_the_same,
    unique,
    write,
)
from hypothesis import given
from hypothesis import strategies as st

ROW = {"name": "coffee", "instances": [[1.0]]}


def document(
    expect: Any = 1.0, *, version: int = 3, date: str = "2026-01-01T00:00:00Z", **option: Any
) -> dict[str, Any]:
    entry = Golden.of({**ROW, **option}).as_entry(expect)
    return {
        "format": FORMAT,
        "recorded_at": date,
        "models": [{"name": "m", "version": version, "golden": [entry]}],
    }


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({}, "no name"),
        ({"name": "x"}, "either instances"),
        ({"name": "x", "instances": [1], "inputs": [1]}, "either instances"),
        ({"name": "x", "instances": []}, "at least one row"),
        ({"name": "x", "instances": {"a": 1}}, "at least one row"),
        ({**ROW, "tolerance": -1}, "absolute tolerance must be a number of 0 or more, not -1"),
        ({**ROW, "tolerance": float("nan")}, "absolute tolerance"),
        ({**ROW, "relative_tolerance": float("inf")}, "relative tolerance"),
        (
            {**ROW, "tolerances": {"scores": {"absolut": 1}}},
            "tolerances.scores must be an object of absolute",
        ),
        ({**ROW, "tolerances": {"scores": 0.1}}, "tolerances.scores"),
        ({**ROW, "tolerances": {"scores": {"absolute": "wide"}}}, "of scores must be a number"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(option: dict[str, Any], words: str) -> None:
    with pytest.raises(GoldenError) as raised:
        Golden.of(option)
    assert words in str(raised.value)


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(GoldenError, match="two golden predictions are named coffee"):
        unique([Golden.of(ROW), Golden.of(ROW)])


def test_an_output_named_has_only_its_own_tolerance() -> None:
    found = Golden.of({**ROW, "tolerance": 0.5, "tolerances": {"scores": {"relative": 0.1}}}).tolerances
    assert found.of("scores") == Tolerance(0.0, 0.1)
    assert found.of("logits") == found.of(None) == Tolerance(0.5, 0.0)


@given(
    st.recursive(
        st.floats(allow_nan=True) | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=6
    ),
    st.floats(0, 10),
)
def test_what_is_recorded_is_read_back_as_the_same_request_and_tolerance(
    expect: Any, tolerance: float
) -> None:
    golden = Golden.of({**ROW, "tolerance": tolerance, "tolerances": {"scores": {"absolute": tolerance}}})
    entry = json.loads(json.dumps(golden.as_entry(expect)))
    again = Golden.of(entry)
    assert (again.name, again.request, again.tolerances) == (golden.name, golden.request, golden.tolerances)
    assert repr(again.expect) == repr(expect)


def test_a_file_is_written_at_once_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "golden" / "m.json"
    write(path, document())
    assert read(path) == document()
    assert goldens_of(read(path), "m", str(path))[0].expect == 1.0
    assert [found.name for found in path.parent.iterdir()] == ["m.json"], "no draft is left"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "record golden predictions first"),
        ("{", "cannot read"),
        ("[]", "holds no golden predictions"),
        ('{"format": "other"}', "holds no golden predictions"),
        (json.dumps({"format": FORMAT, "models": {}}), "is damaged"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "m.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(GoldenError, match=words):
        read(path)


def test_a_model_that_is_not_in_the_file_is_named_with_those_that_are() -> None:
    with pytest.raises(GoldenError, match=r"no golden predictions of model other \(has: m\)"):
        goldens_of(document(), "other", "m.json")


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GoldenError, match="cannot write golden predictions"):
        write(tmp_path / "file" / "m.json", document())


def test_a_recording_says_the_same_whatever_its_date_and_within_its_tolerance() -> None:
    assert says_the_same(document(), document(date="2027-01-01T00:00:00Z"))
    assert says_the_same(document(1.0), document(1.0005))
    assert not says_the_same(document(1.0), document(1.1))
    assert not says_the_same(document(), document(version=4))
    assert not says_the_same(document(), document(tolerance=0.5))
    assert not says_the_same(document({"a": 1}), document({"a": 1, "b": 2}))
    assert not says_the_same(None, document())

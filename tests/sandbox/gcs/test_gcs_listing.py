"""Lists of objects: what is on which page."""

from __future__ import annotations

import fnmatch
from typing import Any

import pytest
from emulator import Emulator
from gcs_api import OBJECTS, put, reason, with_bucket
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from sandbox.gcs.listing import Entry, Query, glob_pattern, page

NAMES = st.lists(st.text("ab/c\u00e9\U0001f600", min_size=1, max_size=5), max_size=14, unique=True)
PREFIXES = st.sampled_from(["", "a", "a/", "b/a"])
OFFSETS = st.text("ab/", max_size=3)


def ordered(names: list[str], versions: int = 1) -> list[Entry]:
    return [
        (name, generation) for name in sorted(names, key=str.encode) for generation in range(1, versions + 1)
    ]


def expected(entries: list[Entry], query: Query) -> tuple[list[Entry], list[str]]:
    """The definition: https://cloud.google.com/storage/docs/json_api/v1/objects/list."""
    items, prefixes = [], set()
    for name, generation in entries:
        fits = name.startswith(query.prefix) and name.encode() >= query.start.encode()
        if not fits or (query.end and name.encode() >= query.end.encode()):
            continue
        rest = name[len(query.prefix) :]
        if query.delimiter and query.delimiter in rest:
            head, _, tail = rest.partition(query.delimiter)
            prefixes.add(query.prefix + head + query.delimiter)
            if not (query.trailing and not tail):
                continue
        items.append((name, generation))
    return items, sorted(prefixes, key=str.encode)


@given(NAMES, PREFIXES, st.sampled_from(["", "/", "b"]), OFFSETS, OFFSETS, st.booleans(), st.integers(1, 3))
def test_a_list_is_what_the_definition_says(
    names: list[str], prefix: str, delimiter: str, start: str, end: str, trailing: bool, versions: int
) -> None:
    query = Query(prefix, delimiter, start=start, end=end, trailing=trailing)
    entries = ordered(names, versions)
    found = page(entries, query)
    assert (found.entries, found.prefixes) == expected(entries, query)
    assert found.token is None


@given(NAMES, PREFIXES, st.sampled_from(["", "/"]), st.booleans(), st.integers(1, 3), st.integers(1, 4))
def test_pages_together_are_the_whole_list(
    names: list[str], prefix: str, delimiter: str, trailing: bool, versions: int, limit: int
) -> None:
    entries = ordered(names, versions)
    items: list[Entry] = []
    prefixes: list[str] = []
    token: str | None = ""
    while token is not None:
        query = Query(prefix, delimiter, trailing=trailing, token=token, limit=limit)
        # As the database does: nothing before the first name that can be wanted.
        found = page([e for e in entries if e[0].encode() >= query.first.encode()], query)
        if found.token is not None:
            assert len(found.entries) + len(found.prefixes) == limit
        items += found.entries
        prefixes += found.prefixes
        token = found.token
    assert (items, prefixes) == expected(entries, Query(prefix, delimiter, trailing=trailing))


@pytest.mark.parametrize(
    ("glob", "name", "fits"),
    [
        ("foo*bar", "foo1bar", True),
        ("foo*bar", "foo/bar", False),
        ("foo**bar", "foo/x/bar", True),
        ("**/variables", "m/1/variables", True),
        ("m/?", "m/1", True),
        ("m/?", "m/12", False),
        ("m/[12]", "m/2", True),
        ("m/[!12]", "m/2", False),
        ("m/[0-9]", "m/7", True),
        ("m/{1,2}/*.pb", "m/2/saved_model.pb", True),
        ("m/{1,2}/*.pb", "m/3/saved_model.pb", False),
        ("a.c", "abc", False),
        ("a\\*c", "a*c", True),
        ("a\\*c", "abc", False),
        ("*", "a\nb", True),
    ],
)
def test_globs(glob: str, name: str, fits: bool) -> None:
    assert bool(glob_pattern(glob).fullmatch(name)) is fits


@given(st.text("ab*?[].", max_size=6), st.text("ab.", max_size=5))
def test_without_slashes_globs_are_those_of_shells(glob: str, name: str) -> None:
    if "**" in glob or "[]" in glob:
        return
    assert bool(glob_pattern(glob).fullmatch(name)) is fnmatch.fnmatchcase(name, glob)


@pytest.fixture
def http(emulator: Emulator) -> TestClient:
    http = with_bucket(emulator)
    for name in ("m/1/saved_model.pb", "m/1/variables/index", "m/2/saved_model.pb", "m/readme", "m/"):
        put(http, name, b"")
    return http


@pytest.mark.parametrize(
    ("query", "items", "prefixes"),
    [
        ({"prefix": "m/", "delimiter": "/"}, ["m/", "m/readme"], ["m/1/", "m/2/"]),
        ({"delimiter": "/"}, [], ["m/"]),
        ({"delimiter": "/", "includeTrailingDelimiter": True}, ["m/"], ["m/"]),
        ({"matchGlob": "m/*/saved_model.pb"}, ["m/1/saved_model.pb", "m/2/saved_model.pb"], []),
        ({"startOffset": "m/2", "endOffset": "m/r"}, ["m/2/saved_model.pb"], []),
        ({"prefix": "nothing"}, [], []),
    ],
)
def test_lists_of_the_api(
    http: TestClient, query: dict[str, Any], items: list[str], prefixes: list[str]
) -> None:
    answer = http.get(OBJECTS, params=query).json()
    assert [item["name"] for item in answer.get("items", [])] == items
    assert answer.get("prefixes", []) == prefixes


@pytest.mark.parametrize(
    "query",
    [{"pageToken": "nonsense"}, {"matchGlob": "a", "delimiter": "b"}, {"versions": True, "softDeleted": True},
     {"maxResults": -1}, {"maxResults": "many"}],
)  # fmt: skip
def test_lists_that_make_no_sense(http: TestClient, query: dict[str, Any]) -> None:
    assert http.get(OBJECTS, params=query).status_code == 400


def test_what_is_listed_is_listed_at_once(http: TestClient) -> None:
    http.delete(f"{OBJECTS}/m%2Freadme")
    put(http, "m/new", b"")
    names = [item["name"] for item in http.get(OBJECTS, params={"prefix": "m/"}).json()["items"]]
    assert "m/readme" not in names
    assert "m/new" in names
    assert reason(http.get("/storage/v1/b/nothing/o")) == (404, "notFound")

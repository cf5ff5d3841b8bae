"""What publishing and pruning decide, without any network."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs.manifest import (
    agree,
    files_of,
    make_manifest,
    parse_manifest,
    to_text,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs.publish import (
    ABANDONED,
    LIVE,
    Claim,
    Refused,
    Version,
    group,
    plan,
    prunable,
    removal_order,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.files import (
    MANIFEST,
    ModelFile,
)
from hypothesis import given
from hypothesis import strategies as st

PB = "saved_model.pb"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
FILES = [ModelFile(path, 1, path, path) for path in (PB, "variables/a", "variables/b")]
OTHER = [ModelFile(path, 1, "other", "other") for path in (PB, "variables/a")]
DATA = ("variables/a", "variables/b")


def document(files: list[ModelFile], number: int = 1) -> dict[str, Any]:
    return make_manifest("m", number, files, None, created="now", creator="me", source="here")


def stored(
    files: list[ModelFile], number: int, some: set[str] | None = None, claim: list[ModelFile] | None = None,
    age: timedelta = timedelta(0),
) -> Version:  # fmt: skip
    """A version in the bucket. ``some``: which of its objects are there, all if None; ``claim``: whose it is."""
    paths = {file.path for file in files} | {MANIFEST} if some is None else some
    objects: dict[str, Any] = {f.path: {"crc32c": f.crc32c, "size": "1"} for f in files if f.path in paths}
    if MANIFEST in paths:
        objects[MANIFEST] = {"crc32c": "m", "size": "9"}
    held = Claim(document(claim, number), "1", NOW - age) if claim else None
    return Version(number, objects, document(files, number) if MANIFEST in paths else None, held)


def test_data_first_then_the_manifest_then_the_saved_model() -> None:
    assert plan(FILES, {}, None, now=NOW).upload == (*DATA, MANIFEST, PB)


def test_a_graph_as_text_goes_last_where_it_is_the_graph() -> None:
    text = ModelFile(f"{PB}txt", 1, "t", "t")
    only = [text, *FILES[1:]]
    assert plan(only, {}, None, now=NOW).upload == (*DATA, MANIFEST, f"{PB}txt")
    assert plan([text, *FILES], {}, None, now=NOW).upload == (f"{PB}txt", *DATA, MANIFEST, PB)
    assert removal_order(stored(only, 1))[:2] == [f"{PB}txt", MANIFEST]
    assert stored(only, 1).complete


def test_the_same_content_is_no_change_and_other_content_gets_the_next_number() -> None:
    versions = {3: stored(FILES, 3), 4: stored(OTHER, 4)}
    for wanted in (None, 3):
        same = plan(FILES, versions, wanted, now=NOW)
        assert (same.version, same.changed) == (3, False)
    fresh = [ModelFile(PB, 1, "new", "new")]
    assert plan(fresh, versions, None, now=NOW).version == 5


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (stored(OTHER, 1), "is published with other content"),
        (stored(OTHER, 1, {MANIFEST}), "is published with other content"),
        (stored(FILES, 1, {"variables/a"}, claim=OTHER), "is being published with other content by me since 2026"),
        (stored(OTHER, 1, {"variables/a"}, claim=FILES), "variables/a is other content. Nothing is overwritten"),
        (stored([*FILES, ModelFile("x", 1, "x")], 1, {"x"}), "x does not belong to it"),
        (Version(1, {MANIFEST: {"crc32c": "m", "size": "9"}}), "a manifest that can't be read"),
        (Version(1, claim=Claim(None, "1", NOW)), "by somebody unknown since"),
    ],
)  # fmt: skip
def test_other_content_under_a_number_is_refused_with_the_way_out(version: Version, words: str) -> None:
    with pytest.raises(Refused, match="under another number") as caught:
        plan(FILES, {1: version}, 1, now=NOW)
    assert words in str(caught.value)
    # Left to choose, another number is found, unless somebody is at it right now.
    live = version.claim is not None and version.claim.manifest != document(FILES)
    if live:
        with pytest.raises(Refused, match="Wait for it to end"):
            plan(FILES, {1: version}, None, now=NOW)
    assert plan(FILES, {1: version}, None, now=NOW + LIVE).version == 2


SOME = st.sets(st.sampled_from([PB, *DATA, MANIFEST]))


@given(SOME, st.booleans(), st.sampled_from([None, 1]))
def test_an_interrupted_publication_is_completed_whatever_is_there(
    some: set[str], claimed: bool, wanted: int | None
) -> None:
    version = stored(FILES, 1, some, claim=FILES if claimed else None)
    todo = plan(FILES, {1: version}, wanted, now=NOW)
    if todo.version != 1:
        assert not claimed and MANIFEST not in some and not {f.path for f in FILES} <= some
        return
    after = dict(version.objects)
    for path in todo.upload:
        assert path not in after, "every object is created, none is replaced"
        after[path] = {"crc32c": "m" if path == MANIFEST else path, "size": "1"}
    if PB in todo.upload:
        assert todo.upload[-1] == PB, "what makes it loadable comes last"
    assert Version(1, after, document(FILES)).complete
    assert todo.release == (claimed and version.complete)


@given(st.data())
def test_publishing_never_touches_what_is_not_its_content(data: st.DataObject) -> None:
    paths = [*(file.path for file in FILES), "assets/x"]
    objects = {
        path: {"crc32c": data.draw(st.sampled_from([path, "other"])), "size": "1"}
        for path in data.draw(st.sets(st.sampled_from(paths)))
    }
    strange = {p for p, o in objects.items() if o["crc32c"] != p or p == "assets/x"}
    if strange:
        with pytest.raises(Refused, match="holds what is not of this content"):
            plan(FILES, {1: Version(1, objects)}, 1, now=NOW)
    else:
        assert set(plan(FILES, {1: Version(1, objects)}, 1, now=NOW).upload).isdisjoint(objects)


def test_a_copy_that_others_made_becomes_a_version_by_its_manifest() -> None:
    copied = stored(FILES, 7, {file.path for file in FILES})
    assert copied.state == "unmanaged"
    todo = plan(FILES, {7: copied}, None, now=NOW)
    assert (todo.version, todo.upload) == (7, (MANIFEST,))


def test_an_object_that_was_lost_is_put_back() -> None:
    lost = stored(FILES, 1, {PB, MANIFEST, "variables/a"})
    assert (lost.state, lost.problems) == ("damaged", ["variables/b is missing"])
    assert plan(FILES, {1: lost}, None, now=NOW).upload == ("variables/b",)


def test_what_is_known_by_md5_alone_is_compared_by_that() -> None:
    copied = [ModelFile(f.path, f.size, f.crc32c, md5="md5") for f in FILES]
    assert agree(FILES, copied), "no hash contradicts"
    assert not agree(copied, [ModelFile(f.path, f.size, f.crc32c, md5="other") for f in FILES])
    version = stored(copied, 1)
    assert version.complete
    assert not plan(FILES, {1: version}, None, now=NOW).changed


def test_objects_are_told_apart() -> None:
    names = ["m/1/a", "m/.publishing/2.json", "m/01/a", "m/x/a", "m/3", "m/4/", "m/5/dir/", "m/6/dir/b"]
    objects, claims = group(({"name": name} for name in names), "m")
    assert {n: list(found) for n, found in objects.items()} == {1: ["a"], 6: ["dir/b"]}
    assert list(claims) == [2]


@pytest.mark.parametrize(
    "name", ["m/²/saved_model.pb", "m/.publishing/².json", "m/٣/a", "m/.publishing/٣.json", "m/①/a"]
)
def test_what_is_a_digit_to_unicode_alone_is_no_version(name: str) -> None:
    assert group([{"name": name}], "m") == ({}, {})


@given(
    st.dictionaries(
        st.integers(1, 12), st.sampled_from(["complete", "damaged", "unmanaged", "begun", "abandoned"]), max_size=8
    ),
    st.integers(1, 4),
    st.sets(st.integers(1, 12)),
)  # fmt: skip
def test_pruning_keeps_what_it_must(states: dict[int, str], keep: int, in_use: set[int]) -> None:
    make = {
        "complete": lambda n: stored(FILES, n),
        "damaged": lambda n: stored(FILES, n, {PB, MANIFEST}),
        "unmanaged": lambda n: stored(FILES, n, {PB}),
        "begun": lambda n: stored(FILES, n, {"variables/a"}, claim=FILES),
        "abandoned": lambda n: stored(FILES, n, set(), claim=FILES, age=ABANDONED + timedelta(1)),
    }
    versions = {number: make[state](number) for number, state in states.items()}
    old, abandoned = prunable(versions, keep, in_use, now=NOW)
    going = {*old, *abandoned}
    assert going.isdisjoint(in_use)
    complete = sorted((n for n, s in states.items() if s == "complete"), reverse=True)
    assert going.isdisjoint(complete[:keep]), "the newest stay"
    assert set(complete[keep:]) - in_use <= going, "older ones go"
    assert {states[n] for n in going} <= {"complete", "damaged", "abandoned"}
    assert {n for n, s in states.items() if s == "abandoned"} - in_use == set(abandoned)


def test_what_makes_a_version_loadable_goes_first() -> None:
    assert removal_order(stored(FILES, 1))[:2] == [PB, MANIFEST]


def test_a_manifest_survives_the_bucket() -> None:
    made = document(FILES)
    assert parse_manifest(to_text(made)) == made
    assert sorted(files_of(made)) == sorted(FILES)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"digest": "0"},
        {"files": []},
        {"files": None},
        {"files": [{"path": "../x", "size": 1, "crc32c": "x"}]},
    ],
)
def test_a_manifest_that_contradicts_itself_is_none(change: dict[str, Any]) -> None:
    assert parse_manifest(to_text(document(FILES) | change)) is None


@given(st.binary())
def test_any_bytes_for_a_manifest_are_refused(text: bytes) -> None:
    assert parse_manifest(text) is None

"""Publishing: the plan by property, the modules against the emulated API over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs.manifest import (
    MANIFEST,
    SAVED_MODEL,
    ModelFile,
    digest,
    manifest,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs.publish import Refused, Version, plan
from ansible_collections.mlops.tfserving.plugins.modules import gcs_bucket, gcs_saved_model
from emulator import Emulator
from hypothesis import given
from hypothesis import strategies as st

Call = Callable[..., dict[str, Any]]
FILES = [ModelFile(path, 1, path, path) for path in (SAVED_MODEL, "variables/a", "variables/b")]
OTHER = [ModelFile(path, 1, "other", "other") for path in (SAVED_MODEL, "variables/a")]


def stored(files: list[ModelFile], number: int, *, some: set[str] | None = None) -> Version:
    """A version in the bucket; ``some``: which of its objects are there, all if None."""
    paths = {file.path for file in files} | {MANIFEST} if some is None else some
    objects = {f.path: {"crc32c": f.crc32c, "size": f.size} for f in files if f.path in paths}
    text = None
    if MANIFEST in paths:
        objects[MANIFEST] = {"crc32c": "m", "size": 9}
        text = manifest("m", number, files, created="now", creator="me")
    return Version(number, objects, text)


def test_data_first_then_the_manifest_then_the_saved_model() -> None:
    assert plan(FILES, digest(FILES), {}, None).upload == (
        "variables/a",
        "variables/b",
        MANIFEST,
        SAVED_MODEL,
    )


def test_the_same_content_is_no_change_and_other_content_gets_the_next_number() -> None:
    versions = {3: stored(FILES, 3), 4: stored(OTHER, 4)}
    assert plan(FILES, digest(FILES), versions, None) == plan(FILES, digest(FILES), versions, 3)
    assert not plan(FILES, digest(FILES), versions, None).changed
    fresh = [ModelFile(SAVED_MODEL, 1, "new", "new")]
    assert plan(fresh, digest(fresh), versions, None).version == 5


def test_a_published_version_is_never_changed() -> None:
    with pytest.raises(Refused, match="version 1 is published with other content"):
        plan(FILES, digest(FILES), {1: stored(OTHER, 1)}, 1)


@given(st.sets(st.sampled_from([SAVED_MODEL, "variables/a", "variables/b", MANIFEST])), st.booleans())
def test_an_interrupted_publication_is_completed_whatever_is_there(some: set[str], foreign: bool) -> None:
    version = stored(OTHER if foreign else FILES, 1, some=some)
    if version.complete:
        return
    todo = plan(FILES, digest(FILES), {1: version}, 1)
    after = {path: item for path, item in version.objects.items() if path not in todo.remove}
    by_path = {file.path: file for file in FILES}
    present_before_the_end = set(after)
    assert SAVED_MODEL not in present_before_the_end, "nothing is loadable while it is being written"
    for path in todo.upload:
        assert path not in after, "every object is created, none is replaced"
        after[path] = {"crc32c": by_path[path].crc32c if path in by_path else "m", "size": 1}
    assert todo.upload[-1] == SAVED_MODEL
    assert Version(1, after, manifest("m", 1, FILES, created="", creator="")).complete
    assert set(after) == {file.path for file in FILES} | {MANIFEST}


@given(st.permutations(FILES))
def test_the_digest_is_of_the_content_alone(files: list[ModelFile]) -> None:
    assert digest(files) == digest(FILES)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / SAVED_MODEL).write_bytes(b"graph")
    (folder / "variables/variables.index").write_bytes(b"index")
    (folder / "variables/variables.data-00000-of-00001").write_bytes(b"w" * 9_000_000)
    return folder


WHERE = {"bucket": "models", "path": "models/m"}


def test_publish_again_change_list_remove(call: Call, emulator: Emulator, model: Path) -> None:
    call(gcs_bucket, name="models", location="us-central1")
    would = call(gcs_saved_model, check=True, **WHERE, source=str(model))
    made = call(gcs_saved_model, **WHERE, source=str(model))
    assert (made["changed"], made["version"], made["uri"]) == (True, 1, "gs://models/models/m/1")
    assert would["diff"] == made["diff"]
    again = call(gcs_saved_model, **WHERE, source=str(model))
    assert (again["changed"], again["version"], again["manifest"]) == (False, 1, made["manifest"])
    names = {item["name"] for item in emulator.store.objects("models")[0]}
    assert names == {
        f"models/m/1/{path}"
        for path in (
            SAVED_MODEL,
            MANIFEST,
            "variables/variables.index",
            "variables/variables.data-00000-of-00001",
        )
    }

    (model / SAVED_MODEL).write_bytes(b"another graph")
    refused = call(gcs_saved_model, **WHERE, source=str(model), version=1)
    assert "is published with other content" in refused["msg"]
    assert call(gcs_saved_model, **WHERE, source=str(model))["version"] == 2
    listed = call(gcs_saved_model, **WHERE, state="listed")["versions"]
    assert [(v["version"], v["complete"]) for v in listed] == [(1, True), (2, True)]
    assert call(gcs_saved_model, **WHERE, state="absent", version=1)["changed"]
    assert not call(gcs_saved_model, **WHERE, state="absent", version=1)["changed"]


def test_a_model_whose_upload_was_cut_short_is_listed_as_incomplete_and_completed(
    call: Call, emulator: Emulator, model: Path
) -> None:
    call(gcs_bucket, name="models")
    call(gcs_saved_model, **WHERE, source=str(model))
    from sandbox.api.gcs_store import Conditions

    emulator.store.delete_object("models", f"models/m/1/{SAVED_MODEL}", Conditions())
    assert [v["complete"] for v in call(gcs_saved_model, **WHERE, state="listed")["versions"]] == [False]
    done = call(gcs_saved_model, **WHERE, source=str(model))
    assert (done["changed"], done["version"]) == (True, 1)
    assert [v["complete"] for v in call(gcs_saved_model, **WHERE, state="listed")["versions"]] == [True]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: (m / SAVED_MODEL).unlink(), "is not a SavedModel"),
        (lambda m: (m / "variables/variables.index").unlink(), "is incomplete"),
        (lambda m: (m / "evil").symlink_to("/etc/passwd"), "link out of the folder"),
    ],
)
def test_what_is_no_saved_model_is_refused(call: Call, model: Path, spoil: Any, words: str) -> None:
    spoil(model)
    assert words in call(gcs_saved_model, **WHERE, source=str(model))["msg"]


def test_a_bucket_converges(call: Call, emulator: Emulator) -> None:
    bucket = {"name": "models", "location": "US-central1", "labels": {"a": "b"}}
    assert call(gcs_bucket, check=True, **bucket)["changed"]
    made = call(gcs_bucket, **bucket)["bucket"]
    assert made["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert made["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] is True
    assert not call(gcs_bucket, **bucket)["changed"]
    for change in ({"labels": {"c": "d"}}, {"labels": {}}, {"versioning": True}, {"soft_delete_seconds": 0}):
        would = call(gcs_bucket, check=True, **{**bucket, **change})
        done = call(gcs_bucket, **{**bucket, **change})
        assert done["changed"], change
        assert done["diff"] == would["diff"]
        assert not call(gcs_bucket, **{**bucket, **change})["changed"], change
    moved = call(gcs_bucket, **{**bucket, "location": "EU"})
    assert "can't be moved" in moved["msg"]
    emulator.store.finish(
        "models",
        "o",
        {},
        emulator.store.new_upload("models"),
        __import__("sandbox.api.gcs_store", fromlist=["Conditions"]).Conditions(),
    )
    assert "holds 1 objects" in call(gcs_bucket, name="models", state="absent")["msg"]
    assert call(gcs_bucket, name="models", state="absent", force=True)["objects_removed"] == 1
    assert not call(gcs_bucket, name="models", state="absent")["changed"]


@pytest.mark.parametrize("name", ["Up", "a", "goog-x", "a..b", "x" * 64])
def test_names_of_buckets_are_checked_first(call: Call, name: str) -> None:
    assert "3 to 63" in call(gcs_bucket, name=name)["msg"]

"""Publishing from another place in Cloud Storage, without the data leaving it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs import saved_model
from ansible_collections.mlops.tfserving.plugins.modules import gcs_saved_model
from emulator import Emulator
from objects import Objects

sys.path.insert(0, str(Path(__file__).parent))

from google_with_iam import FullGoogle

Call = Callable[..., dict[str, Any]]
PB, MANIFEST, NOTES = "saved_model.pb", "tfserving_manifest.json", "assets.extra/notes"
WHERE = {"bucket": "models", "path": "models/m"}


@pytest.fixture
def google(emulator: Emulator, objects: Objects, bucket: str, monkeypatch: pytest.MonkeyPatch) -> FullGoogle:
    full = FullGoogle(emulator)
    monkeypatch.setattr(saved_model, "connect", full.connect)
    objects.make_bucket("research")
    return full


@pytest.fixture
def copied(objects: Objects, google: FullGoogle, model: Path) -> str:
    """The model as somebody copied it there, without a manifest."""
    for path in model.rglob("*"):
        if path.is_file():
            objects.put("research", f"r/7/{path.relative_to(model)}", path.read_bytes())
    return "gs://research/r/7"


def test_it_is_copied_in_several_calls_and_verified_by_md5(
    call: Call, google: FullGoogle, copied: str, model: Path
) -> None:
    would = call(gcs_saved_model, check=True, **WHERE, source=copied)
    made = call(gcs_saved_model, **WHERE, source=copied)
    assert made["changed"], made
    assert made["diff"] == would["diff"]
    assert google.rewrites[f"models/m/1/{NOTES}"] > 1
    assert all(file["md5"] and "sha256" not in file for file in made["manifest"]["files"])
    assert made["manifest"]["signatures"]["serving_default"]
    assert made["manifest"]["source"] == copied
    read = [r for r in google.requests if "research" in r and NOTES.replace("/", "%2F") in r]
    assert not [r for r in read if "rewriteTo" not in r], "the data stays in Cloud Storage"
    assert not call(gcs_saved_model, **WHERE, source=copied)["changed"]
    assert not call(gcs_saved_model, **WHERE, source=str(model))["changed"], "the same content from here"


def test_marks_of_folders_and_litter_are_left_out(
    call: Call, objects: Objects, google: FullGoogle, copied: str, model: Path
) -> None:
    """As TensorFlow's own gs://, the console and gcsfuse make them: empty objects with a slash at the end."""
    for mark in ("r/7/", "r/7/variables/", "r/7/assets.extra/"):
        objects.put("research", mark, b"")
    objects.put("research", "r/7/.DS_Store", b"x")
    would = call(gcs_saved_model, check=True, **WHERE, source=copied)
    made = call(gcs_saved_model, **WHERE, source=copied)
    assert (made["changed"], made["version"], made["left_out"]) == (True, 1, [".DS_Store"])
    assert made["diff"] == would["diff"]
    assert [path for path in objects.names("models") if path.endswith(("/", "DS_Store"))] == []
    for source in (copied, str(model)):
        assert not call(gcs_saved_model, **WHERE, source=source)["changed"]


def test_hashes_of_a_manifest_are_taken_over(
    call: Call, objects: Objects, google: FullGoogle, model: Path
) -> None:
    first = call(gcs_saved_model, bucket="research", path="r", source=str(model))
    made = call(gcs_saved_model, **WHERE, source=first["uri"], version=9)
    assert made["manifest"]["digest"] == first["manifest"]["digest"]
    assert made["manifest"]["files"] == first["manifest"]["files"]
    objects.put("research", f"r/1/{NOTES}", b"spoiled")
    told = call(gcs_saved_model, **WHERE, source=first["uri"], version=10)["msg"]
    assert "is not what its tfserving_manifest.json says: assets.extra/notes is other content" in told


def test_objects_without_md5_are_read_once(call: Call, google: FullGoogle, copied: str, model: Path) -> None:
    google.hide = "md5Hash"
    made = call(gcs_saved_model, **WHERE, source=copied)
    assert all(len(file["sha256"]) == 64 for file in made["manifest"]["files"])
    assert not call(gcs_saved_model, **WHERE, source=str(model))["changed"]


def test_the_folder_above_is_a_common_mistake(call: Call, copied: str) -> None:
    assert f"Did you mean {copied}?" in call(gcs_saved_model, **WHERE, source="gs://research/r")["msg"]


def test_a_model_that_cannot_be_served_is_refused_there_too(
    call: Call, objects: Objects, copied: str
) -> None:
    objects.delete("research", "r/7/variables/variables.data-00000-of-00001")
    assert "data-00000-of-00001 is missing" in call(gcs_saved_model, **WHERE, source=copied)["msg"]

"""A bucket that keeps what is created in it: found before anything is written, and nothing is ruined by what is kept."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import parse_error
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.rest import Google
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs import retention
from ansible_collections.mlops.tfserving.plugins.module_utils.no_log import Module
from ansible_collections.mlops.tfserving.plugins.modules import gcs_bucket, gcs_saved_model
from emulator import PROJECT
from objects import Objects

Call = Callable[..., dict[str, Any]]
Json = dict[str, Any]
PB = "saved_model.pb"
WHERE = {"bucket": "models", "path": "m"}
PRUNE = {**WHERE, "state": "pruned", "keep": 1}
ABSENT = {**WHERE, "state": "absent", "version": 1}
POLICY = {"retentionPolicy": {"retentionPeriod": "3600"}}
HOLDS = {"defaultEventBasedHold": True}


@pytest.fixture
def two(call: Call, bucket: str, model: Path) -> Path:
    """Versions 1 and 2 are published; the source of the second."""
    assert call(gcs_saved_model, **WHERE, source=str(model))["version"] == 1
    newer = Path(shutil.copytree(model, model.parent / "newer"))
    (newer / "assets.extra/notes").write_bytes(b"newer")
    assert call(gcs_saved_model, **WHERE, source=str(newer))["version"] == 2
    return newer


def states(call: Call) -> list[tuple[int, str]]:
    return [(v["version"], v["state"]) for v in call(gcs_saved_model, **WHERE, state="listed")["versions"]]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("setting", [POLICY, HOLDS])
@pytest.mark.parametrize("wish", [{}, PRUNE, ABSENT])
def test_it_is_found_before_anything_is_written(
    call: Call, objects: Objects, two: Path, check: bool, setting: Json, wish: Json
) -> None:
    objects.patch_bucket("models", setting)
    before = objects.names("models")
    (two / "assets.extra/notes").write_bytes(b"newest")
    refused = call(gcs_saved_model, check=check, **(wish or {**WHERE, "source": str(two)}))
    assert refused["failed"]
    assert ("retention policy" if setting is POLICY else "under a hold") in refused["msg"]
    assert "storage_versioning" in refused["msg"], "the way out"
    assert "permission" not in refused["msg"]
    assert objects.names("models") == before
    assert states(call) == [(1, "complete"), (2, "complete")]


def test_where_nothing_is_to_do_it_is_no_matter(call: Call, objects: Objects, two: Path) -> None:
    objects.patch_bucket("models", POLICY)
    assert not call(gcs_saved_model, **WHERE, source=str(two))["changed"]
    assert not call(gcs_saved_model, **{**PRUNE, "keep": 2})["changed"]


def test_with_versioning_retention_is_in_nobodys_way(call: Call, objects: Objects, two: Path) -> None:
    objects.patch_bucket("models", POLICY | {"versioning": {"enabled": True}})
    (two / "assets.extra/notes").write_bytes(b"newest")
    assert call(gcs_saved_model, **WHERE, source=str(two))["version"] == 3
    assert call(gcs_saved_model, **PRUNE)["removed_versions"] == [1, 2]
    assert states(call) == [(3, "complete")]


@pytest.mark.parametrize("path", [PB, "variables/variables.index"])
def test_a_version_with_a_held_object_stays_whole(
    call: Call, objects: Objects, two: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []  # a module's warnings go into its result or to the screen, as the process is
    monkeypatch.setattr(Module, "warn", lambda _self, words: told.append(words))
    (two / "assets.extra/notes").write_bytes(b"newest")
    call(gcs_saved_model, **WHERE, source=str(two))
    objects.patch("models", f"m/1/{path}", {"temporaryHold": True})
    would = call(gcs_saved_model, check=True, **PRUNE)
    done = call(gcs_saved_model, **PRUNE)
    assert done["removed_versions"] == would["removed_versions"] == [2], "others go all the same"
    assert all(f"{path} (temporaryHold)" in words for words in told) and len(told) == 2
    assert f"{path} (temporaryHold)" in call(gcs_saved_model, **ABSENT)["msg"]
    assert states(call) == [(1, "complete"), (3, "complete")]
    objects.patch("models", f"m/1/{path}", {"temporaryHold": False})
    assert call(gcs_saved_model, **PRUNE)["removed_versions"] == [1]


def test_a_hold_that_comes_in_between_leaves_the_version_as_it_was(
    call: Call, objects: Objects, two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Google.send

    def meanwhile(google: Google, method: str, path: str, *args: Any, **options: Any) -> Any:
        if method == "DELETE" and path.endswith(PB):
            objects.patch("models", f"m/1/{PB}", {"temporaryHold": True})
        return send(google, method, path, *args, **options)

    monkeypatch.setattr(Google, "send", meanwhile)
    message = call(gcs_saved_model, **PRUNE)["msg"]
    assert "under active Temporary hold" in message and "version 1 in gs://models/m is as it was" in message
    assert "Grant the account" not in message
    assert states(call) == [(1, "complete"), (2, "complete")]


def test_a_policy_that_is_set_while_it_is_published_is_told_as_what_it_is(
    call: Call, objects: Objects, bucket: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Google.send

    def meanwhile(google: Google, method: str, *args: Any, **options: Any) -> Any:
        if method == "DELETE":
            objects.patch_bucket("models", POLICY)
        return send(google, method, *args, **options)

    monkeypatch.setattr(Google, "send", meanwhile)
    message = call(gcs_saved_model, **WHERE, source=str(model))["msg"]
    assert "retentionPolicyNotMet" in message and "No permission is missing" in message
    assert "Grant the account" not in message
    assert states(call) == [(1, "complete")], "what it left can be served"


def test_teardown_leaves_what_it_can_not_remove(call: Call, objects: Objects, two: Path) -> None:
    objects.patch_bucket("models", POLICY)
    before = objects.names("models")
    gone = {"project": PROJECT, "name": "models", "state": "absent", "own_only": True, "model_path": "m"}
    done = call(gcs_bucket, **gone)
    assert "retention policy" in done["kept"] and not done["changed"]
    assert objects.names("models") == before


def test_an_object_that_is_retained_by_itself() -> None:
    now = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)
    objects = {
        "a": {"retentionExpirationTime": "2026-12-02T00:00:00Z"},
        "b": {"retentionExpirationTime": "2026-11-30T00:00:00Z"},
        "c": {"eventBasedHold": True},
        "d": {"eventBasedHold": False},
    }
    found = retention.kept(objects, now, versioned=False)
    assert found == ["a (retained until 2026-12-02T00:00:00Z)", "c (eventBasedHold)"]
    assert retention.kept(objects, now, versioned=True) == ["c (eventBasedHold)"]


@pytest.mark.parametrize(
    ("reason", "message", "kept"),
    [
        ("retentionPolicyNotMet", "x", True),
        ("forbidden", "Object 'b/o' is under active Temporary hold and cannot be deleted, overwritten or archived.", True),
        ("forbidden", "me does not have storage.objects.delete access to the Google Cloud Storage object.", False),
    ],
)  # fmt: skip
def test_no_permission_is_asked_for_where_none_is_missing(reason: str, message: str, kept: bool) -> None:
    body = f'{{"error": {{"message": "{message}", "errors": [{{"reason": "{reason}"}}]}}}}'
    error = parse_error(403, body.encode(), "gs://b/o")
    assert error.is_kept == kept
    assert ("Grant the account" in str(error)) != kept

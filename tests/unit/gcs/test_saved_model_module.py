"""Publishing against the emulated API over real HTTP, as a playbook does it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs.publisher import Model
from ansible_collections.mlops.tfserving.plugins.modules import gcs_saved_model
from objects import Objects

Call = Callable[..., dict[str, Any]]
MODELS = Path(__file__).parents[1] / "saved_model/models"
PB, MANIFEST, NOTES = "saved_model.pb", "tfserving_manifest.json", "assets.extra/notes"
WHERE = {"bucket": "models", "path": "models/m"}


def listed(call: Call) -> list[tuple[int, str]]:
    return [(v["version"], v["state"]) for v in call(gcs_saved_model, **WHERE, state="listed")["versions"]]


def test_litter_makes_no_new_version(call: Call, objects: Objects, bucket: str, model: Path) -> None:
    """What a file manager and a notebook leave in the folder, before and after it was published."""
    (model / "Thumbs.db").write_bytes(b"x")
    would = call(gcs_saved_model, check=True, **WHERE, source=str(model))
    made = call(gcs_saved_model, **WHERE, source=str(model))
    assert (made["changed"], made["left_out"]) == (True, ["Thumbs.db"])
    assert would["left_out"] == ["Thumbs.db"]
    assert not [name for name in objects.names("models") if "Thumbs" in name]
    (model / ".DS_Store").write_bytes(b"x")
    (model / "__MACOSX").mkdir()
    for check in (True, False):
        again = call(gcs_saved_model, check=check, **WHERE, source=str(model))
        assert (again["changed"], again["version"]) == (False, 1)


def test_the_graph_that_is_served_is_the_one_that_is_looked_at(call: Call, bucket: str, model: Path) -> None:
    refused = call(gcs_saved_model, **WHERE, source=str(model), tags=["serve", "gpu"])
    assert "no graph has the tags serve+gpu and no others" in refused["msg"]
    assert "(there are: serve)" in refused["msg"] and "storage_model_tags" in refused["msg"]
    pb = (model / PB).read_bytes()
    assert pb.count(b"\x05serve") == 1
    (model / PB).write_bytes(pb.replace(b"\x05serve", b"\x05train"))
    assert call(gcs_saved_model, **WHERE, source=str(model))["failed"]
    assert call(gcs_saved_model, **WHERE, source=str(model), tags=["train"])["changed"]


def test_a_graph_as_text_is_published_as_it_is(call: Call, objects: Objects, bucket: str) -> None:
    source = MODELS / "assets_text"
    made = call(gcs_saved_model, **WHERE, source=str(source))
    assert made["created"][-2:] == [f"models/m/1/{MANIFEST}", f"models/m/1/{PB}txt"]
    assert objects.content("models", f"models/m/1/{PB}txt") == (source / f"{PB}txt").read_bytes()
    assert listed(call) == [(1, "complete")]
    assert not call(gcs_saved_model, **WHERE, source="gs://models/models/m/1")["changed"], (
        "from a bucket, too"
    )
    copied = call(gcs_saved_model, bucket="models", path="models/copy", source="gs://models/models/m/1")
    assert copied["manifest"]["signatures"] == made["manifest"]["signatures"] != {}
    gone = call(gcs_saved_model, **WHERE, state="absent", version=1)
    assert gone["removed"][:2] == [f"models/m/1/{PB}txt", f"models/m/1/{MANIFEST}"]


def test_publish_again_change_list_remove(call: Call, objects: Objects, bucket: str, model: Path) -> None:
    would = call(gcs_saved_model, check=True, **WHERE, source=str(model))
    assert objects.names("models") == [], "check mode changes nothing"
    made = call(gcs_saved_model, **WHERE, source=str(model))
    assert (made["changed"], made["version"], made["uri"]) == (True, 1, "gs://models/models/m/1")
    for key in ("diff", "created", "version", "uri"):
        assert would[key] == made[key]
    assert made["created"][-2:] == [f"models/m/1/{MANIFEST}", f"models/m/1/{PB}"]
    assert made["diff"]["after"].split() == objects.names("models"), "no claim is left"

    for file in made["manifest"]["files"]:
        data = objects.content("models", f"models/m/1/{file['path']}")
        assert data == (model / file["path"]).read_bytes()
        assert (file["size"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert made["manifest"]["signatures"]["serving_default"]["inputs"]["x"]["shape"] == [None, 2]
    assert json.loads(objects.content("models", f"models/m/1/{MANIFEST}")) == made["manifest"]

    again = call(gcs_saved_model, **WHERE, source=str(model))
    assert (again["changed"], again["version"], again["manifest"]) == (False, 1, made["manifest"])
    assert again["diff"]["before"] == again["diff"]["after"]

    (model / NOTES).write_bytes(b"other")
    for check in (True, False):
        refused = call(gcs_saved_model, check=check, **WHERE, source=str(model), version=1)
        assert "is published with other content" in refused["msg"]
    assert call(gcs_saved_model, **WHERE, source=str(model))["version"] == 2
    assert listed(call) == [(1, "complete"), (2, "complete")]
    would = call(gcs_saved_model, check=True, **WHERE, state="absent", version=1)
    gone = call(gcs_saved_model, **WHERE, state="absent", version=1)
    assert gone["changed"] and gone["removed"] == would["removed"] and gone["diff"] == would["diff"]
    assert gone["removed"][0] == f"models/m/1/{PB}"
    assert not call(gcs_saved_model, **WHERE, state="absent", version=1)["changed"]
    assert listed(call) == [(2, "complete")]


def test_a_number_can_be_chosen(call: Call, bucket: str, model: Path) -> None:
    assert call(gcs_saved_model, **WHERE, source=str(model), version=41)["version"] == 41
    (model / NOTES).write_bytes(b"other")
    assert call(gcs_saved_model, **WHERE, source=str(model))["version"] == 42


def test_a_version_that_lost_an_object_is_listed_as_damaged_and_mended(
    call: Call, objects: Objects, bucket: str, model: Path
) -> None:
    call(gcs_saved_model, **WHERE, source=str(model))
    objects.delete("models", f"models/m/1/{NOTES}")
    [version] = call(gcs_saved_model, **WHERE, state="listed")["versions"]
    assert (version["state"], version["problems"]) == ("damaged", [f"{NOTES} is missing"])
    done = call(gcs_saved_model, **WHERE, source=str(model))
    assert (done["version"], done["created"]) == (1, [f"models/m/1/{NOTES}"])
    assert listed(call) == [(1, "complete")]


@pytest.mark.parametrize("name", [NOTES, "variables/x", MANIFEST])
def test_a_spoiled_version_is_never_written_over(
    call: Call, objects: Objects, bucket: str, model: Path, name: str
) -> None:
    call(gcs_saved_model, **WHERE, source=str(model))
    objects.put("models", f"models/m/1/{name}", b"{}")
    assert listed(call) == [(1, "damaged")]
    refused = call(gcs_saved_model, **WHERE, source=str(model), version=1)
    assert name in refused["msg"] or "manifest" in refused["msg"]
    assert "publish under another number" in refused["msg"]
    assert objects.content("models", f"models/m/1/{name}") == b"{}"
    assert call(gcs_saved_model, **WHERE, source=str(model))["version"] == 2


def test_what_others_copied_there_becomes_a_version(
    call: Call, objects: Objects, bucket: str, model: Path
) -> None:
    for path in model.rglob("*"):
        if path.is_file():
            objects.put("models", f"models/m/5/{path.relative_to(model)}", path.read_bytes())
    assert listed(call) == [(5, "unmanaged")]
    adopted = call(gcs_saved_model, **WHERE, source=str(model))
    assert (adopted["version"], adopted["created"]) == (5, [f"models/m/5/{MANIFEST}"])
    assert listed(call) == [(5, "complete")]


def test_pruning(call: Call, objects: Objects, bucket: str, model: Path) -> None:
    for number in range(1, 6):
        (model / NOTES).write_bytes(bytes([number]))
        call(gcs_saved_model, **WHERE, source=str(model), version=number)
    objects.put("models", "models/m/readme", b"stays")
    options = {**WHERE, "state": "pruned", "keep": 2, "in_use": [2]}
    would = call(gcs_saved_model, check=True, **options)
    done = call(gcs_saved_model, **options)
    assert done["removed_versions"] == would["removed_versions"] == [1, 3]
    assert done["diff"] == would["diff"]
    assert [number for number, _ in listed(call)] == [2, 4, 5]
    assert not call(gcs_saved_model, **options)["changed"]
    assert "models/m/readme" in objects.names("models")
    assert "in use" in call(gcs_saved_model, **WHERE, state="absent", version=2, in_use=[2])["msg"]


def test_one_that_is_being_published_is_not_removed_by_accident(
    call: Call, objects: Objects, bucket: str, model: Path
) -> None:
    objects.put("models", "models/m/.publishing/3.json", b"{}")
    objects.put("models", "models/m/3/variables/variables.index", b"i")
    assert listed(call) == [(3, "unfinished")]
    refused = call(gcs_saved_model, **WHERE, state="absent", version=3)
    assert "is being published by" in refused["msg"] and "force: true" in refused["msg"]
    assert "Wait for it to end" in call(gcs_saved_model, **WHERE, source=str(model))["msg"]
    assert call(gcs_saved_model, **WHERE, state="absent", version=3, force=True)["changed"]
    assert objects.names("models") == []


def test_a_claim_that_a_killed_run_left_on_a_whole_version_goes(
    call: Call, objects: Objects, bucket: str, model: Path
) -> None:
    made = call(gcs_saved_model, **WHERE, source=str(model))
    objects.put("models", "models/m/.publishing/1.json", json.dumps(made["manifest"]).encode())
    assert listed(call) == [(1, "complete")]
    would = call(gcs_saved_model, check=True, **WHERE, source=str(model))
    done = call(gcs_saved_model, **WHERE, source=str(model))
    assert done["changed"] and done["diff"] == would["diff"]
    assert ".publishing" in done["diff"]["before"]
    assert not call(gcs_saved_model, **WHERE, source=str(model))["changed"]


def test_a_model_that_tf_serving_cannot_load_is_refused(call: Call, objects: Objects, bucket: str) -> None:
    source = str(MODELS / "keras_saved")
    for check in (True, False):
        refused = call(gcs_saved_model, check=check, **WHERE, source=source)
        assert "can't be served: signatures use variables that are never restored" in refused["msg"]
    assert objects.names("models") == []
    assert call(gcs_saved_model, **WHERE, source=source, require_loadable=False)["changed"]


def archive(model: Path, target: Path, inside: str) -> Path:
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(model.rglob("*")):
                file.write(path, f"{inside}{path.relative_to(model)}")
    else:
        with tarfile.open(target, "w" if target.suffix == ".tar" else "w:gz") as tar:
            tar.add(model, inside or ".")
    return target


@pytest.mark.parametrize(
    ("suffix", "inside"), [(".tar.gz", ""), (".tgz", "efficientnet/1/"), (".tar", ""), (".zip", ""), (".zip", "a/")]
)  # fmt: skip
def test_an_archive_is_the_same_content_as_its_folder(
    call: Call, bucket: str, model: Path, tmp_path: Path, suffix: str, inside: str
) -> None:
    packed = archive(model, tmp_path / f"model{suffix}", inside)
    made = call(gcs_saved_model, **WHERE, source=str(packed))
    assert made["changed"], made
    assert not call(gcs_saved_model, **WHERE, source=str(model))["changed"]


def test_a_file_that_changes_while_it_is_published_is_not_published(
    call: Call, objects: Objects, bucket: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Model.publish

    def publish(self: Any, *arguments: Any) -> Any:
        (model / NOTES).write_bytes(b"x" * (model / NOTES).stat().st_size)
        return real(self, *arguments)

    monkeypatch.setattr(Model, "publish", publish)
    assert "changed while it was being published" in call(gcs_saved_model, **WHERE, source=str(model))["msg"]
    assert f"models/m/1/{PB}" not in objects.names("models")


def test_nothing_is_left_in_the_cache_and_nobody_else_may_look_into_it(
    call: Call, bucket: str, model: Path, cache: Path
) -> None:
    call(gcs_saved_model, **WHERE, source=str(model))
    assert list(cache.iterdir()) == []
    assert cache.stat().st_mode & 0o077 == 0


def test_without_a_cache_it_works_too(
    call: Call, bucket: str, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert call(gcs_saved_model, **WHERE, source=str(model))["changed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"version": 0}, "numbered from 1"),
        ({"path": "models/m/1"}, "ends with a number"),
        ({"path": "models//m"}, "folders' names"),
        ({"path": "/"}, "folders' names"),
        ({"state": "pruned"}, "keep"),
        ({"state": "pruned", "keep": 0}, "at least the newest"),
        ({"state": "absent"}, "version"),
        ({"state": "absent", "version": None}, "state=absent needs version"),
        ({"state": "pruned", "keep": None}, "state=pruned needs keep"),
        ({"source": None}, "source"),
        ({"source": "/nowhere"}, "is not a folder"),
        ({"source": "/nowhere.zip"}, "does not exist"),
        ({"source": "gs://elsewhere/x/1"}, "the bucket elsewhere does not exist"),
        ({"source": "gs://models/nothing"}, "is not a SavedModel"),
        ({"bucket": "nobodys"}, "bucket nobodys does not exist: make it with"),
    ],
)
def test_bad_input_is_one_sentence(
    call: Call, objects: Objects, bucket: str, model: Path, options: dict[str, Any], words: str
) -> None:
    result = call(gcs_saved_model, **{**WHERE, "source": str(model), **options})
    assert words in result["msg"]
    assert "exception" not in result
    assert objects.names("models") == []


def test_a_bucket_that_is_yet_to_come_is_no_error_in_check_mode(call: Call, model: Path) -> None:
    assert call(gcs_saved_model, check=True, **WHERE, source=str(model))["changed"]
    assert call(gcs_saved_model, **WHERE, state="listed")["versions"] == []


def test_hostile_archives_never_leave_their_folder(call: Call, bucket: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tgz", "w:gz") as tar:
        info = tarfile.TarInfo("../evil")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"evil"))
    assert "a place outside" in call(gcs_saved_model, **WHERE, source=str(tmp_path / "evil.tgz"))["msg"]
    assert not (tmp_path.parent / "evil").exists()

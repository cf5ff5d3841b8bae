"""A publisher and a remover at one version at the same moment: whoever is told success has what it asked for."""

from __future__ import annotations

import datetime
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.rest import Google
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs import saved_model
from ansible_collections.mlops.tfserving.plugins.modules import gcs_saved_model
from objects import Objects

Call = Callable[..., dict[str, Any]]
Json = dict[str, Any]
NOTES, MANIFEST, PB = "assets.extra/notes", "tfserving_manifest.json", "saved_model.pb"
WHERE = {"bucket": "models", "path": "m"}
CLAIM = "m/.publishing/1.json"
PRUNE = {**WHERE, "state": "pruned", "keep": 1}


class Meanwhile:
    """Does something right before a request of the next run, counted from 0; tells whether it came to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._send = Google.send
        self.left, self.do = -1, lambda: None
        meanwhile = self

        def send(google: Google, *args: Any, **options: Any) -> Any:
            if meanwhile.left == 0:
                meanwhile.left = -1
                meanwhile.do()
            elif meanwhile.left > 0:
                meanwhile.left -= 1
            return meanwhile._send(google, *args, **options)

        monkeypatch.setattr(Google, "send", send)

    def before(self, request: int, do: Callable[[], None]) -> None:
        self.left, self.do = request, do

    @property
    def done(self) -> bool:
        return self.left == -1


def damaged(objects: Objects, _manifest: Json) -> None:
    objects.delete("models", f"m/1/{NOTES}")


def abandoned(objects: Objects, manifest: Json) -> None:
    """A publisher was killed before the last two files, more than a week ago."""
    objects.delete("models", f"m/1/{PB}")
    objects.delete("models", f"m/1/{MANIFEST}")
    objects.put("models", CLAIM, json.dumps(manifest).encode())


def killed_at_its_end(objects: Objects, manifest: Json) -> None:
    objects.put("models", CLAIM, json.dumps(manifest).encode())


def gone(objects: Objects) -> list[str]:
    return [name for name in objects.names("models") if name.startswith(("m/1/", CLAIM))]


@pytest.mark.parametrize(
    ("within", "begun"),
    [
        ("pruning", damaged),
        ("pruning", abandoned),
        ("publishing", damaged),
        ("publishing", abandoned),
        ("publishing", killed_at_its_end),
    ],
)
def test_at_every_moment_of_the_other(
    call: Call, objects: Objects, bucket: str, model: Path, monkeypatch: pytest.MonkeyPatch,
    within: str, begun: Callable[[Objects, Json], None],
) -> None:  # fmt: skip
    publish = {**WHERE, "source": str(model), "version": 1}
    first = call(gcs_saved_model, **publish)["manifest"]
    newer = Path(shutil.copytree(model, model.parent / "newer"))
    (newer / NOTES).write_bytes(b"newer")
    assert call(gcs_saved_model, **WHERE, source=str(newer), version=2)["changed"]
    monkeypatch.setattr(
        saved_model, "_now", lambda: datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=8)
    )
    meanwhile = Meanwhile(monkeypatch)
    seen = set()
    for moment in itertools.count():
        begun(objects, first)
        other: Json = {}
        one, two = (PRUNE, publish) if within == "pruning" else (publish, PRUNE)
        meanwhile.before(moment, lambda two=two, other=other: other.update(call(gcs_saved_model, **two)))
        found = call(gcs_saved_model, **one)
        if not meanwhile.done:
            break
        published, pruned = (other, found) if within == "pruning" else (found, other)
        state = {v["version"]: v["state"] for v in call(gcs_saved_model, **WHERE, state="listed")["versions"]}
        seen.add("refused" if "msg" in published else "published")
        if "msg" in published:
            assert "being removed" in published["msg"] or "removed this version" in published["msg"], (
                moment,
                published,
            )
        elif not (within == "pruning" and moment == 0):  # there it was over before the other looked
            assert state.get(1) == "complete", (moment, published, pruned)
        # Both again, one after the other: nothing is left that keeps either from it.
        assert "msg" not in call(gcs_saved_model, **PRUNE), moment
        # What was on its way when the claim was taken is left, and is no version.
        assert len(gone(objects)) <= (1 if within == "publishing" else 0), moment
        assert call(gcs_saved_model, **publish)["changed"], moment
        assert CLAIM not in objects.names("models")
    assert seen == {"published", "refused"}


class Killed(BaseException):
    """Like SIGKILL: nothing of ours runs after it."""


@pytest.mark.parametrize("end", [PRUNE, {**WHERE, "state": "absent", "version": 1}])
def test_a_removal_that_was_killed_is_ended_by_the_next(
    call: Call, objects: Objects, bucket: str, model: Path, monkeypatch: pytest.MonkeyPatch, end: Json
) -> None:
    publish = {**WHERE, "source": str(model), "version": 1}
    call(gcs_saved_model, **publish)
    newer = Path(shutil.copytree(model, model.parent / "newer"))
    (newer / NOTES).write_bytes(b"newer")
    call(gcs_saved_model, **WHERE, source=str(newer), version=2)
    meanwhile = Meanwhile(monkeypatch)

    def die() -> None:
        raise Killed

    ended = 0
    for moment in itertools.count():
        meanwhile.before(moment, die)
        try:
            call(gcs_saved_model, **PRUNE)
        except Killed:
            if CLAIM not in objects.names("models"):
                continue  # it had not begun
            assert "is being removed since" in call(gcs_saved_model, **publish)["msg"]
            beside = call(gcs_saved_model, **WHERE, source=str(model))
            assert beside["version"] == 3, "nobody waits for it who did not ask for its number"
            call(gcs_saved_model, **WHERE, state="absent", version=3)
            done = call(gcs_saved_model, **end)
            assert "msg" not in done and done["changed"], (moment, done)
            assert gone(objects) == []
            call(gcs_saved_model, **publish)
            ended += 1
        else:
            break
    assert ended > 5

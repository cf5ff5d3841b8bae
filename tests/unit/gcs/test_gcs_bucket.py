"""Buckets and their IAM policies: what is planned, and what becomes of it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils import outcome
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.labels import MARK
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs import iam
from ansible_collections.mlops.tfserving.plugins.modules import gcs_bucket, gcs_saved_model
from emulator import Emulator
from hypothesis import given
from hypothesis import strategies as st
from objects import Objects

sys.path.insert(0, str(Path(__file__).parent))

from google_with_iam import FullGoogle

from sandbox.google.projects import project_number

Call = Callable[..., dict[str, Any]]
VIEWER = "roles/storage.objectViewer"
NUMBER = project_number("sandbox-project")


def test_a_bucket_converges(call: Call, objects: Objects) -> None:
    bucket: dict[str, Any] = {"name": "models", "location": "US-central1", "labels": {"a": "b"}}
    would = call(gcs_bucket, check=True, **bucket)
    real = call(gcs_bucket, **bucket)
    assert would["changed"] and would["diff"] == real["diff"]
    made = real["bucket"]
    assert made["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert made["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] is True
    assert not call(gcs_bucket, **bucket)["changed"]
    rules = [
        {"action": "Delete", "num_newer_versions": 3, "is_live": False},
        {"action": "SetStorageClass", "storage_class": "NEARLINE", "age": 30, "matches_prefix": ["b/", "a/"]},
    ]
    changes = [
        {"labels": {"c": "d"}}, {"labels": {}}, {"versioning": True}, {"versioning": False},
        {"soft_delete_seconds": 0}, {"soft_delete_seconds": 604800}, {"storage_class": "NEARLINE"},
        {"lifecycle_rules": rules}, {"lifecycle_rules": rules[:1]}, {"lifecycle_rules": []},
        {"public_access_prevention": "inherited"}, {"uniform_bucket_level_access": False},
    ]  # fmt: skip
    for change in changes:
        would = call(gcs_bucket, check=True, **{**bucket, **change})
        done = call(gcs_bucket, **{**bucket, **change})
        assert done["changed"], change
        assert done["diff"] == would["diff"]
        assert not call(gcs_bucket, **{**bucket, **change})["changed"], change
    assert "can't be moved" in call(gcs_bucket, **{**bucket, "location": "EU"})["msg"]
    objects.put("models", "o", b"")
    assert "holds 1 objects" in call(gcs_bucket, name="models", state="absent")["msg"]
    assert call(gcs_bucket, name="models", state="absent", force=True)["objects_removed"] == 1
    assert not call(gcs_bucket, name="models", state="absent")["changed"]


def test_the_order_of_rules_means_nothing(call: Call) -> None:
    rules = [
        {"action": "Delete", "age": 30, "matches_prefix": ["b/", "a/"]},
        {"action": "AbortIncompleteMultipartUpload", "age": 7},
    ]
    call(gcs_bucket, name="models", lifecycle_rules=rules)
    turned = [rules[1], {**rules[0], "matches_prefix": ["a/", "b/"]}]
    assert not call(gcs_bucket, name="models", lifecycle_rules=turned)["changed"]


def test_labels_are_text(call: Call) -> None:
    labels = {"version": 1, "spot": True, "owner": None}
    told = [call(gcs_bucket, name="models", labels=labels) for _ in range(2)]
    assert [one["changed"] for one in told] == [True, False]
    assert told[0]["bucket"]["labels"] == {"version": "1", "spot": "true", "owner": "", **MARK}


def test_options_that_are_not_given_are_not_managed(call: Call) -> None:
    full = {"labels": {"a": "b"}, "versioning": True, "lifecycle_rules": [{"action": "Delete", "age": 9}]}
    call(gcs_bucket, name="models", **full)
    bare = call(gcs_bucket, name="models")
    assert not bare["changed"]
    assert bare["bucket"]["labels"] == {"a": "b", **MARK} and bare["bucket"]["lifecycle"]["rule"]


def access_of(bucket: dict[str, Any]) -> tuple[bool, str]:
    found = bucket["iamConfiguration"]
    return found["uniformBucketLevelAccess"]["enabled"], found["publicAccessPrevention"]


def test_a_bucket_of_others_keeps_access_and_labels(
    call: Call, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its access control lists would mean nothing any more, and its owner's bills would miss it."""
    warned: list[str] = []
    monkeypatch.setattr(outcome.Module, "warn", lambda _, words: warned.append(words))
    objects.make_bucket("shared", labels={"team": "data"})
    before = objects.bucket("shared")
    assert access_of(before) == (False, "inherited")
    own = {"name": "shared", "own_only": True, "site": "p/n", "model_path": "m", "labels": {"env": "prod"}}
    would, done = call(gcs_bucket, check=True, **own), call(gcs_bucket, **own)
    assert would["diff"] == done["diff"]
    check, words = warned
    assert check == words
    after = objects.bucket("shared")
    assert access_of(after) == (False, "inherited")
    assert {key: text for key, text in after["labels"].items() if "site" not in key} == {
        "team": "data",
        "env": "prod",
    }
    assert "uniform_bucket_level_access is false and public_access_prevention is inherited" in words
    assert "uniform_bucket_level_access: true, public_access_prevention: enforced" in words
    assert not call(gcs_bucket, **own)["changed"]
    assert warned == [words] * 3
    said = {"uniform_bucket_level_access": True, "public_access_prevention": "inherited"}
    assert call(gcs_bucket, **own, **said)["changed"]
    assert access_of(objects.bucket("shared")) == (True, "inherited")
    assert len(warned) == 3


def test_one_that_was_made_here_stays_private(call: Call, objects: Objects) -> None:
    call(gcs_bucket, name="models", own_only=True)
    call(gcs_bucket, name="models", uniform_bucket_level_access=False, public_access_prevention="inherited")
    assert access_of(objects.bucket("models")) == (False, "inherited")
    done = call(gcs_bucket, name="models", own_only=True)
    assert done["changed"]
    assert access_of(objects.bucket("models")) == (True, "enforced")
    public = {"role": VIEWER, "members": ["allUsers"]}
    refused = call(gcs_bucket, name="models", own_only=True, iam_members=[public])
    assert "public_access_prevention is enforced: one of them is meant" in refused["msg"]


def test_a_bucket_of_another_project_is_left_alone(call: Call, objects: Objects) -> None:
    objects.make_bucket("models", "somebody-else", location="EU")
    for options in ({"location": "EU"}, {"labels": {"a": "b"}}, {"state": "absent", "force": True}):
        told = call(gcs_bucket, name="models", **options)["msg"]
        assert "belongs to another project" in told and "choose another name" in told
    assert "labels" not in objects.bucket("models")


def test_somebody_elses_change_is_not_lost(
    call: Call, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(gcs_bucket, name="models", labels={"a": "b"})
    real, raced = gcs_bucket.Storage.patch_bucket, []

    def patch(self: Any, name: str, body: Any, metageneration: str) -> Any:
        if not raced:
            raced.append(1)
            objects.patch_bucket("models", {"versioning": {"enabled": True}})
        return real(self, name, body, metageneration)

    monkeypatch.setattr(gcs_bucket.Storage, "patch_bucket", patch)
    done = call(gcs_bucket, name="models", labels={"c": "d"})
    assert (done["bucket"]["labels"], done["bucket"]["versioning"]) == ({"c": "d", **MARK}, {"enabled": True})


@pytest.fixture
def google(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> FullGoogle:
    full = FullGoogle(emulator)
    monkeypatch.setattr(gcs_bucket, "connect", full.connect)
    return full


READER = {"role": VIEWER, "workload_identities": [{"namespace": "serving", "service_account": "models"}]}
POOL = "locations/global/workloadIdentityPools/sandbox-project.svc.id.goog"
MEMBER = f"principal://iam.googleapis.com/projects/{NUMBER}/{POOL}/subject/ns/serving/sa/models"


def test_members_are_added_once(call: Call, google: FullGoogle) -> None:
    grants = [READER, {"role": "roles/storage.admin", "members": ["user:Ann@Example.com"]}]
    would = call(gcs_bucket, check=True, name="models", iam_members=grants)
    made = call(gcs_bucket, name="models", iam_members=grants)
    assert made["diff"] == would["diff"]
    assert iam.granted(google.policies["models"]) == {
        VIEWER: [MEMBER],
        "roles/storage.admin": ["user:ann@example.com"],
        "roles/storage.legacyBucketOwner": ["projectOwner:sandbox-project"],
    }
    assert not call(gcs_bucket, name="models", iam_members=grants)["changed"]
    would = call(
        gcs_bucket, check=True, name="models", iam_members=[{"role": VIEWER, "members": ["user:b@x.org"]}]
    )
    more = call(gcs_bucket, name="models", iam_members=[{"role": VIEWER, "members": ["user:b@x.org"]}])
    assert more["diff"] == would["diff"] == {
        "before": {"iam": {VIEWER: [MEMBER]}}, "after": {"iam": {VIEWER: [MEMBER, "user:b@x.org"]}},
    }  # fmt: skip


def test_exclusive_members_are_all_there_are_of_their_roles(call: Call, google: FullGoogle) -> None:
    call(
        gcs_bucket, name="models", iam_members=[{"role": VIEWER, "members": ["user:a@x.org", "user:b@x.org"]}]
    )
    only = [{"role": VIEWER, "members": ["user:b@x.org"]}]
    assert not call(gcs_bucket, name="models", iam_members=only)["changed"]
    assert call(gcs_bucket, name="models", iam_members=only, iam_members_exclusive=True)["changed"]
    assert iam.granted(google.policies["models"])[VIEWER] == ["user:b@x.org"]
    none = [{"role": VIEWER, "members": []}]
    assert call(gcs_bucket, name="models", iam_members=none, iam_members_exclusive=True)["changed"]
    assert VIEWER not in iam.granted(google.policies["models"])
    assert "roles/storage.legacyBucketOwner" in iam.granted(google.policies["models"]), "others' roles stay"


def test_a_policy_that_others_change_meanwhile_loses_nothing(call: Call, google: FullGoogle) -> None:
    call(gcs_bucket, name="models", iam_members=[READER])
    conditional = {
        "role": VIEWER,
        "members": ["user:c@x.org"],
        "condition": {"expression": "request.time < x"},
    }
    pending = [conditional, {"role": "roles/storage.admin", "members": ["user:d@x.org"]}]
    google.interfere = lambda: pending and google.grant("models", pending.pop())
    call(gcs_bucket, name="models", iam_members=[{"role": VIEWER, "members": ["user:e@x.org"]}])
    policy = google.policies["models"]
    assert conditional in policy["bindings"]
    assert iam.granted(policy)["roles/storage.admin"] == ["user:d@x.org"]
    assert iam.granted(policy)[VIEWER] == [MEMBER, "user:e@x.org"]


MEMBERS = st.lists(st.sampled_from(["user:a@x", "user:b@x", "group:c@x", MEMBER]), max_size=4)
POLICIES = st.dictionaries(st.sampled_from([VIEWER, "roles/a", "roles/b"]), MEMBERS)


@given(POLICIES, POLICIES, st.booleans())
def test_one_change_is_enough_and_touches_nothing_else(have: Any, wish: Any, exclusive: bool) -> None:
    policy = {"etag": "e", "bindings": [{"role": r, "members": m} for r, m in have.items()]}
    _, after = iam.changes(policy, wish, exclusive=exclusive)
    changed = iam.apply(policy, after)
    assert iam.changes(changed, wish, exclusive=exclusive) == ({}, {})
    assert changed["etag"] == "e"
    now = iam.granted(changed)
    for role, members in wish.items():
        assert set(members) <= set(now.get(role, []))
    for role, members in have.items():
        if role not in wish or not exclusive:
            assert set(members) <= set(now.get(role, []))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        *(({"name": name}, "3 to 63") for name in ("Up", "a", "goog-x", "a..b", "x" * 64)),
        ({"soft_delete_seconds": 5}, "604800"),
        ({"lifecycle_rules": [{"action": "Delete"}]}, "rule 1 has no condition"),
        ({"lifecycle_rules": [{"action": "Delete", "age": -1}]}, "must not be negative"),
        ({"lifecycle_rules": [{"action": "SetStorageClass", "age": 1}]}, "storage_class goes with"),
        ({"lifecycle_rules": [{"action": "Delete", "created_before": "tomorrow"}]}, "must be a date"),
        ({"iam_members": [{"role": "viewer"}]}, "not of the form roles/"),
        ({"iam_members": [{"role": VIEWER, "members": ["ann@x.org"]}]}, "is not a member"),
        ({"iam_members": [{"role": VIEWER}, {"role": VIEWER}]}, "is there twice"),
        (
            {"iam_members": [{"role": VIEWER, "members": ["allUsers"]}], "public_access_prevention": "enforced"},
            "one of them is meant",
        ),
        (
            {"iam_members": [{"role": VIEWER, "workload_identities": [
                {"project": "other", "namespace": "n", "service_account": "s"}]}]},
            "give its project_number",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_before_anything_is_asked(
    call: Call, google: FullGoogle, options: dict[str, Any], words: str
) -> None:
    assert words in call(gcs_bucket, **{"name": "models", **options})["msg"]
    assert google.requests == []


PUBLISHED = {
    "bucket": "models",
    "path": "models/m",
    "source": str(Path(__file__).parents[1] / "saved_model/models/good"),
}
OWN = {"name": "models", "state": "absent", "own_only": True, "model_path": "models/m"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.usefixtures("cache")
def test_what_others_have_in_a_bucket_of_ours_keeps_it(call: Call, objects: Objects) -> None:
    call(gcs_bucket, name="models", labels={"a": "b"}, versioning=True)
    assert call(gcs_bucket, name="models", labels={"c": "d"})["changed"]
    assert objects.bucket("models")["labels"] == {"c": "d", **MARK}
    call(gcs_saved_model, **PUBLISHED)
    objects.put("models", "ledger.csv", b"1;2")
    assert "ledger.csv" in call(gcs_bucket, check=True, **{**OWN, "model_path": None})["kept"]
    stays = call(gcs_bucket, check=True, **OWN, removes="bucket")
    assert (stays["changed"], "or are to stay" in stays["kept"]) == (False, True)
    would = call(gcs_bucket, check=True, **OWN)
    done = call(gcs_bucket, **OWN)
    assert (done["diff"], done["kept"]) == (would["diff"], would["kept"])
    assert "it holds 1 objects that are no published version of this model: ledger.csv" in done["kept"]
    assert objects.names("models") == ["ledger.csv"]
    assert not call(gcs_bucket, **OWN)["changed"]
    objects.delete("models", "ledger.csv")
    assert "ledger.csv" in call(gcs_bucket, **OWN)["kept"], "versioning keeps what was deleted"
    assert call(gcs_bucket, **OWN, force=True)["kept"] == ""
    gone = call(gcs_bucket, **OWN)
    assert (gone["changed"], gone["kept"], gone["objects_removed"]) == (False, "", 0)


@pytest.mark.usefixtures("cache")
def test_what_another_site_uses_stays(call: Call, objects: Objects) -> None:
    """Two sites with the default bucket and model, and one with a model of its own."""
    one = {"name": "models", "model_path": "models/m", "site": "p/us-central1/Dev/tfserving/m"}
    two = {**one, "site": "p/us-central1/prod/tfserving/m"}
    three = {**one, "model_path": "models/n", "site": "p/us-central1/dev/tfserving/n"}
    own = {"state": "absent", "own_only": True}
    assert call(gcs_bucket, **one)["shared_with"] == []
    assert call(gcs_bucket, **two)["shared_with"] == ["p_us-central1_dev_tfserving_m"]
    call(gcs_bucket, **three)
    for site in (one, two, three):
        again = call(gcs_bucket, **site, labels={"team": "ml"})
        assert not call(gcs_bucket, **site, labels={"team": "ml"})["changed"]
        assert len(again["bucket"]["labels"]) == 5, "ours, the team's, three sites'"
    call(gcs_saved_model, **PUBLISHED)
    for force in (False, True):
        would = call(gcs_bucket, check=True, **one, **own, force=force)
        assert would["changed"] and would["objects_removed"] == 0
        assert "they are used by p_us-central1_prod_tfserving_m, too" in would["kept"]
    assert call(gcs_bucket, **one, **own)["changed"]
    assert not call(gcs_bucket, **one, **own)["changed"]
    assert len(objects.names("models")) > 1
    # The last one that uses the model takes it along, and the last one of the bucket the bucket.
    assert (
        "by its labels it is used by p_us-central1_dev_tfserving_n, too"
        in call(gcs_bucket, **two, **own)["kept"]
    )
    assert objects.names("models") == []
    assert call(gcs_bucket, **three, **own)["kept"] == ""


@pytest.mark.usefixtures("cache")
def test_each_folder_that_a_site_serves_from_is_its_own_and_what_it_left_is_not(
    call: Call, objects: Objects
) -> None:
    """One serves several models; the other published one of them, is torn down, and comes again without it."""
    one = {"name": "models", "model_path": "models/x", "more_model_paths": ["models/m/"], "site": "one"}
    two = {"name": "models", "model_path": "models/m", "site": "two"}
    gone = {"state": "absent", "own_only": True}
    call(gcs_bucket, **one)
    assert call(gcs_bucket, **two)["shared_with"] == ["one"]
    call(gcs_saved_model, **PUBLISHED)
    assert call(gcs_bucket, **two, **gone)["objects_removed"] == 0
    call(gcs_bucket, **two)
    left = call(gcs_bucket, **{**one, "more_model_paths": []})
    assert left["changed"] and len(left["bucket"]["labels"]) == 3, "ours, and one of each"
    label = {"name": "models", "site": "one", "state": "absent", "removes": "label"}
    assert (call(gcs_bucket, **label)["changed"], call(gcs_bucket, **label)["changed"]) == (True, False)
    assert call(gcs_bucket, **two, **gone)["kept"] == "", "the last one"


@pytest.mark.usefixtures("cache")
def test_a_bucket_of_ours_goes_with_its_versions(call: Call, objects: Objects) -> None:
    call(gcs_bucket, name="models", versioning=True)
    call(gcs_saved_model, **PUBLISHED)
    objects.put("models", "models/", b"")
    would = call(gcs_bucket, check=True, **OWN)
    done = call(gcs_bucket, **OWN)
    assert done["diff"] == would["diff"] and done["changed"] and done["kept"] == ""
    assert "error" in objects.bucket("models")


@pytest.mark.usefixtures("cache")
def test_a_bucket_of_others_loses_published_versions_alone(call: Call, objects: Objects) -> None:
    objects.make_bucket("models")
    call(gcs_saved_model, **PUBLISHED)
    for name in ("models/m/1/extra", "models/m/7/saved_model.pb", "models/m2/1/saved_model.pb"):
        objects.put("models", name, b"x")
    stays = ["models/m/1/extra", "models/m/7/saved_model.pb", "models/m2/1/saved_model.pb"]
    for more in ({"model_path": None}, {"force": True}, {}):
        told = call(gcs_bucket, **{**OWN, **more})
        assert "it does not have the label made-by=mlops-tfserving" in told["kept"]
        assert (objects.names("models") == stays) is (more != {"model_path": None})


@pytest.mark.usefixtures("cache")
def test_pruning_leaves_what_others_put_into_a_version(call: Call, objects: Objects, tmp_path: Path) -> None:
    objects.make_bucket("models")
    where = {"bucket": "models", "path": "models/m"}
    call(gcs_saved_model, **PUBLISHED)
    other = Path(shutil.copytree(PUBLISHED["source"], tmp_path / "other"))
    (other / "notes").write_text("other")
    call(gcs_saved_model, **where, source=str(other))
    objects.put("models", "models/m/1/mine.txt", b"mine")
    gone = call(gcs_saved_model, **where, state="pruned", keep=1)
    assert gone["removed_versions"] == [1] and "models/m/1/mine.txt" not in gone["removed"]
    assert [name for name in objects.names("models") if "/1/" in name] == ["models/m/1/mine.txt"]
    assert not call(gcs_saved_model, **where, state="pruned", keep=1)["changed"]

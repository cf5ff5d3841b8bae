"""What a receipt says, and that a teardown which is killed and repeated ends in the same."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.leftovers.receipt import (
    begun,
    command,
    finished,
    reason,
    words,
)

Json = dict[str, Any]
PLACE = {
    "project": "p",
    "cluster": "c",
    "location": "us-central1-f",
    "namespace": "tfserving",
    "bucket": "models",
}
PRICES = {"currency": "USD", "date": "2026-09-27", "region": "us-central1", "source": "a list"}


def one(kind: str, name: str, of: str, place: str = "us-central1", **fields: Any) -> Json:
    base = {
        "kind": kind,
        "name": name,
        "place": place,
        "of": of,
        "why": "it has a mark",
        "sure": True,
        "month": 0.0,
        "id": "",
    }
    return base | fields  # fmt: skip


CLUSTER = one("cluster", "c", "cluster", "us-central1-f", month=73.0, id="1")
NODE = one("instance", "n", "cluster", "us-central1-f", month=24.46, id="2")
RULE = one("forwarding-rule", "a1", "service", month=18.25)
DISK = one("disk", "pvc-1", "volume", "us-central1-f", month=2.0)
BUCKET = one("bucket", "models", "bucket", month=None)
ALL = [CLUSTER, NODE, RULE, DISK, BUCKET]
OBJECTS = ["Service/x", "Deployment/x"]


def end(receipt: Json, now: list[Json], **kept: str) -> Json:
    return finished(receipt, now, [], kept, PRICES, "later")


def test_what_was_there_what_is_gone_and_what_is_left() -> None:
    made = end(begun(None, PLACE, ALL, OBJECTS, "now"), [DISK, BUCKET], bucket="teardown_bucket is false")
    assert made["gone"] == [
        "cluster c in us-central1-f", "forwarding-rule a1 in us-central1", "instance n in us-central1-f",
    ]  # fmt: skip
    assert [(left["name"], left["reason"]) for left in made["left"]] == [
        ("pvc-1", "Google leaves disks of claims that were there when the cluster went, or that are to be retained: it may hold data"),
        ("models", "teardown_bucket is false"),
    ]  # fmt: skip
    assert (made["month"], made["unpriced"]) == (2.0, ["bucket models in us-central1"])
    said = words(made)
    assert said[0] == "there was: 1 bucket, 1 cluster, 1 disk, 1 forwarding-rule, 1 instance"
    assert "2.00 USD a month by the prices of 2026-09-27, without bucket models in us-central1" in said[-1]


@pytest.mark.parametrize("gone", range(len(ALL) + 1))
def test_killed_after_each_step_and_run_again_it_ends_in_the_same(gone: int) -> None:
    whole = end(begun(None, PLACE, ALL, OBJECTS, "now"), [DISK])
    first = begun(None, PLACE, ALL, OBJECTS, "now")
    rest = [found for found in ALL[gone:] if found is not DISK]
    again = begun(first, PLACE, [*rest, DISK], OBJECTS[gone:], "much later")
    assert end(again, [DISK]) == whole


def test_killed_in_the_end_or_repeated_it_stays_the_same() -> None:
    whole = end(begun(None, PLACE, ALL, OBJECTS, "now"), [DISK])
    assert end(begun(whole, PLACE, [DISK], [], "much later"), [DISK]) == whole
    gone = end(begun(whole, PLACE, [DISK], [], "much later"), [])
    assert gone["left"] == [] and len(gone["gone"]) == len(ALL), "removed by hand since"


@pytest.mark.parametrize(
    ("place", "there", "objects"),
    [
        (PLACE | {"cluster": "d"}, [DISK], []),
        (PLACE, [DISK, CLUSTER | {"id": "3"}], []),
        (PLACE, [DISK], ["Service/x"]),
    ],
)
def test_another_site_or_one_that_was_made_anew_gets_a_receipt_of_its_own(
    place: Json, there: list[Json], objects: list[str]
) -> None:
    whole = end(begun(None, PLACE, ALL, OBJECTS, "now"), [DISK])
    made = begun(whole, place, there, objects, "much later")
    assert (made["began"], len(made["there"]), made["objects"]) == ("much later", len(there), objects)


def test_what_came_meanwhile_is_told_as_left() -> None:
    made = end(begun(None, PLACE, [CLUSTER], [], "now"), [RULE])
    assert [left["name"] for left in made["left"]] == ["a1"] and RULE in made["there"]


def test_nothing_is_left_is_said_only_where_everything_was_looked_at() -> None:
    receipt = begun(None, PLACE, ALL, [], "now")
    assert words(end(receipt, []))[-1] == "Nothing is left."
    blind = [
        {"what": "disks", "kinds": ["disk"], "reason": "Required 'compute.disks.list'", "hint": "Allow it."}
    ]
    made = finished(receipt, [], blind, {}, PRICES, "later")
    assert (len(made["gone"]), made["not_known"]) == (len(ALL) - 1, ["disk pvc-1 in us-central1-f"])
    said = words(made)
    assert "gone: 4 of 5" in said and "not known: disk pvc-1 in us-central1-f" in said
    assert said[-1] == "not looked at: disks: Required 'compute.disks.list'. Allow it."


@pytest.mark.parametrize(
    ("left", "stays", "said"),
    [
        (NODE, True, "it goes with the cluster"),
        (NODE, False, "Google did not remove it with the cluster"),
        (RULE, True, "its Service or route is still there"),
        (RULE | {"sure": False}, False, "it has a mark, and so may another cluster's: look before you remove it"),
        (one("service-account", "a", "project"), False, "it was made once for the project, where other sites may use it"),
        (one("binding", "r m", "bucket", "models"), False, "it goes with the bucket, which stays"),
        (CLUSTER, True, "it is still there"),
    ],
)  # fmt: skip
def test_why_it_is_left(left: Json, stays: bool, said: str) -> None:
    assert reason(left, {}, cluster_stays=stays) == said


@pytest.mark.parametrize(
    ("left", "line"),
    [
        (CLUSTER, "gcloud container clusters delete c --location=us-central1-f --project=p"),
        (NODE, "gcloud compute instances delete n --zone=us-central1-f --project=p"),
        (RULE, "gcloud compute forwarding-rules delete a1 --region=us-central1 --project=p"),
        (one("address", "a", "project", "global"), "gcloud compute addresses delete a --global --project=p"),
        (one("firewall-rule", "f", "cluster", "global"), "gcloud compute firewall-rules delete f --project=p"),
        (one("service-account", "a@p", "project"), "gcloud iam service-accounts delete a@p --project=p"),
        (BUCKET, "gcloud storage rm --recursive gs://models"),
        (one("binding", "roles/r user:u", "bucket", "models"),
         "gcloud storage buckets remove-iam-policy-binding gs://models --role=roles/r --member='user:u'"),
    ],
)  # fmt: skip
def test_what_removes_it_by_hand(left: Json, line: str) -> None:
    assert command(left, PLACE) == line

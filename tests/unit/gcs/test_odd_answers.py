"""Answers of Cloud Storage that never end or make no sense are told in words; what can't be a bucket is not asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils import retry
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import BadInput, GoogleError
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.rest import Answer, Google
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs.bucket import check_name
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs.manifest import (
    make_manifest,
    parse_manifest,
    to_text,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs.saved_model import converge
from ansible_collections.mlops.tfserving.plugins.module_utils.gcs.storage import Storage
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.files import ModelFile

Json = dict[str, Any]


class Service:
    """Answers each request with the next of these, the last for ever. Each takes a second."""

    def __init__(self, *answers: Json) -> None:
        self.answers, self.asked, self.seconds = list(answers), 0, 0.0
        clock = retry.Clock(lambda: self.seconds, lambda seconds: None)
        self.storage = Storage(Google("https://storage.example", self._answer, clock))

    def _answer(self, *_: Any, **__: Any) -> Answer:
        self.asked += 1
        self.seconds += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Answer(200, {}, json.dumps(answer).replace("NUMBER", str(self.asked)).encode())


def page(token: str) -> Json:
    return {"kind": "storage#objects", "items": [{"name": "a", "size": "1"}], "nextPageToken": token}


def test_a_list_whose_pages_come_again_is_told_at_once() -> None:
    service = Service(page("x"))
    with pytest.raises(
        GoogleError, match="list of gs://b/p: its list has no end: after 2 pages a page came for the second"
    ):
        list(service.storage.objects("b", "p"))
    assert service.asked == 2


def test_a_list_without_end_ends_with_the_deadline() -> None:
    service = Service(page("NUMBER"))
    with pytest.raises(GoogleError, match=r"and 600 s there are more"):
        list(service.storage.objects("b", "p"))
    assert service.asked == pytest.approx(retry.LIST_DEADLINE, abs=5)
    with pytest.raises(GoogleError, match="no end"):
        Service({**page("x"), "items": []}).storage.owns("p", "b")


def test_a_copy_without_end_is_told() -> None:
    """Each request copies a mebibyte at the least."""
    service = Service(
        {"kind": "storage#rewriteResponse", "done": False, "rewriteToken": "x", "totalBytesRewritten": "0"}
    )
    source = {"name": "a", "size": str(5 * 2**20), "generation": "1", "crc32c": "x"}
    with pytest.raises(GoogleError, match="comes to no end"):
        service.storage.copy("b", source, "b", "c")
    assert 5 <= service.asked < 20


@pytest.mark.parametrize("size", [None, "zz", "-1", "1e400", float("inf")])
def test_an_object_of_no_size_is_told(size: Any) -> None:
    listed = {"kind": "storage#objects", "items": [{"name": "a", "size": size}]}
    with pytest.raises(GoogleError, match="can't be"):
        list(Service(listed).storage.objects("b", "p"))


@pytest.mark.parametrize(
    "answers", [({"items": []},), ({"items": None},), ({},), ({"items": []}, {"items": []})]
)
def test_an_empty_list_of_somebody_else_is_asked_for_again(answers: tuple[Json, ...]) -> None:
    whole = {"kind": "storage#objects", "items": [{"name": "a", "size": "1"}]}
    assert [item["name"] for item in Service(*answers, whole).storage.objects("b", "p")] == ["a"]


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e400", "-1", '"zz"', "null", "{}"])
def test_a_manifest_with_an_odd_number_is_none(number: str) -> None:
    files = [ModelFile("saved_model.pb", 7, "crc", "sha")]
    manifest = make_manifest("m", 1, files, None, created="now", creator="me", source="here")
    text = to_text(manifest).decode()
    assert parse_manifest(text.encode()) == manifest
    assert (
        parse_manifest(text.replace('"size": 7,\n   "crc32c"', f'"size": {number},\n   "crc32c"').encode())
        is None
    )


@pytest.mark.parametrize("name", ["", "b/../c", "b?x", "b c", "-bb", "B", "a..b", "a" * 64, "goog-b"])
def test_what_can_not_be_a_bucket_is_not_asked_for(name: str) -> None:
    given = {
        "bucket": name,
        "path": "m",
        "state": "listed",
        "version": None,
        "keep": None,
        "api_endpoint": "http://127.0.0.1:1",
    }
    with pytest.raises(BadInput, match="bucket name"):
        converge(given, check_mode=False)


def test_a_bucket_named_by_a_domain_may_be_long() -> None:
    check_name(".".join(["a" * 60] * 3))

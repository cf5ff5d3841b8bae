"""One unlucky answer of Google, or of a proxy before it, changes nothing; what lasts is told in words."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import NoAnswer
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.client import Gke
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock, Policy
from ansible_collections.mlops.tfserving.plugins.modules import gcs_bucket, gcs_saved_model, gke_cluster_info
from unlucky import FAULTS, Fault, Unlucky

Json = dict[str, Any]
CLUSTER = {
    "name": "c",
    "status": "RUNNING",
    "endpoint": "10.0.0.1",
    "location": "europe-west1",
    "masterAuth": {"clusterCaCertificate": "QQ=="},
}
BUCKET = {
    "kind": "storage#bucket",
    "name": "bbb",
    "location": "EU",
    "storageClass": "STANDARD",
    "metageneration": "1",
    "projectNumber": "1",
}
MODULES: dict[str, tuple[Any, Json]] = {
    "gke_cluster_info": (gke_cluster_info, {"name": "c", "location": "europe-west1"}),
    "gcs_bucket": (gcs_bucket, {"name": "bbb", "location": "EU", "_ansible_check_mode": True}),
    "gcs_saved_model": (gcs_saved_model, {"bucket": "bbb", "path": "m", "state": "listed"}),
}


def answer(method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
    if path.endswith("/clusters/c"):
        return 200, CLUSTER
    if path.endswith("/iam"):
        return 200, {"kind": "storage#policy", "bindings": []}
    if path.endswith("/o"):
        return 200, {"kind": "storage#objects", "items": None}
    return 200, {"kind": "storage#buckets", "items": [BUCKET]} if path.endswith("/b") else BUCKET


def run(module: str, capsys: pytest.CaptureFixture[str], fault: Fault, times: int) -> Json:
    code, options = MODULES[module]
    common = {"project": "sandbox-project", "auth_kind": "accesstoken", "access_token": "secret-token"}
    with Unlucky(answer, fault, times).served() as server:
        given = {**common, "api_endpoint": server.url, **options}
        with patch_module_args(given), pytest.raises(SystemExit):
            code.main()
    result: Json = json.loads(capsys.readouterr().out.replace(server.url, "URL"))
    result.pop("invocation", None)
    return result


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Policy, "pause", lambda *_unused: 0.01)


@pytest.mark.parametrize("module", MODULES)
def test_what_passes_changes_nothing(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    with_luck = run(module, capsys, "reset", 0)
    assert not with_luck.get("failed"), with_luck
    empty: dict[str, Fault] = {
        "an empty list": (200, {}, b'{"items": []}'),
        "items: null": (200, {}, b'{"items": null}'),
    }
    for name, fault in {**FAULTS, **empty}.items():
        for times in (1, 2):
            assert run(module, capsys, fault, times) == with_luck, (name, times)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("fault", ["page of a proxy", "null", "text"])
def test_what_lasts_is_told_in_words(module: str, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(module, capsys, FAULTS[fault], 99)
    assert result["failed"]
    assert "Is a proxy or its login page in between?" in result["msg"]
    assert "Traceback" not in json.dumps(result)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_an_answer_that_does_not_say_how_an_operation_stands_is_not_its_end(times: int) -> None:
    answers: list[Json] = [{"items": None}] * times + [{"name": "o", "status": "DONE"}]
    google: Any = SimpleNamespace(call=lambda *_unused, **_words: answers.pop(0))
    gke = Gke(google, "p", "europe-west1", 600, Clock(sleep=lambda _seconds: None))
    operation = {"name": "o", "status": "RUNNING", "operationType": "CREATE_CLUSTER"}
    if times < 3:
        gke.wait(operation, "cluster c")
        assert answers == []
    else:
        with pytest.raises(NoAnswer, match="cluster c: o: the answers are not of Google's API"):
            gke.wait(operation, "cluster c")

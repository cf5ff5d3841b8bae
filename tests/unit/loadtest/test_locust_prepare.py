"""What must be right before anything of a load test is created, against an API server in memory."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest import payload, preparing
from ansible_collections.mlops.tfserving.plugins.module_utils.protos import message
from ansible_collections.mlops.tfserving.plugins.modules import locust_prepare

sys.path.append(str(Path(__file__).parents[1] / "roles"))

from serving_role import evaluate

COFFEE = Path(__file__).resolve().parents[3] / "roles/loadtest/files/coffee.jpg"
STEPS = {"max_steps": 2, "step_time": 10, "step_load": 2, "spawn_rate": 1, "ramp_down": 5}
Json = dict[str, Any]


class Cluster:
    """Jobs, Services and ConfigMaps, one pod of the model server, and masters behind the proxy."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.ready = True
        self.masters: dict[str, Json] = {}
        self.answer: tuple[int, Json] = (200, {"predictions": [1]})
        self.asked: list[Json] = []
        self.refuse_above, self.refusal = 0, (0, Json())

    def add(self, resource: str, run: str, name: str, *, age: float = 600, active: int = 0) -> None:
        born = datetime.now(UTC) - timedelta(seconds=age)
        base = "/apis/batch/v1" if resource == "jobs" else "/api/v1"
        self.objects[f"{base}/namespaces/n/{resource}/{name}"] = {
            "metadata": {
                "name": name, "creationTimestamp": born.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "labels": {"mlops.tfserving/run": run},
            },
            "status": {"active": active},
        }  # fmt: skip

    def get(self, path: str, **query: object) -> Json:
        if path.endswith("/pods"):
            condition = {"type": "Ready", "status": str(self.ready)}
            return {
                "items": [{"metadata": {"name": "m-1"}, "spec": {}, "status": {"conditions": [condition]}}]
            }
        if path in self.objects:
            return self.objects[path]
        found = [item for key, item in self.objects.items() if key.rpartition("/")[0] == path]
        if not found and path.count("/") > 6:
            raise KubeError(404, "NotFound", path)
        return {"items": found}

    def get_or_none(self, path: str, **query: object) -> Json | None:
        return self.objects.get(path)

    def patch(self, path: str, body: Any = None, *, content_type: str = "") -> Json:
        assert content_type == "application/apply-patch+yaml"
        path, _, query = path.partition("?")
        assert "fieldManager=mlops.tfserving" in query
        self.objects[path] = body
        return dict(body)

    def delete(self, path: str, body: Json | None = None, **_: object) -> Json:
        assert body is not None
        assert body["propagationPolicy"] == "Background"
        return self.objects.pop(path)

    def raw(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | None = None,
        **_: Any,
    ) -> tuple[int, dict[str, str], bytes]:
        if path.endswith("/loadtest"):
            assert query == {"observer": 1}, "looking must not keep a dead run alive"
            run = path.split("http:locust-")[1].split(":", maxsplit=1)[0]
            look = self.masters.get(run)
            return (200, {}, json.dumps(look).encode()) if look else (503, {}, b"")
        assert "/pods/http:m-1:8501/proxy/v1/models/m" in path
        if path.endswith("/metadata"):
            tensor = {"dtype": "DT_STRING", "tensor_shape": {"dim": [{"size": "-1"}]}}
            signature = {"signature_def": {"s": {"inputs": {"x": tensor}}}}
            return 200, {}, json.dumps({"metadata": {"signature_def": signature}}).encode()
        self.asked.append(json.loads(body or b"{}"))
        if self.refusal[0] and len(body or b"") > self.refuse_above:
            return self.refusal[0], {}, json.dumps(self.refusal[1]).encode()
        return self.answer[0], {}, json.dumps(self.answer[1]).encode()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(preparing, "client_from_params", lambda params: made)
    return made


def call(capsys: pytest.CaptureFixture[str], *, check: bool = False, **options: Any) -> Json:
    given = {
        "namespace": "n", "run": "now", "deployment": "m", "model": "m", "signature": "s",
        "payload": str(COFFEE), "shape": STEPS, "_ansible_check_mode": check, **options,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    with patch_module_args(given), pytest.raises(SystemExit):
        locust_prepare.main()
    return dict(json.loads(capsys.readouterr().out))


def test_the_payload_is_tried_and_put_into_config_maps(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    result = call(capsys)
    assert not result.get("failed"), result
    assert result["bodies"] == [{"file": "body-0", "name": "coffee.jpg", "weight": 1.0}]
    (path,) = cluster.objects
    stored = json.loads(base64.b64decode(cluster.objects[path]["binaryData"]["body-0"]))
    assert cluster.asked == [stored], "what was tried is what will be sent"
    assert base64.b64decode(stored["instances"][0]["b64"]) == COFFEE.read_bytes()
    assert result["config_maps"] == ["locust-now-payload-0"]
    assert result["plan"]["users"] == 4
    assert result["path"] == "/v1/models/m:predict"
    assert call(capsys, version=7)["path"] == "/v1/models/m/versions/7:predict"
    gone = call(capsys, state="absent")
    assert (gone["changed"], cluster.objects) == (True, {})
    assert not call(capsys, state="absent")["changed"]


def test_for_grpc_requests_are_serialised_here(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert not call(capsys, protocol="grpc", version=3).get("failed")
    (stored,) = cluster.objects.values()
    request = message("PredictRequest")
    request.ParseFromString(base64.b64decode(stored["binaryData"]["body-0"]))
    assert (request.model_spec.name, request.model_spec.version.value) == ("m", 3)
    assert list(request.inputs["x"].string_val) == [COFFEE.read_bytes()]
    (tried,) = cluster.asked
    assert base64.b64decode(tried["instances"][0]["b64"]) == COFFEE.read_bytes(), "it is tried by REST"


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_what_fits_no_config_map_is_refused_before_anything_is_created(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path, protocol: str
) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(payload.PART_BYTES))
    result = call(capsys, payload=str(tmp_path / "large.bin"), protocol=protocol)
    assert "large.bin: a request body of" in result["msg"]
    assert "does not fit a ConfigMap" in result["msg"]
    assert (cluster.objects, cluster.asked) == ({}, [])


def test_check_mode_checks_and_changes_nothing(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.add("configmaps", "old", "locust-old")
    result = call(capsys, check=True)
    assert (result["changed"], result["model_asked"], result["removed"]) == (True, True, ["old"])
    assert list(cluster.objects) == ["/api/v1/namespaces/n/configmaps/locust-old"]
    cluster.ready = False
    assert call(capsys, check=True)["model_asked"] is False, "a model that is yet to come is no error"
    assert call(capsys, check=True, ask_model=False)["model_asked"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shape": {"kind": "constant", "level": 1}}, "needs duration"),
        ({"shape": {"kind": "replay", "model": "open", "file": "/nonexistent.csv"}}, "can't be read"),
        ({"slo": ["p95 <= 3"]}, "p95 is not known"),
        ({"signature": "other"}, "the model has no signature 'other'; it has s"),
        ({"payload": "/nonexistent"}, "the payload can't be read: /nonexistent"),
        ({"payload_weights": {"tea.jpg": 1}}, "name no file"),
        ({"locustfile": "/nonexistent.py"}, "/nonexistent.py can't be read: No such file"),
        ({"payload": None}, "any of the following are missing: payload, locustfile"),
    ],
)
def test_mistakes_are_found_before_anything_is_created(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], options: Json, words: str
) -> None:
    result = call(capsys, **options)
    assert result["failed"]
    assert words in result["msg"]
    assert cluster.objects == {}


OWN = "from locust import HttpUser, task\nclass Mine(HttpUser):\n    @task\n    def ask(self):\n        self.client.get('/')\n"


def test_a_locustfile_of_ones_own_needs_no_payload(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    result = call(capsys, payload=None, locustfile=str(tmp_path / "mine.py"))
    assert not result.get("failed"), result
    assert (result["bodies"], result["model_asked"], cluster.asked) == ([], False, [])
    cluster.ready = False
    assert "no pod of m in namespace n is ready" in call(capsys, locustfile=str(tmp_path / "mine.py"))["msg"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (OWN.replace(":\n    @", "\n    @").encode(), "line 2: it does not compile: expected ':'"),
        (b"print('\xff')", "does not compile"),
        (b"print(1)\n", "has no class of users"),
        (b"import helpers.more\n" + OWN.encode(), "line 1: it imports helpers.more, which stands beside it"),
        (b"from . import x\n" + OWN.encode(), "line 1: it imports ., which stands beside it"),
        (b"#" * 600_000, "has 600000 bytes, and a ConfigMap takes 524288"),
    ],
)
def test_a_locustfile_that_can_not_run_in_the_cluster_is_refused(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "mine.py").write_bytes(content)
    (tmp_path / "helpers.py").touch()
    result = call(capsys, locustfile=str(tmp_path / "mine.py"))
    assert words in result["msg"], result
    assert cluster.objects == {}


def test_the_open_model_is_the_roles_own(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    shape = {"kind": "constant", "model": "open", "level": 3, "duration": 5}
    assert "leave `model` away" in call(capsys, locustfile=str(tmp_path / "mine.py"), shape=shape)["msg"]


def test_what_the_model_refuses_is_told_in_its_words(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.answer = (400, {"error": "Input to DecodeJpeg is empty"})
    assert "coffee.jpg: the model answers 400: Input to DecodeJpeg is empty" in call(capsys)["msg"]
    cluster.answer = (200, {"error": "no"})
    assert "the model answers 200" in call(capsys)["msg"]
    assert cluster.objects == {}


@pytest.mark.parametrize(
    ("way", "variable"), [("size", "serving_max_request_bytes"), ("nesting", "serving_max_nesting")]
)
def test_what_the_proxy_lets_nobody_send_is_told_with_its_variable(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path, way: str, variable: str
) -> None:
    """Of many files the largest is among those that are tried."""
    refusals = {name: (status, words) for name, status, _code, words in evaluate("serving_refusals")}
    status, words = refusals[way]
    for number in range(30):
        (tmp_path / f"{number}.json").write_text(json.dumps({"b64": "AAAA" * (1 + (number == 29))}))
    cluster.refuse_above, cluster.refusal = 57, (status, {"error": words})
    told = call(capsys, payload=str(tmp_path))["msg"]
    assert f"29.json: the model answers {status}: {words}. Raise {variable}" in told
    assert cluster.objects == {}, "before anything is created"


def test_without_a_ready_pod_nothing_begins(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.ready = False
    assert "no pod of m in namespace n is ready" in call(capsys)["msg"]


def dead(cluster: Cluster) -> None:
    cluster.add("jobs", "old", "locust-old-master", active=1)
    cluster.masters["old"] = {"driver_silent_s": 400}


def finished(cluster: Cluster) -> None:
    cluster.add("jobs", "old", "locust-old-master")


def unreachable(cluster: Cluster) -> None:
    cluster.add("jobs", "old", "locust-old-master", active=1)


@pytest.mark.parametrize("left", [dead, finished, unreachable])
def test_what_a_killed_run_left_is_swept(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], left: Any
) -> None:
    left(cluster)
    cluster.add("jobs", "old", "locust-old-worker", active=2)
    cluster.add("services", "old", "locust-old")
    cluster.add("configmaps", "old", "locust-old-payload-0")
    result = call(capsys)
    assert not result.get("failed"), result
    assert len(result["removed"]) == 4
    assert list(cluster.objects) == ["/api/v1/namespaces/n/configmaps/locust-now-payload-0"]


def driven(cluster: Cluster) -> None:
    cluster.add("jobs", "old", "locust-old-master", active=1)
    cluster.masters["old"] = {"driver_silent_s": 2}


def starting(cluster: Cluster) -> None:
    cluster.add("configmaps", "old", "locust-old-payload-0", age=5)


@pytest.mark.parametrize("running", [driven, starting])
def test_two_load_tests_at_a_time_are_refused(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], running: Any
) -> None:
    running(cluster)
    before = dict(cluster.objects)
    assert "load test old is under way" in call(capsys)["msg"]
    assert cluster.objects == before

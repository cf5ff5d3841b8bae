"""The stand-in's coding of tensors, flags, metrics and life cycle, without TensorFlow."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "sandbox/images/tensorflow-serving"))

from model_server.errors import Code, ServingError
from model_server.flags import BadFlag, Flags, parse
from model_server.lifecycle import ModelManager
from model_server.main import metrics_path
from model_server.metrics import Metrics
from model_server.rest import RestApi
from model_server.tensors import TensorInfo, format_float, format_outputs, parse_json, parse_predict

X = {"serving_default": {"x": TensorInfo("x", "float32", (-1, 2))}}
IMAGES = {"serving_default": {"raw": TensorInfo("raw", "string", (-1,))}}
TWO = {"serving_default": {"a": TensorInfo("a", "int64", (-1,)), "b": TensorInfo("b", "bool", (-1,))}}


def inputs(body: Any, signatures: Any = X) -> dict[str, np.ndarray]:
    return parse_predict(parse_json(json.dumps(body).encode()), signatures).inputs


def test_rows_and_columns_give_the_same_tensor() -> None:
    rows = inputs({"instances": [[1, 2], [3, 4.5]]})["x"]
    assert rows.dtype == np.float32
    assert rows.tolist() == inputs({"inputs": [[1, 2], [3, 4.5]]})["x"].tolist() == [[1, 2], [3, 4.5]]
    both = inputs({"instances": [{"a": 1, "b": True}, {"a": 2, "b": False}]}, TWO)
    assert (both["a"].tolist(), both["b"].tolist()) == ([1, 2], [True, False])


def test_bytes_come_in_base64() -> None:
    assert inputs({"instances": [{"b64": "aGk="}]}, IMAGES)["raw"].tolist() == [b"hi"]


@pytest.mark.parametrize(
    ("body", "signatures", "message"),
    [
        (b"", X, "JSON Parse error: The document is empty"),
        (b"nonsense", X, "JSON Parse error: Invalid value. at offset: 0"),
        (b"{}", X, "Missing 'inputs' or 'instances' key"),
        (b'{"instances": [1], "signature_name": "y"}', X, 'Serving signature name: "y" not found in signature def'),
        (b'{"instances": ["a"]}', X, "Type: String is not of expected type: float32"),
        (b'{"instances": [1.0]}', {"serving_default": {"a": TensorInfo("a", "int64", None)}}, "is not of expected type: int64"),
        (b'{"instances": [[1, 2], [3]]}', X, "Encountered list at unexpected size"),
        (b'{"instances": [{"b64": "!"}]}', IMAGES, "Unable to base64 decode"),
        (b'{"instances": []}', X, "non-empty"),
    ],
)  # fmt: skip
def test_bad_requests_are_answered_in_tf_servings_words(body: bytes, signatures: Any, message: str) -> None:
    with pytest.raises(ServingError) as caught:
        parse_predict(parse_json(body), signatures)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert message in caught.value.message


@given(st.floats(width=32))
def test_floats_survive_the_way_there_and_back(value: float) -> None:
    text = format_float(float(np.float32(value)), single=True)
    assert np.float32(json.loads(text)) == np.float32(value) or np.isnan(value)
    assert set(text) & set(".eNI"), "never to be taken for an integer"


def test_outputs_in_both_formats() -> None:
    outputs = {
        "labels": np.array([[b"a", b"b"]], dtype=object),
        "p": np.array([[0.5, 1.0]], dtype=np.float32),
    }
    assert json.loads(format_outputs(outputs, row_format=True)) == {
        "predictions": [{"labels": ["a", "b"], "p": [0.5, 1.0]}]
    }
    assert json.loads(format_outputs(outputs, row_format=False)) == {
        "outputs": {"labels": [["a", "b"]], "p": [[0.5, 1.0]]}
    }
    raw = {"image_bytes": np.array([b"hi"], dtype=object)}
    assert json.loads(format_outputs(raw, row_format=True)) == {"predictions": [{"b64": "aGk="}]}
    with pytest.raises(ServingError, match="batch"):
        format_outputs({"a": np.array([1]), "b": np.array([1, 2])}, row_format=True)


def test_flags_as_gflags_has_them() -> None:
    flags, unknown = parse(["--port=1", "--enable_model_warmup=false", "--no_such=1", "stray"])
    assert (flags.port, flags.enable_model_warmup, flags.model_name) == (1, False, "default")
    assert unknown == ["--no_such=1", "stray"]
    for bad in ("--port=x", "--enable_batching=true", "--enable_model_warmup=maybe"):
        with pytest.raises(BadFlag):
            parse([bad])


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
        ('prometheus_config: { enable: true, path: "/m" }', "/m"),
        ("prometheus_config { enable: false }", None),
        ("", None),
    ],
)
def test_the_monitoring_configuration(config: str, path: str | None) -> None:
    assert metrics_path(config) == path


def test_metrics_have_tf_servings_names_and_cumulative_buckets() -> None:
    metrics = Metrics()
    metrics.count(":tensorflow:serving:request_count", model_name="m", status="OK")
    metrics.observe(
        ":tensorflow:serving:request_latency", 15, model_name="m", API="predict", entrypoint="REST"
    )
    text = metrics.render()
    assert "# TYPE :tensorflow:serving:request_count counter" in text
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 1' in text
    assert 'entrypoint="REST",le="10"} 0' in text
    assert 'entrypoint="REST",le="+Inf"} 1' in text
    assert "# HELP" not in text


class Stub:
    """A servable that answers its own version."""

    name = "m"

    def __init__(self, version: int) -> None:
        self.version = version
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def input_infos(self) -> Any:
        return X

    def predict(self, signature_name: str, inputs: Any, output_filter: Any = ()) -> Any:
        return {"y": np.array([self.version], dtype=np.int64)}


class Server:
    """A manager and its API over a folder of versions; versions in ``broken`` can't be loaded."""

    def __init__(self, folder: Path, **flags: Any) -> None:
        self.folder, self.broken, self.loaded = folder, set[int](), dict[int, Stub]()
        settings = {"model_name": "m", "model_base_path": str(folder), "max_num_load_retries": 0, **flags}
        self.manager = ModelManager(Flags(**settings), self._load, threading.Event())
        self.api = RestApi(self.manager, Metrics(), lambda servable: {})

    def _load(self, number: int, path: Path) -> Stub:
        if number in self.broken:
            raise ServingError(Code.NOT_FOUND, "Could not find SavedModel")
        self.loaded[number] = Stub(number)
        return self.loaded[number]

    def get(self, path: str) -> tuple[int, Any]:
        answer = self.api.handle("GET", path, b"")
        return answer.status, json.loads(
            answer.body
        ) if answer.content_type == "application/json" else answer.body

    def predict(self, where: str = "") -> tuple[int, Any]:
        answer = self.api.handle("POST", f"/v1/models/m{where}:predict", b'{"instances": [[1, 2]]}')
        return answer.status, json.loads(answer.body)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    (tmp_path / "1").mkdir()
    made = Server(tmp_path)
    made.manager.serve_first()
    return made


def test_predictions_and_their_errors(server: Server) -> None:
    assert server.predict() == (200, {"predictions": [1]})
    assert server.predict("/versions/1") == (200, {"predictions": [1]})
    assert server.predict("/versions/5") == (404, {"error": "Servable not found for request: Specific(m, 5)"})
    assert server.predict("/labels/stable") == (400, {"error": "Unrecognized servable version label: stable"})
    assert server.predict("/versions/99999999999999999999")[0] == 400
    assert server.get("/v1/models/other") == (404, {"error": "Could not find any versions of model other"})
    assert server.get("/v1/models") == (400, {"error": "Missing model name in request."})
    assert server.get("/v1/nonsense") == (400, {"error": "Malformed request: GET /v1/nonsense"})
    assert server.get("/healthz")[0] == 404
    assert server.api.handle("POST", "/v1/models/m:classify", b"{}").status == 501


def test_a_newer_version_takes_over_and_the_older_goes_afterwards(server: Server, tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()
    server.manager.poll()
    assert server.predict() == (200, {"predictions": [2]})
    assert server.loaded[1].closed
    states = server.get("/v1/models/m")[1]["model_version_status"]
    assert [(s["version"], s["state"]) for s in states] == [("2", "AVAILABLE"), ("1", "END")]


def test_a_broken_version_leaves_the_older_one_serving(server: Server, tmp_path: Path) -> None:
    server.broken.add(2)
    (tmp_path / "2").mkdir()
    server.manager.poll()
    server.manager.poll()
    assert server.predict() == (200, {"predictions": [1]})
    broken = server.get("/v1/models/m/versions/2")[1]["model_version_status"][0]
    assert (broken["state"], broken["status"]["error_code"]) == ("END", "NOT_FOUND")


def test_when_all_versions_vanish_nothing_is_served_and_the_status_still_says_200(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "1").rmdir()
    server.manager.poll()
    assert server.predict()[0] == 404
    assert server.get("/v1/models/m")[0] == 200, "TF Serving's bad habit, which probes must know"
    assert server.get("/v1/models/m/metadata")[0] == 404


def test_a_first_version_that_is_broken_ends_the_start_in_tf_servings_words(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    server = Server(tmp_path)
    server.broken.add(1)
    with pytest.raises(
        ServingError, match=r"1 servable\(s\) did not become available: \{\{name: m version: 1\}"
    ):
        server.manager.serve_first()

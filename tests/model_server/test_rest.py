"""REST as any HTTP client sees it; the expected texts are TF Serving's own, to the letter."""

from __future__ import annotations

import base64
import gzip
import json
import math
from typing import Any

import pytest
from serving import Server


def error(answer: Any) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/json"
    return answer.status_code, answer.json()["error"]


def test_predictions_of_versions_and_labels(server: Server) -> None:
    body = {"instances": [1.0, 2.0, 5.0]}
    assert server.predict(body).json() == {"predictions": [3.5, 4.0, 5.5]}, "the newest version"
    assert server.predict(body, "m/versions/1").json() == {"predictions": [2.5, 3.0, 4.5]}
    assert server.predict(body, "m/labels/stable").json() == {"predictions": [2.5, 3.0, 4.5]}
    assert server.predict(body, "m/labels/canary").json() == {"predictions": [3.5, 4.0, 5.5]}
    assert server.post("/V1/Models/m:predict", body).status_code == 200, "paths do not care for case"


def test_the_answer_looks_like_tf_servings(server: Server) -> None:
    assert server.predict({"instances": [1, 2]}).text == '{\n    "predictions": [3.5, 4.0\n    ]\n}'
    assert (
        server.predict({"inputs": [1, 2]}).text == '{\n    "outputs": [\n        3.5,\n        4.0\n    ]\n}'
    )
    body = {"signature_name": "two_outputs", "instances": [1]}
    assert server.predict(body).text == (
        '{\n    "predictions": [\n        {\n            "same": 1.0,\n            "y": 0.5\n        }\n    ]\n}'
    )
    body = {"signature_name": "rows", "instances": [[1, 2], [3, 4]]}
    assert server.predict(body, "types").text == ('{\n    "predictions": [[1.0, 2.0], [3.0, 4.0]\n    ]\n}')


def test_classify_and_regress(server: Server) -> None:
    body = {"signature_name": "classify_x_to_y", "examples": [{"x": 1.0}, {"x": [2.0]}]}
    answer = server.post("/v1/models/m/versions/1:classify", body)
    assert answer.json() == {"results": [[["half", 2.5], ["same", 1.0]], [["half", 3.0], ["same", 2.0]]]}
    body = {"signature_name": "classify_scores", "examples": [{"x": 1.0}]}
    assert server.post("/v1/models/m/versions/1:classify", body).json() == {
        "results": [[["", 2.5], ["", 1.0]]]
    }
    body = {"signature_name": "regress_x_to_y", "examples": [{}, {}], "context": {"x": 4.0}}
    answer = server.post("/v1/models/m/versions/1:regress", body)
    assert answer.json() == {"results": [4.0, 4.0]}
    assert answer.text == '{\n    "results": [4.0, 4.0]\n}'


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "m:predict", "", 400, "JSON Parse error: The document is empty"),
        ("POST", "m:predict", "x", 400, "JSON Parse error: Invalid value. at offset: 0"),
        ("POST", "nobody:predict", "[", 400, "JSON Parse error: Invalid value. at offset: 1"),
        ("POST", "nobody:predict", {"instances": [1]}, 404, "Servable not found for request: Latest(nobody)"),
        ("POST", "m/versions/5:predict", {"instances": [1]}, 404, "Servable not found for request: Specific(m, 5)"),
        ("POST", "m/labels/L:predict", {"instances": [1]}, 400, "Unrecognized servable version label: L"),
        ("POST", "m:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
        ("POST", "m:predict", {"instances": ["a"]}, 400,
         "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"a\" Type: String "
         "is not of expected type: float"),
        ("POST", "m:predict", {"signature_name": "x", "instances": [1]}, 400,
         'Serving signature name: "x" not found in signature def'),
        ("POST", "m:predict", {"signature_name": "regress_x_to_y", "instances": [{"b64": "!"}]}, 400,
         "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: Unable to base64 decode"),
        ("POST", "m:classify", {"examples": [{"x": 1.0}]}, 400,
         "Expected classification signature method_name to be tensorflow/serving/classify. "
         "Was: tensorflow/serving/predict"),
        ("POST", "m:regress", {"signature_name": "z", "examples": [{"x": 1.0}]}, 400,
         "No signature was found with the name: z"),
        ("POST", "m/versions/99999999999999999999:predict", {"instances": [1]}, 400,
         "Failed to convert version: 99999999999999999999 to numeric."),
        ("POST", "m:explain", {}, 400, "Malformed request: POST /v1/models/m:explain"),
        ("POST", "m:PREDICT", {}, 400, "Malformed request: POST /v1/models/m:PREDICT"),
        ("GET", "m:predict", None, 400, "Malformed request: GET /v1/models/m:predict"),
        ("PUT", "m", None, 400, "Malformed request: PUT /v1/models/m"),
        ("GET", "nobody", None, 404, "Could not find any versions of model nobody"),
        ("GET", "m/versions/5", None, 404, "Could not find version 5 of model m"),
        ("GET", "nobody/metadata", None, 404, "Servable not found for request: Latest(nobody)"),
        ("GET", "m/labels/L", None, 400, "Unrecognized servable version label: L"),
    ],
)  # fmt: skip
def test_errors_to_the_letter(
    server: Server, method: str, path: str, body: Any, status: int, message: str
) -> None:
    data = body if body is None or isinstance(body, str) else json.dumps(body)
    answer = server.http.request(method, server.url(f"/v1/models/{path}"), data=data, timeout=30)
    assert error(answer) == (status, message)
    assert answer.text == f'{{\n    "error": {json.dumps(message)}\n}}'


def test_paths_that_are_not_the_apis(server: Server) -> None:
    assert error(server.get("/v1/models")) == (400, "Missing model name in request.")
    assert error(server.get("/v1/anything")) == (400, "Malformed request: GET /v1/anything")
    answer = server.get("/healthz")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html")


@pytest.mark.parametrize(
    ("signature", "values"),
    [
        ("float32", [0.1, 1.0, 1e-30, 3e38, 16777215]),
        ("float64", [0.1, 1 / 3, 1e300]),
        ("int32", [-(2**31), 2**31 - 1]),
        ("int64", [-(2**63), 2**63 - 1]),
        ("uint8", [0, 255]),
        ("bool", [True, False]),
        ("string", ["Zürich", 'a "b"\n', ""]),
    ],
)
def test_every_type_comes_back(server: Server, signature: str, values: list[Any]) -> None:
    def like(given: list[Any]) -> Any:
        return pytest.approx(given, rel=1e-6) if signature == "float32" else given

    def ask(**body: Any) -> Any:
        return server.predict({"signature_name": signature, **body}, "types").json()

    assert ask(instances=values) == {"predictions": like(values)}
    assert ask(inputs=values) == {"outputs": like(values)}
    assert ask(instances=[values])["predictions"][0] == like(values)
    assert [ask(inputs=values[0])["outputs"]] == like(values[:1])


@pytest.mark.parametrize(
    ("signature", "value", "message"),
    [
        ("int32", 1.0, "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        ("int32", 2**31, "JSON Value: 2147483648 Type: Number is not of expected type: int32"),
        ("float32", True, "JSON Value: true Type: True is not of expected type: float"),
        ("float32", None, "JSON Value: null Type: Null is not of expected type: float"),
        ("float32", 16777216, "Cannot convert JSON value: 16777216 to float without loss of precision."),
        ("float32", 1e39, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        ("float32", {"b64": "aGk="}, "JSON Value: {\n    \"b64\": \"aGk=\"\n} Type: Object is not of expected type: float"),
        ("string", 1, "JSON Value: 1 Type: Number is not of expected type: string"),
        ("float32", [1, [2]], "Encountered list at unexpected level: 1 expected < 1"),
        ("float32", [[1], 2], "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ("float32", [[1, 2], [3]], "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
    ],
)  # fmt: skip
def test_values_of_the_wrong_kind(server: Server, signature: str, value: Any, message: str) -> None:
    answer = server.predict({"signature_name": signature, "inputs": value}, "types")
    assert error(answer) == (400, message)


def test_rows_must_look_like_each_other(server: Server) -> None:
    answer = server.predict({"signature_name": "rows", "instances": [[1, 2], [3]]}, "types")
    assert error(answer)[1].endswith("Error: INVALID_ARGUMENT: Expecting tensor size: 2 but got: 1")
    body = {"signature_name": "float32", "instances": [[[1, 2]], [[3], [4]]]}
    assert error(server.predict(body, "types"))[1].endswith("Expecting shape [1,2] but got: [2,1]")


def test_several_inputs(server: Server) -> None:
    rows = {"signature_name": "several", "instances": [{"a": 1, "b": "x"}, {"a": 2, "b": {"b64": "aGk="}}]}
    hi, x = base64.b64encode(b"hi").decode(), base64.b64encode(b"x").decode()
    assert server.predict(rows, "types").json() == {
        "predictions": [
            {"a": 1, "b": "x", "b_bytes": {"b64": x}},
            {"a": 2, "b": "hi", "b_bytes": {"b64": hi}},
        ]
    }
    columns = {"signature_name": "several", "inputs": {"a": [1], "b": ["x"], "ignored": 3}}
    assert server.predict(columns, "types").json() == {
        "outputs": {"a": [1], "b": ["x"], "b_bytes": [{"b64": x}]}
    }
    for instances, message in (
        ([1], "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map"),
        ([{"a": 1, "c": 2}], "Failed to process element: 0 key: c of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not have named input: c"),
        ([{"a": 1}], "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"a\": 1\n} keys must be equal to: a,b"),
    ):  # fmt: skip
        body = {"signature_name": "several", "instances": instances}
        assert error(server.predict(body, "types")) == (400, message)
    body = {"signature_name": "several", "inputs": {"a": [1]}}
    assert error(server.predict(body, "types")) == (400, "Missing named input: b in 'inputs' object.")


def test_outputs_without_rows(server: Server) -> None:
    body: dict[str, Any] = {"signature_name": "sum", "instances": [[1, 2]]}
    assert error(server.predict(body, "types")) == (400, "Tensor name: y has no shape information ")
    body = {"signature_name": "sum", "inputs": [[1, 2]]}
    assert server.predict(body, "types").json() == {"outputs": 3.0}


def test_numbers_that_json_does_not_have(server: Server) -> None:
    answer = server.predict(
        '{"signature_name": "float32", "inputs": [NaN, Infinity, -Infinity, Inf]} junk {', "types"
    )
    assert answer.text.count("Infinity") == 3
    assert "NaN" in answer.text
    values = json.loads(answer.text)["outputs"]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf, math.inf]


def test_a_compressed_body(server: Server) -> None:
    data = gzip.compress(json.dumps({"instances": [1]}).encode())
    answer = server.http.post(
        server.url("/v1/models/m:predict"), data=data, headers={"Content-Encoding": "gzip"}, timeout=30
    )
    assert answer.json() == {"predictions": [3.5]}


def test_metadata_is_nested_twice(server: Server) -> None:
    answer = server.get("/v1/models/m/labels/stable/metadata").json()
    assert answer["model_spec"] == {"name": "m", "signature_name": "", "version": "1"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) >= {"serving_default", "regress_x_to_y", "classify_x_to_y"}
    default = signatures["serving_default"]
    assert default["method_name"] == "tensorflow/serving/predict"
    assert default["inputs"]["x"]["dtype"] == "DT_FLOAT"
    assert default["inputs"]["x"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]
    assert default["inputs"]["x"]["tensor_shape"]["unknown_rank"] is False


def test_status(server: Server) -> None:
    text = server.get("/v1/models/m/versions/1").text
    assert text == (
        '{\n "model_version_status": [\n  {\n   "version": "1",\n   "state": "AVAILABLE",\n   "status": {\n'
        '    "error_code": "OK",\n    "error_message": ""\n   }\n  }\n ]\n}\n'
    )
    assert list(server.state()) == ["2", "1"], "the newest first"
    assert list(server.state("m/labels/stable")) == ["1"]


def test_a_run_that_takes_too_long(server: Server) -> None:
    answer = server.predict({"instances": [1.0]}, "gate")
    assert error(answer) == (504, "Timed out waiting for notification")


def test_metrics(server: Server) -> None:
    server.predict({"instances": [1.0]}, "m/versions/1")
    server.predict({"instances": [1.0]}, "unheard_of")
    server.get("/v1/models")
    answer = server.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain"
    text = answer.text
    assert "# HELP" not in text
    for kind in (
        ":tensorflow:serving:request_count counter",
        ":tensorflow:serving:request_latency histogram",
        ":tensorflow:serving:runtime_latency histogram",
        ":tensorflow:serving:request_example_counts histogram",
        ":tensorflow:serving:batching_session:queuing_latency histogram",
    ):
        assert f"# TYPE {kind}" in text
    assert ':tensorflow:serving:request_count{model_name="unheard_of",status="NOT_FOUND"}' in text
    assert ':tensorflow:serving:request_count{model_name="",status="INVALID_ARGUMENT"}' in text
    latency = ':tensorflow:serving:request_latency_bucket{model_name="m",API="predict",entrypoint="REST",le='
    limits = [line.split('le="')[1].split('"')[0] for line in text.splitlines() if line.startswith(latency)]
    assert limits[:4] == ["10", "18", "32.4", "58.32"]
    assert (len(limits), limits[-1]) == (34, "+Inf")
    assert ":tensorflow:cc:saved_model:load_attempt_count{" in text

"""The stand-in's flags, metrics and REST paths."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_server.flags import BadFlag, parse, usage
from model_server.metrics import EXAMPLE_COUNTS, INPUT_BATCH_SIZE, REQUEST_COUNT, REQUEST_LATENCY, Metrics
from model_server.rest import Codec, RestApi
from stub_server import Server


def test_flags() -> None:
    flags, unknown = parse(
        [
            "--port=1",
            "--enable_batching",
            "--no_such=1",
            "stray",
            "--model_name",
            "--port=2",
            "--model_base_path=a=b",
        ]
    )
    assert (flags.port, flags.enable_batching, flags.model_name) == (2, True, "default"), (
        "the last one counts"
    )
    assert flags.model_base_path == "a=b"
    assert unknown == ["--no_such=1", "stray", "--model_name"]
    assert flags.file_system_poll_wait_seconds == 1
    assert "--max_num_load_retries=5\tint32" in usage()


@pytest.mark.parametrize(
    "flag", ["--port=x", "--port=", "--enable_batching=1", "--enable_model_warmup=maybe", "--port=1.5"]
)
def test_bad_values(flag: str) -> None:
    with pytest.raises(BadFlag, match="Couldn't interpret value"):
        parse([flag])


@pytest.mark.parametrize(
    "flag", ["--platform_config_file=x", "--use_alts_credentials", "--mixed_precision=bfloat16"]
)
def test_what_the_stand_in_can_not_do_is_refused(flag: str) -> None:
    with pytest.raises(BadFlag, match="not supported by this stand-in"):
        parse([flag])
    parse(["--platform_config_file=", "--use_alts_credentials=false"])


@given(st.lists(st.text(max_size=20)))
def test_any_command_line_is_taken_or_refused(arguments: list[str]) -> None:
    flags, unknown = parse(arguments)
    assert unknown == arguments
    assert flags.port == 8500


def test_metrics_have_tf_servings_names_and_cumulative_buckets() -> None:
    metrics = Metrics()
    metrics.count(REQUEST_COUNT, 'a"\\b', "OK")
    metrics.observe(REQUEST_LATENCY, 15, "m", "predict", "REST")
    metrics.observe(EXAMPLE_COUNTS, 2, "m")
    metrics.observe(INPUT_BATCH_SIZE, 1)
    text = metrics.render()
    assert "# TYPE :tensorflow:serving:request_count counter" in text
    assert ':tensorflow:serving:request_count{model_name="a\\"\\\\b",status="OK"} 1' in text
    assert 'entrypoint="REST",le="10"} 0' in text
    assert 'entrypoint="REST",le="18"} 1' in text
    assert 'entrypoint="REST",le="+Inf"} 1' in text
    assert ':tensorflow:serving:request_example_counts_bucket{model="m",le="2"} 0' in text, (
        "a limit is exclusive"
    )
    assert ':tensorflow:serving:request_example_counts_bucket{model="m",le="4"} 1' in text
    assert ":tensorflow:serving:batching_session:input_batch_size_count{} 1" in text
    assert "# HELP" not in text
    assert metrics.total("/tensorflow/serving/request_count") == 1
    assert metrics.total("/tensorflow/serving/request_latency") is None


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/v1/models", "Missing model name in request."),
        ("GET", "/v1/models/versions/1", "Missing model name in request."),
        ("GET", "/v1/models/", "Malformed request: GET /v1/models/"),
        ("GET", "/v1/nonsense", "Malformed request: GET /v1/nonsense"),
        ("GET", "/v1/models/m/versions/x", "Malformed request: GET /v1/models/m/versions/x"),
        ("POST", "/v1/models/m", "Malformed request: POST /v1/models/m"),
        ("POST", "/v1/models/m/metadata", "Malformed request: POST /v1/models/m/metadata"),
        ("DELETE", "/v1/models/m", "Malformed request: DELETE /v1/models/m"),
        ("GET", "/v1/models/m/versions/9223372036854775808", "Failed to convert version: 9223372036854775808 to numeric."),
    ],
)  # fmt: skip
def test_paths(server: Server, method: str, path: str, message: str) -> None:
    answer = server.api.handle(method, path, b"")
    assert (answer.status, answer.body) == (400, f'{{\n    "error": "{message}"\n}}')


def test_a_version_of_thousands_of_digits(server: Server) -> None:
    assert server.get(f"/v1/models/m/versions/{'9' * 5000}")[0] == 400
    assert server.get(f"/v1/models/m/versions/{'0' * 5000}1")[0] == 200


def test_names_in_paths_are_decoded(server: Server) -> None:
    assert server.get("/v1/models/%6D")[0] == 200
    assert server.get("/v1/models/a%20b")[1] == {"error": "Could not find any versions of model a b"}


PATHS = st.text(st.characters(exclude_characters="\n"), max_size=30)


@given(st.sampled_from(["GET", "POST", "PUT"]), PATHS, st.binary(max_size=30))
def test_any_request_is_answered(method: str, path: str, body: bytes) -> None:
    class Nothing:
        def using(self, *_: Any) -> Any:
            raise AssertionError("no valid request was made")

    api = RestApi(Nothing(), Metrics(), Codec(lambda request: [], lambda servable: ""))  # type: ignore[arg-type]
    assert api.handle(method, f"/v1/{path}", body).status == 400


def test_cors_if_asked_for(server: Server) -> None:
    assert server.api.handle("GET", "/v1/models/m", b"").headers is None
    assert server.api.handle("OPTIONS", "/v1/models/m", b"").status == 400
    api = RestApi(server.manager, Metrics(), Codec(lambda request: [], lambda servable: ""), cors=True)
    for method in ("GET", "OPTIONS"):
        answer = api.handle(method, "/v1/models/m", b"")
        assert answer.status == 200
        assert answer.headers is not None
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_status_requests_count_but_have_no_api(server: Server) -> None:
    server.get("/v1/models/m")
    server.predict("nobody")
    text = server.metrics.render()
    assert 'request_latency_count{model_name="m",API="",entrypoint="REST"} 1' in text
    assert 'request_count{model_name="nobody",status="NOT_FOUND"} 1' in text
    assert 'request_latency_count{model_name="nobody"' not in text

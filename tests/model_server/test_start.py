"""How a server starts, and all the ways in which it does not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from fixture_models import half_plus
from serving import COMMAND, Start, run
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc


def test_version() -> None:
    ended = run("--version")
    assert ended.returncode == 0
    assert ended.stdout.startswith("TensorFlow ModelServer: ")
    assert "\nTensorFlow Library: 2.21.0" in ended.stdout


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ([], "INVALID_ARGUMENT: Both server_options.model_base_path and server_options.model_config_file are empty!"),
        (["--model_base_path=a/b"], "INVALID_ARGUMENT: Expected model default to have an absolute path or URI; got base_path()=a/b"),
        (["--model_base_path=/m", "--batching_parameters_file=/x"], "INVALID_ARGUMENT: server_options.batching_parameters_file is set without setting server_options.enable_batching to true."),
        (["--model_base_path=/m", "--tensorflow_session_parallelism=1", "--tensorflow_intra_op_parallelism=1", "--tensorflow_inter_op_parallelism=1"], "INVALID_ARGUMENT: Either configure server_options.tensorflow_session_parallelism or (server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) separately. You cannot configure all."),
        (["--model_base_path=/m", "--port=0"], "INVALID_ARGUMENT: At least one of server_options.grpc_port or server_options.grpc_socket_path must be set."),
        (["--model_config_file=/no/such"], "NOT_FOUND: /no/such; No such file or directory"),
    ],
)  # fmt: skip
def test_starts_that_fail(flags: list[str], error: str) -> None:
    ended = run(*flags)
    assert (ended.returncode, ended.stdout) == (255, f"Failed to start server. Error: {error}\n")


def test_flags_that_are_wrong() -> None:
    ended = run("--port=x")
    assert ended.returncode == 255
    assert "Couldn't interpret value x for flag port." in ended.stdout
    ended = run("--no_such_flag=1", "--version")
    assert ended.returncode == 0, "it goes on"
    assert ended.stdout.startswith("unknown argument: --no_such_flag=1\nusage: tensorflow_model_server\n")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("model_config_list { config { nonsense: 1 } }", "INVALID_ARGUMENT: Invalid protobuf file: '{path}'"),
        ("model_config_list { config { name: 'm' base_path: '/m' } }",
         "INVALID_ARGUMENT: Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform."),
        ("model_config_list { config { name: 'm' base_path: '/m' model_platform: 'x' } }",
         "INVALID_ARGUMENT: Model m requests unsupported platform x"),
        ("model_config_list { config { name: 'm' base_path: '/m' model_platform: 'tensorflow' version_labels { key: 'a' value: 3 } } }",
         "FAILED_PRECONDITION: Request to assign label to version 3 of model m, which is not currently available for inference"),
    ],
)  # fmt: skip
def test_configurations_that_fail(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "models.config"
    path.write_text(text)
    ended = run(f"--model_config_file={path}")
    assert ended.returncode == 255
    assert ended.stdout == f"Failed to start server. Error: {error.format(path=path)}\n"


BATCHING = "max_batch_size { value: 8 } allowed_batch_sizes: 2 allowed_batch_sizes: 4"


def test_models_that_can_not_be_loaded(tmp_path: Path, library: Path) -> None:
    (tmp_path / "empty" / "1").mkdir(parents=True)
    (tmp_path / "garbage" / "1").mkdir(parents=True)
    (tmp_path / "garbage" / "1" / "saved_model.pb").write_bytes(b"\xff garbage")
    (tmp_path / "batching.config").write_text(BATCHING)
    batching = ["--enable_batching", f"--batching_parameters_file={tmp_path}/batching.config"]
    for base, version, flags, reason in (
        (tmp_path / "empty", 1, [], "NOT_FOUND: Could not find SavedModel .pb or .pbtxt at supplied export directory "
         f"path: {tmp_path}/empty/1. Check that the directory exists and that you have the right permissions for accessing it."),
        (tmp_path / "garbage", 1, [], f"DATA_LOSS: Can't parse {tmp_path}/garbage/1/saved_model.pb as binary proto"),
        (library / "half", 2, ["--saved_model_tags=train"], "NOT_FOUND: Could not find meta graph def matching supplied tags: "
         "{ train }. To inspect available tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`"),
        (library / "half", 2, batching, "INVALID_ARGUMENT: Last entry in allowed_batch_sizes must match max_batch_size; "
         "last entry was 4; expected 8"),
    ):  # fmt: skip
        ended = run(f"--model_base_path={base}", "--model_name=m", "--max_num_load_retries=0", *flags)
        assert ended.returncode == 255
        assert ended.stdout == (
            "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
            f"{{{{{{name: m version: {version}}} due to error: {reason}}}, }}\n"
        )


def test_no_thread_for_batches(tmp_path: Path) -> None:
    (tmp_path / "batching.config").write_text("num_batch_threads { value: 0 }")
    ended = run(
        "--model_base_path=/m", "--enable_batching", f"--batching_parameters_file={tmp_path}/batching.config"
    )
    assert ended.stdout == (
        "Failed to start server. Error: INVALID_ARGUMENT: num_batch_threads must be positive; was 0\n"
    )


def test_ports_stay_closed_until_the_model_is_there_and_sigterm_is_ignored(
    start: Start, tmp_path: Path
) -> None:
    base = tmp_path / "models" / "late"
    server = start("--model_name=m", f"--model_base_path={base}", wait=False)
    server.until(lambda: "Could not find base path" in server.log.read_text())
    base.mkdir(parents=True)
    server.until(lambda: "No versions of servable m found under base path" in server.log.read_text())
    assert not server.is_up()
    half_plus(tmp_path / "upload")
    (tmp_path / "upload").rename(base / "1")
    server.until(server.is_up)
    assert server.predict({"instances": [1]}).json() == {"predictions": [2.5]}
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert server.predict({"instances": [1]}).status_code == 200, "it serves on until it is killed"


def test_the_entrypoints_shell_does_not_pass_sigterm_on(tmp_path: Path) -> None:
    """The stock image's first process is a shell that waits for the server, which never hears of the signal."""
    (tmp_path / "tensorflow_model_server").write_text(f'#!/bin/sh\nexec {sys.executable} {COMMAND} "$@"\n')
    (tmp_path / "tensorflow_model_server").chmod(0o755)
    ended = subprocess.run(
        ["bash", str(COMMAND.parent / "tf_serving_entrypoint.sh"), "--version"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "MODEL_NAME": "m", "MODEL_BASE_PATH": "/models"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "TensorFlow ModelServer" in ended.stdout
    assert "exec" not in (COMMAND.parent / "tf_serving_entrypoint.sh").read_text().splitlines()[-1]


def test_ports_that_clash(start: Start, library: Path) -> None:
    serve = ("--model_name=m", f"--model_base_path={library}/half")
    first = start(*serve)
    taken = start(*serve, f"--rest_api_port={first.rest}", wait=False)
    taken.until(lambda: "Failed to start HTTP Server" in taken.log.read_text())
    assert taken.process.poll() is None, "REST that can't listen is only a line in the log"
    same = start(*serve, "--rest_api_port=1", "--port=1", f"--port={first.port}", wait=False)
    assert same.process.wait(60) == 255, "gRPC that can't is the end"
    assert "Error: INVALID_ARGUMENT: Failed to BuildAndStart gRPC server" in same.log.read_text()


def certificate(folder: Path) -> tuple[str, str]:
    """A key and a certificate for localhost that signs itself."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/key.pem",
         "-out", f"{folder}/cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return (folder / "key.pem").read_text(), (folder / "cert.pem").read_text()


def text(value: str) -> str:
    return '"' + value.replace("\n", "\\n") + '"'


def test_grpc_with_tls_and_rest_without(start: Start, library: Path, tmp_path: Path) -> None:
    key, cert = certificate(tmp_path)
    config = f"server_key: {text(key)} server_cert: {text(cert)} custom_ca: {text(cert)} client_verify: true"
    (tmp_path / "ssl.config").write_text(config)
    server = start(
        "--model_name=m", f"--model_base_path={library}/half", f"--ssl_config_file={tmp_path}/ssl.config",
        f"--grpc_socket_path={tmp_path}/grpc.sock",
    )  # fmt: skip
    assert server.predict({"instances": [1]}).json() == {"predictions": [3.5]}
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "m"

    def status(credentials: Any, address: str) -> Any:
        with grpc.secure_channel(
            address, credentials, [("grpc.ssl_target_name_override", "localhost")]
        ) as channel:
            return model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=10)

    known = grpc.ssl_channel_credentials(cert.encode(), key.encode(), cert.encode())
    for address in (f"127.0.0.1:{server.port}", f"unix:{tmp_path}/grpc.sock"):
        assert status(known, address).model_version_status[0].version == 2
    for credentials in (grpc.ssl_channel_credentials(cert.encode()), grpc.ssl_channel_credentials()):
        with pytest.raises(grpc.RpcError):
            status(credentials, f"127.0.0.1:{server.port}")

"""Versions that come and go, labels that move, models that are added: with a server that runs."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import text_format
from serving import Server, Start
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.config import model_server_config_pb2


def publish(library: Path, version: int, base: Path, model: str = "half") -> None:
    """All at once, as a careful publisher does it."""
    base.mkdir(parents=True, exist_ok=True)
    shutil.copytree(library / model / str(version), base.parent / "upload")
    (base.parent / "upload").rename(base / str(version))


def answer(server: Server, where: str = "m") -> Any:
    return server.predict({"instances": [1]}, where).json().get("predictions")


def test_a_new_version_takes_over_without_a_gap_and_a_vanished_one_goes(
    start: Start, library: Path, tmp_path: Path
) -> None:
    base = tmp_path / "models" / "m"
    publish(library, 1, base)
    server = start("--model_name=m", f"--model_base_path={base}", "--max_num_load_retries=0")
    answers, stop = [], threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answers.append(answer(server))

    asking = threading.Thread(target=ask)
    asking.start()
    publish(library, 2, base)
    server.until(lambda: server.state() == {"2": "AVAILABLE", "1": "END"})
    (base / "3").mkdir()
    server.until(lambda: server.state().get("3") == "END")
    stop.set()
    asking.join()
    assert [[2.5]] * answers.count([2.5]) + [[3.5]] * answers.count([3.5]) == answers, "no gap, no way back"
    assert answers[-1] == [3.5]
    states = {v["version"]: v["status"] for v in server.get("/v1/models/m").json()["model_version_status"]}
    assert states["3"]["error_code"] == "NOT_FOUND", "a folder without a model, tried once and given up"
    for version in base.iterdir():
        shutil.rmtree(version)
    server.until(lambda: server.state() == {"3": "END", "2": "END", "1": "END"})
    assert server.predict({"instances": [1]}).json() == {"error": "Servable not found for request: Latest(m)"}
    assert server.get("/v1/models/m").status_code == 200
    assert server.get("/v1/models/m/metadata").status_code == 404


CONFIG = """
model_config_list {{
  config {{
    name: 'm' base_path: '{library}/half' model_platform: 'tensorflow'
    model_version_policy {{ specific {{ {versions} }} }}
    {labels}
  }}
  {more}
}}
"""


def config(library: Path, *versions: int, more: str = "", **labels: int) -> str:
    return CONFIG.format(
        library=library,
        versions=" ".join(f"versions: {version}" for version in versions),
        labels=" ".join(f"version_labels {{ key: '{key}' value: {value} }}" for key, value in labels.items()),
        more=more,
    )


def test_a_configuration_file_that_changes(start: Start, library: Path, tmp_path: Path) -> None:
    """Moving a label takes two steps: first the version, then the label."""
    file = tmp_path / "models.config"
    file.write_text(config(library, 1, stable=1))
    server = start(
        f"--model_config_file={file}",
        "--model_config_file_poll_wait_seconds=1",
        "--allow_version_labels_for_unavailable_models",
    )
    assert answer(server, "m/labels/stable") == [2.5]
    file.write_text(config(library, 1, 2, stable=2))
    server.until(lambda: "version 2 of model m, which is not currently available" in server.log.read_text())
    assert answer(server, "m/labels/stable") == [2.5]
    file.write_text("model_config_list { nonsense")
    server.until(lambda: "Failed to read ModelServerConfig file: Invalid protobuf" in server.log.read_text())
    assert answer(server, "m/labels/stable") == [2.5], "the old configuration stays"
    file.write_text(config(library, 1, 2, stable=1))
    server.until(lambda: len(server.state()) == 2)
    file.write_text(config(library, 1, 2, stable=2))
    server.until(lambda: answer(server, "m/labels/stable") == [3.5])
    file.write_text(config(library, 2, stable=2))
    server.until(lambda: server.state() == {"2": "AVAILABLE", "1": "END"})


def test_reload_by_request(start: Start, library: Path, tmp_path: Path) -> None:
    server = start(
        "--model_name=m", f"--model_base_path={library}/half", "--file_system_poll_wait_seconds=1",
        "--max_num_load_retries=0",
    )  # fmt: skip

    def reload(text: str) -> Any:
        request = model_management_pb2.ReloadConfigRequest(
            config=text_format.Parse(text, model_server_config_pb2.ModelServerConfig()),
            metric_names=["/tensorflow/serving/request_count", "/no/such"],
        )
        return server.models.HandleReloadConfigRequest(request, timeout=30)

    def refusal(text: str) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.RpcError) as caught:
            reload(text)
        return caught.value.code(), caught.value.details()

    types = f"config {{ name: 'types' base_path: '{library}/types' model_platform: 'tensorflow' }}"
    done = reload(config(library, 2, more=types))
    assert done.status.error_code == 0
    assert [(metric.name, metric.int64_value_increase) for metric in done.metric] == [
        ("/tensorflow/serving/request_count", 0)
    ]
    body = {"signature_name": "int32", "instances": [1]}
    assert server.predict(body, "types").json() == {"predictions": [1]}, "it waited until the model was there"
    assert refusal(config(library, 2, more=types + types)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "Illegal to list model types multiple times in config list",
    )
    (tmp_path / "broken" / "4").mkdir(parents=True)
    broken = f"config {{ name: 'broken' base_path: '{tmp_path}/broken' model_platform: 'tensorflow' }}"
    code, details = refusal(config(library, 2, more=broken))
    assert code is grpc.StatusCode.UNKNOWN
    assert details.startswith(
        "1 model(s) did not become available: {{{name: broken version: 4} due to error: NOT_FOUND: Could not find"
    )
    server.until(lambda: server.predict(body, "types").status_code == 404)
    assert refusal("")[1] == (
        "ServerModelConfig type not supported by HandleReloadConfigRequest. "
        "Only ModelConfigList is currently supported"
    )
    assert answer(server) == [3.5]


def test_loads_are_tried_again(start: Start, library: Path, tmp_path: Path) -> None:
    """The partial upload: found as soon as there is anything of it, then tried again after the interval."""
    base = tmp_path / "m"
    (base / "1").mkdir(parents=True)
    server = start(
        "--model_name=m", f"--model_base_path={base}", "--load_retry_interval_micros=200000",
        "--max_num_load_retries=100", wait=False,
    )  # fmt: skip
    server.until(
        lambda: "Retrying load on servable version: {name: m version: 1} retry: 2" in server.log.read_text()
    )
    assert not server.is_up()
    shutil.copytree(library / "half" / "1", base / "1", dirs_exist_ok=True)
    server.until(server.is_up)
    assert answer(server) == [2.5]

"""A new replica answers the known requests once before it is ready: the very probe runs here, against an HTTP server."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.check import judged
from serving_role import container, evaluate, files_of, given, pod_of

GOLDEN = [
    {"name": "cup", "signature_name": "by_name", "inputs": {"x": ["Tässchen"]}, "expect": {"y": [1]}},
    {"name": "pot", "instances": [[1.5, 2]], "expect": [3]},
]
Seen = list[tuple[str, Any]]


@contextmanager
def server(*statuses: int, answer: int = 200) -> Iterator[tuple[int, Seen]]:
    """Answers GET with each of ``statuses``, the last one again, and POST with ``answer``; its port and what it was asked."""
    seen: Seen = []
    left = list(statuses)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, None))
            self.send_response(left.pop(0) if len(left) > 1 else left[0])
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, json.loads(body)))
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving.server_port, seen
        serving.shutdown()


def probe(port: int, folder: Path, **variables: Any) -> int:
    """Runs the startup probe of the pod with its files; how it exits."""
    for name, text in files_of(**variables).items():
        (folder / name).write_bytes(text.encode())
    command = container(pod_of(**variables), "tfserving")["startupProbe"]["exec"]["command"]
    for before, after in (("/18501", f"/{port}"), ("/etc/tfserving", str(folder)), ("{1..20}", "{1..3}")):
        command = [word.replace(before, after) for word in command]
    return subprocess.run(command, check=False, timeout=30, capture_output=True).returncode


def test_every_known_request_is_asked_of_the_version_before_the_pod_counts_as_started(tmp_path: Path) -> None:
    with server(200) as (port, seen):
        assert probe(port, tmp_path, serving_golden=GOLDEN, serving_warmup_requests=2) == 0
    path = "/v1/models/image_classifier/versions/3"
    asked = [
        (f"{path}:predict", {"signature_name": "by_name", "inputs": {"x": ["Tässchen"]}}),
        (f"{path}:predict", {"instances": [[1.5, 2]]}),
    ]
    assert seen == [(f"{path}/metadata", None), *[one for one in asked for _ in range(2)]]


def test_a_version_that_loads_meanwhile_is_waited_for(tmp_path: Path) -> None:
    with server(404, 404, 200) as (port, seen):
        assert probe(port, tmp_path, serving_golden=GOLDEN) == 0
    assert [body is None for _, body in seen] == [True, True, True, False, False]


def test_nothing_else_is_asked_while_the_version_is_not_loaded(tmp_path: Path) -> None:
    with server(404) as (port, seen):
        assert probe(port, tmp_path, serving_golden=GOLDEN) == 1
    assert [body for _, body in seen] == [None] * 3


def test_a_request_that_is_refused_does_not_keep_the_pod_from_starting(tmp_path: Path) -> None:
    with server(200, answer=400) as (port, seen):
        assert probe(port, tmp_path, serving_golden=GOLDEN) == 0
    assert len(seen) == 3


def test_each_version_of_each_model_is_warmed_up() -> None:
    models = [
        {"name": "a", "uri": "gs://m/a", "versions": [3, 4], "golden": GOLDEN[1:]},
        {"name": "b", "uri": "gs://m/b", "versions": [1]},
        {"name": "c", "uri": "gs://m/c", "versions": [9], "golden": GOLDEN},
    ]
    files = files_of(serving_models=models)
    lines = [text.splitlines()[0] for name, text in sorted(files.items()) if name.startswith("warmup-")]
    assert lines == [
        f"POST /v1/models/{place}:predict HTTP/1.0"
        for place in ("a/versions/3", "a/versions/4", "c/versions/9", "c/versions/9")
    ]


@pytest.mark.parametrize(
    "variables", [{}, {"serving_golden": GOLDEN, "serving_warmup_requests": 0}], ids=["nothing known", "0"]
)
def test_without_requests_the_probe_only_asks_for_the_version(variables: dict[str, Any]) -> None:
    assert "httpGet" in container(pod_of(**variables), "tfserving")["startupProbe"]
    assert not [name for name in files_of(**variables) if name.startswith("warmup-")]


def test_a_changed_expectation_replaces_no_pod_and_a_changed_request_does() -> None:
    def name(golden: list[dict[str, Any]]) -> Any:
        return evaluate("serving_files_name", serving_golden=golden)

    assert name(GOLDEN) == name([{**GOLDEN[0], "expect": {"y": [2]}}, GOLDEN[1]])
    assert name(GOLDEN) != name([{**GOLDEN[0], "inputs": {"x": ["Kanne"]}}, GOLDEN[1]])


@pytest.mark.parametrize(("letters", "refused"), [(700_000, False), (800_000, True)])
def test_what_does_not_fit_a_config_map_is_refused_first(letters: int, *, refused: bool) -> None:
    golden = [{"name": "large", "instances": [{"b64": "x" * letters}], "expect": [1]}]
    judgement = judged(given(serving_golden=golden, serving_model_version=3), ["serving"])
    found = [finding.message for finding in judgement.findings if finding.id == "warmup"]
    assert bool(found) == refused
    assert not refused or "ConfigMap" in found[0]

"""A run that is longer than its token: renewed in the kubeconfig, taken from there, refused beforehand, or told as 401."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.gke import renewal
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.token import too_short
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.locust import Locust
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock

NOW = 1_800_000_000.0
NOTHING = {"metadata": {"resourceVersion": "1"}, "items": []}


class Credentials:
    """google-auth's, whose every token is good for two minutes on a clock of the test's own."""

    def __init__(self, clock: list[float]) -> None:
        self._clock, self.issued = clock, 0
        self.refresh(None)

    def refresh(self, request: Any) -> None:
        self.issued += 1
        self.token = f"token-{self.issued}"
        self.expiry = datetime.fromtimestamp(NOW + self._clock[0] + 120, UTC).replace(tzinfo=None)


def content(token: str, server: str = "http://127.0.0.1:1") -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "c", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }  # fmt: skip


def token_in(path: Path) -> str:
    return str(yaml.safe_load(path.read_text())["users"][0]["user"]["token"])


def test_a_token_is_renewed_before_it_ends_and_until_the_run_does() -> None:
    seconds, put = [0.0], []
    found = Credentials(seconds)

    def sleep(length: float) -> None:
        seconds[0] += length

    clock = Clock(lambda: seconds[0], sleep, lambda: NOW + seconds[0])
    renewal.keep_fresh(found, lambda token: put.append((seconds[0], token)), lambda: seconds[0] < 600, clock)
    moments = [0.0, *(moment for moment, _unused in put), 600.0]
    assert max(later - earlier for earlier, later in pairwise(moments)) < 120
    assert [token for _unused, token in put] == [f"token-{n}" for n in range(2, found.issued + 1)]


def test_a_process_in_the_background_renews_the_file_and_ends_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(content("token-1")))
    monkeypatch.setattr(renewal, "PAUSE", 0.1)
    run = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    try:
        found = Credentials([time.time() - NOW])
        assert renewal.renew_in_background(found, str(path), content("token-1"), run.pid)
        assert renewal.renew_in_background(found, str(path), content("token-1"), run.pid), "one is enough"
        (mark,) = tmp_path.glob("*.renewed-for-*")
        deadline = time.monotonic() + 120
        while token_in(path) == "token-1":
            assert time.monotonic() < deadline, "the token was not renewed"
            time.sleep(0.05)
    finally:
        run.kill()
        run.wait()
    while mark.exists():
        assert time.monotonic() < deadline, "the process in the background outlives the run"
        time.sleep(0.05)
    assert oct(path.stat().st_mode)[-3:] == "600"


def test_a_bare_token_is_not_said_to_be_renewed(tmp_path: Path) -> None:
    found = Credentials([0.0])
    found.expiry = None  # type: ignore[assignment]
    assert not renewal.renew_in_background(found, str(tmp_path / "k"), content("x"), os.getpid())
    assert list(tmp_path.iterdir()) == []


class ApiServer(BaseHTTPRequestHandler):
    """Lets one token through."""

    good, asked = "token-1", 0

    def do_GET(self) -> None:
        ApiServer.asked += 1
        known = self.headers["Authorization"] == f"Bearer {ApiServer.good}"
        body = json.dumps(NOTHING if known else {"kind": "Status", "message": "Unauthorized"}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    ApiServer.good, ApiServer.asked = "token-1", 0
    made = ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


def test_a_client_takes_the_kubeconfigs_new_token_when_its_own_is_refused(
    tmp_path: Path, server: str
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(content("token-1", server)))
    client = KubeClient(str(path))
    assert client.get("/x") == NOTHING
    ApiServer.good = "token-2"
    path.write_text(json.dumps(content("token-2", server)))
    assert client.raw("GET", "/x")[0] == 200
    assert ApiServer.asked == 3
    # Nothing newer is there: the refusal stands, and is asked for once.
    ApiServer.good = "token-3"
    assert client.raw("GET", "/x")[0] == 401
    assert ApiServer.asked == 4


def test_a_load_test_calls_a_refused_token_by_its_name(tmp_path: Path, server: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(content("token-0", server)))
    locust = Locust(KubeClient(str(path)), "n", "s")
    assert locust.poll() is None
    assert "answers 401: the kubeconfig's token has ended" in locust.refusal
    ApiServer.good = "token-0"
    locust.poll()
    assert locust.refusal == ""


def jwt(**claims: Any) -> str:
    return "e30." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".c2ln"


@pytest.mark.parametrize(
    ("token", "seconds", "words"),
    [
        (jwt(exp=NOW + 100), 200, "ends in 100 s and nobody renews it, and the load takes 200 s"),
        (jwt(exp=NOW - 5), 200, "ended 5 s ago"),
        (jwt(exp=NOW + 300), 200, ""),
        (jwt(sub="x"), 90_000, ""),
        ("ya29.abc", 3601, "is good for 3600 s at most"),
        ("ya29.abc", 3599, ""),
        ("opaque", 90_000, ""),
    ],
)
def test_a_load_that_outlives_its_token_is_refused_beforehand(
    tmp_path: Path, token: str, seconds: float, words: str
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(content(token)))
    for given in (str(path), content(token)):
        found = too_short(given, None, seconds, NOW)
        assert (words in found) if words else found == "", found
        assert token not in found


def test_what_a_plugin_hands_out_is_the_plugins_to_renew() -> None:
    given = content(jwt(exp=NOW + 1))
    given["users"][0]["user"]["exec"] = {"command": "x"}
    assert too_short(given, None, 200, NOW) == ""

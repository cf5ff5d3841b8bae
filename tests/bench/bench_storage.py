"""A model of 400 MB in five files up and down, next to gcloud and google-cloud-storage on the same emulated service.

All are processes of their own, their start included; so is the service. What is measured is the client, and the
service's answer to how it asks.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emulator import PROJECT
from run import ROOT, entry

FILES, FILE_BYTES = 5, 80_000_000
RUNS = 3
PATIENCE_SECONDS = 120
NO_OP_SECONDS = 1.5
MEMORY_MEGABYTES = 150.0
MODEL = ROOT / "tests/unit/saved_model/models/good"

# The peak of its memory is a process's own matter: what wait4 tells includes that of its parent before the exec.
_PEAK = """
import atexit
atexit.register(lambda: open(sys.argv[-1], "w").write(
    next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))))
"""
# Without the tests' conftest: its Hypothesis takes a quarter of a second to import, which no user's run does.
_PUBLISH = f"""
import sys, json
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
_AnsibleCollectionFinder(paths=[{str(ROOT / ".collections")!r}])._install()
{_PEAK}
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.modules import gcs_saved_model
with patch_module_args(json.loads(sys.argv[1])):
    gcs_saved_model.main()
"""
_FETCH = f"""
import sys, runpy
{_PEAK}
runpy.run_path("roles/serving/files/fetch_model.py", run_name="__main__")
"""
_CLIENT = """
import sys, pathlib
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage import transfer_manager
from google.oauth2.credentials import Credentials
direction, url, token, prefix, folder = sys.argv[1:]
client = storage.Client("sandbox-project", Credentials(token), client_options={"api_endpoint": url})
bucket, folder = client.bucket("models"), pathlib.Path(folder)
if direction == "up":
    names = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    done = transfer_manager.upload_many_from_filenames(
        bucket, names, source_directory=str(folder), blob_name_prefix=prefix, worker_type="thread")
else:
    names = [b.name for b in client.list_blobs("models", prefix=prefix)]
    done = transfer_manager.download_many_to_path(
        bucket, names, destination_directory=str(folder), worker_type="thread")
sys.exit(any(isinstance(one, Exception) for one in done))
"""
_SERVE = """
import sys, threading; sys.path[:0] = [".", "tests/unit"]
from pathlib import Path
from emulator import Emulator
emulator = Emulator(Path(sys.argv[1]))
with emulator.served() as url:
    print(url, emulator.token, flush=True)
    sys.stdin.read()
"""


class Bench:
    """The service, the model, and the ways to move one to the other."""

    def __init__(self, folder: Path, url: str, token: str) -> None:
        self.folder, self.url, self.token = folder, url, token
        self.model = Path(shutil.copytree(MODEL, folder / "model"))
        (self.model / "assets.extra").mkdir()
        for number in range(FILES):
            with (self.model / f"assets.extra/{number}").open("wb") as file:
                for _ in range(FILE_BYTES // 1_000_000):
                    file.write(os.urandom(1_000_000))
        self.peaks: dict[str, float] = {}

    def publish(self, path: str) -> float:
        arguments = {
            "project": PROJECT, "auth_kind": "accesstoken", "access_token": self.token, "api_endpoint": self.url,
            "bucket": "models", "path": path, "source": str(self.model),
        }  # fmt: skip
        return self._timed("publish", [sys.executable, "-c", _PUBLISH, json.dumps(arguments)])

    def fetch(self, path: str, target: Path) -> float:
        environment = {
            "MODEL_URI": f"gs://models/{path}/1", "MODEL_DESTINATION": str(target / "m/1"),
            "STORAGE_ENDPOINT": self.url, "GCE_METADATA_HOST": self._metadata(), "TERMINATION_LOG": "/dev/null",
        }  # fmt: skip
        return self._timed("fetch", [sys.executable, "-c", _FETCH], environment)

    def client(self, direction: str, prefix: str, folder: Path) -> float:
        command = [sys.executable, "-c", _CLIENT, direction, self.url, self.token, prefix, str(folder)]
        return self._timed("", command)

    def gcloud(self, source: str, target: str) -> float:
        token = self.folder / "token"
        token.write_text(self.token)
        environment = {
            "CLOUDSDK_CONFIG": str(self.folder / "gcloud"), "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{self.url}/storage/v1/",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        }  # fmt: skip
        return self._timed("", ["gcloud", "storage", "cp", "-r", source, target], environment)

    def _timed(self, peak: str, command: list[str], environment: dict[str, str] | None = None) -> float:
        """Wall seconds of a command that must succeed."""
        memory = self.folder / "peak"
        started = time.monotonic()
        done = subprocess.run(
            [*command, str(memory)] if peak else command,
            cwd=ROOT, env={**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache"), **(environment or {})},
            capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        took = time.monotonic() - started
        if done.returncode:
            raise RuntimeError(
                f"{command[0]} exited {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        if peak:
            megabytes = int(memory.read_text()) / 1000
            self.peaks[peak] = max(self.peaks.get(peak, 0), megabytes)
        return took

    def _metadata(self) -> str:
        return str((self.folder / "metadata").read_text())


def measure() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="bench-storage-") as name:
        folder = Path(name)
        command = [sys.executable, "-c", _SERVE, str(folder / "gcs")]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as service:
            try:
                url, token = service.stdout.readline().split()  # type: ignore[union-attr]
                return _entries(folder, url, token)
            finally:
                service.kill()


def _entries(folder: Path, url: str, token: str) -> list[dict[str, Any]]:
    with _metadata_server(folder, token):
        bench = Bench(folder, url, token)
        _api(url, token, "POST", f"/storage/v1/b?project={PROJECT}", {"name": "models"})
        up: dict[str, list[float]] = {}
        down: dict[str, list[float]] = {}
        again = []
        for run in range(RUNS):
            _note(up, "ours", lambda run=run: bench.publish(f"ours{run}"))
            again.append(bench.publish(f"ours{run}"))
            _note(up, "client", lambda run=run: bench.client("up", f"client{run}/", bench.model))
            _note(up, "gcloud", lambda run=run: bench.gcloud(str(bench.model), f"gs://models/gcloud{run}"))
            for name, work in (
                ("ours", lambda to, run=run: bench.fetch(f"ours{run}", to)),
                ("client", lambda to, run=run: bench.client("down", f"ours{run}/", to)),
                ("gcloud", lambda to, run=run: bench.gcloud(f"gs://models/ours{run}/1", str(to))),
            ):
                target = folder / "down"
                target.mkdir()
                _note(down, name, lambda work=work, target=target: work(target))
                shutil.rmtree(target)
            _empty(url, token)
    entries = []
    for name, found in (("publish", up), ("fetch", down)):
        ours = statistics.median(found["ours"])
        for peer, words in (
            ("gcloud", "gcloud storage cp"),
            ("client", "google-cloud-storage transfer_manager"),
        ):
            if found.get(peer):
                theirs = statistics.median(found[peer])
                entries.append(entry(f"{name} 400 MB in 5 files", ours, "s", theirs, words, theirs))
    entries.append(entry("publish 400 MB, nothing to do", statistics.median(again), "s", NO_OP_SECONDS))
    for name, megabytes in sorted(bench.peaks.items()):
        entries.append(entry(f"{name} 400 MB, peak of memory", megabytes, "MB", MEMORY_MEGABYTES))
    return entries


def _note(found: dict[str, list[float]], name: str, work: Callable[[], float]) -> None:
    """Times it; a peer that is not on this machine, or can't talk to the service, is left out and said so."""
    try:
        found.setdefault(name, []).append(work())
    except (RuntimeError, FileNotFoundError, subprocess.TimeoutExpired) as error:
        if name == "ours":
            raise
        print(f"{name} is not measured: {str(error).splitlines()[-1][:200]}")


def _empty(url: str, token: str) -> None:
    listed = _api(url, token, "GET", "/storage/v1/b/models/o")
    for item in listed.get("items", []):
        _api(url, token, "DELETE", f"/storage/v1/b/models/o/{item['name'].replace('/', '%2F')}")


def _api(url: str, token: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    import requests

    answer = requests.request(
        method, url + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=60
    )
    answer.raise_for_status()
    return dict(answer.json()) if answer.content else {}


def _metadata_server(folder: Path, token: str) -> Any:
    """Hands the token out as a pod gets it; writes its address to a file."""
    import contextlib
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"access_token": token}).encode())

        def log_message(self, *_: Any) -> None:
            return

    @contextlib.contextmanager
    def serve() -> Any:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (folder / "metadata").write_text(f"127.0.0.1:{server.server_address[1]}")
        yield
        server.shutdown()

    return serve()

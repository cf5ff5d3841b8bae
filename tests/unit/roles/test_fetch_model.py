"""The model fetcher as a container runs it, against the emulated Cloud Storage and a metadata server."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from emulator import Emulator
from objects import Objects

SCRIPT = Path(__file__).resolve().parents[3] / "roles/serving/files/fetch_model.py"
FILES = {
    "saved_model.pb": b"graph",
    "variables/variables.index": b"i",
    "variables/variables.data": b"w" * 300_000,
}
Fetch = Callable[..., subprocess.CompletedProcess[str]]


MANIFEST = "tfserving_manifest.json"


def manifest(**fields: Any) -> bytes:
    entries = [
        {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for path, data in FILES.items()
    ]
    lines = sorted(f"{e['path']}\0{e['size']}\0{e['sha256']}\n" for e in entries)
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    return json.dumps({"format": 1, "digest": digest, "files": entries} | fields).encode()


@pytest.fixture
def published(objects: Objects) -> Objects:
    objects.make_bucket("models")
    for path, data in FILES.items():
        objects.put("models", f"m/1/{path}", data)
    objects.put("models", f"m/1/{MANIFEST}", manifest())
    return objects


@pytest.fixture
def metadata(emulator: Emulator) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = emulator.metadata(self.path)
            assert text is not None
            assert self.headers["Metadata-Flavor"] == "Google"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture
def fetch(published: Objects, url: str, metadata: str, tmp_path: Path) -> Fetch:
    def run(**environment: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "MODEL_URI": "gs://models/m/1", "MODEL_DESTINATION": str(tmp_path / "models/m/1"),
            "STORAGE_ENDPOINT": url, "GCE_METADATA_HOST": metadata, "FETCH_DEADLINE_SECONDS": "3",
            "TERMINATION_LOG": str(tmp_path / "last-words"), "PATH": os.environ["PATH"],
        }  # fmt: skip
        return subprocess.run(
            [sys.executable, "-I", str(SCRIPT)], env={**settings, **environment}, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip

    return run


def test_a_version_arrives_whole_and_a_second_time_there_is_nothing_to_do(
    fetch: Fetch, tmp_path: Path
) -> None:
    first = fetch()
    assert first.returncode == 0, first.stderr
    assert "3 files" in first.stdout
    for path, data in FILES.items():
        assert (tmp_path / "models/m/1" / path).read_bytes() == data
    assert "already holds" in fetch().stdout


def flipped(objects: Objects) -> None:
    objects.put("models", "m/1/variables/variables.data", b"w" * 299_999 + b"x")


def truncated(objects: Objects) -> None:
    objects.put("models", "m/1/variables/variables.data", b"w" * 10)


def missing(objects: Objects) -> None:
    objects.delete("models", "m/1/variables/variables.index")


def foreign(objects: Objects) -> None:
    objects.put("models", "m/1/variables/variables.data-00001-of-00002", b"from another version")


def unfinished(objects: Objects) -> None:
    objects.delete("models", f"m/1/{MANIFEST}")


def forged(objects: Objects) -> None:
    files = [
        {"path": "../../evil", "size": 1, "sha256": "x"},
        {"path": "saved_model.pb", "size": 5, "sha256": "x"},
    ]
    objects.put("models", f"m/1/{MANIFEST}", manifest(files=files))


def doctored(objects: Objects) -> None:
    entries = json.loads(manifest())["files"]
    objects.put("models", f"m/1/{MANIFEST}", manifest(files=entries[:-1]))


def newer(objects: Objects) -> None:
    objects.put("models", f"m/1/{MANIFEST}", manifest(format=2))


def garbage(objects: Objects) -> None:
    objects.put("models", f"m/1/{MANIFEST}", b"[1]")


def huge(objects: Objects) -> None:
    objects.put("models", f"m/1/{MANIFEST}", manifest().replace(b'"size": 5', b'"size": 1e400'))


def surrogate(objects: Objects) -> None:
    objects.put("models", f"m/1/{MANIFEST}", manifest().replace(b"variables.index", b"\\ud800"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (huge, "the manifest is damaged"),
        (surrogate, "the manifest is damaged"),
        (flipped, "gs://models/m/1/variables/variables.data is not what the manifest says"),
        (truncated, "variables/variables.data has 10 bytes instead of 300000"),
        (missing, "variables/variables.index is missing"),
        (foreign, "variables/variables.data-00001-of-00002 does not belong to it"),
        (unfinished, "is the version published"),
        (forged, "outside the version"),
        (doctored, "its digest is not that of its list of files"),
        (newer, "has format 2"),
        (garbage, "the manifest is damaged"),
    ],
)
def test_what_is_not_the_published_version_never_appears(
    fetch: Fetch, published: Objects, tmp_path: Path, spoil: Any, words: str
) -> None:
    spoil(published)
    done = fetch()
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "last-words").read_text().strip() == done.stderr.strip()
    assert not (tmp_path / "models/m/1").exists()


def test_a_graph_as_text_is_a_model_too(fetch: Fetch, published: Objects, tmp_path: Path) -> None:
    objects, graph = published, b"meta_graphs {}"
    objects.delete("models", "m/1/saved_model.pb")
    objects.put("models", "m/1/saved_model.pbtxt", graph)
    entries = [entry for entry in json.loads(manifest())["files"] if entry["path"] != "saved_model.pb"]
    entries.append(
        {"path": "saved_model.pbtxt", "size": len(graph), "sha256": hashlib.sha256(graph).hexdigest()}
    )
    lines = sorted(f"{e['path']}\0{e['size']}\0{e['sha256']}\n" for e in entries)
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    objects.put("models", f"m/1/{MANIFEST}", manifest(files=entries, digest=digest))
    done = fetch()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "models/m/1/saved_model.pbtxt").read_bytes() == graph


def test_an_empty_folder_of_the_console_is_no_foreign_object(fetch: Fetch, published: Objects) -> None:
    published.put("models", "m/1/", b"")
    published.put("models", "m/1/variables/", b"")
    assert fetch().returncode == 0


def test_a_model_that_is_in_place_but_spoiled_is_fetched_anew(fetch: Fetch, tmp_path: Path) -> None:
    assert fetch().returncode == 0
    (tmp_path / "models/m/1/saved_model.pb").write_bytes(b"grapH")
    assert "3 files" in fetch().stdout
    assert (tmp_path / "models/m/1/saved_model.pb").read_bytes() == b"graph"


def test_objects_that_were_copied_are_verified_by_md5(
    fetch: Fetch, published: Objects, tmp_path: Path
) -> None:
    entries: list[dict[str, Any]] = json.loads(manifest())["files"]
    for entry in entries:
        del entry["sha256"]
        entry["md5"] = published.metadata("models", f"m/1/{entry['path']}")["md5Hash"]
    lines = sorted(f"{e['path']}\0{e['size']}\0md5:{e['md5']}\n" for e in entries)
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    published.put("models", f"m/1/{MANIFEST}", manifest(files=entries, digest=digest))
    assert fetch().returncode == 0
    flipped(published)
    assert "is not what the manifest says" in fetch(MODEL_DESTINATION=str(tmp_path / "again/m/1")).stderr


def test_a_metadata_server_that_is_late_is_waited_for(fetch: Fetch, emulator: Emulator) -> None:
    """As in a pod's first seconds on GKE: refused connections, then errors, then a token that is not known yet."""
    answers = iter(["error", "empty", "wrong"])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind = next(answers, "good")
            token = {"wrong": "ya29.nobodys", "good": emulator.token}.get(kind, "")
            body = json.dumps({"access_token": token}).encode()
            self.send_response(503 if kind == "error" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.server_bind()

    def late() -> None:
        server.server_activate()
        server.serve_forever()

    timer = threading.Timer(0.4, late)
    timer.start()
    done = fetch(GCE_METADATA_HOST=f"127.0.0.1:{server.server_address[1]}", FETCH_DEADLINE_SECONDS="30")
    timer.join(1)
    server.shutdown()
    server.server_close()
    assert done.returncode == 0, done.stderr


def test_a_server_that_is_away_is_told_within_the_deadline(fetch: Fetch, tmp_path: Path) -> None:
    done = fetch(STORAGE_ENDPOINT="http://127.0.0.1:9", FETCH_DEADLINE_SECONDS="1")
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert not (tmp_path / "models/m/1").exists()


@pytest.mark.parametrize(
    ("whole", "words"),
    [(True, "the list of gs://models/m/1: not there within 1 s"), (False, "its bytes only trickle")],
    ids=["a list without end", "a manifest byte by byte"],
)
def test_the_deadline_is_for_everything_together(fetch: Fetch, whole: bool, words: str) -> None:
    page = json.dumps({"items": [], "nextPageToken": "more"}).encode() if whole else b" " * 10_000

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = manifest() if whole and MANIFEST in self.path else page
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for at in range(0, len(body), len(body) if whole else 1):
                try:
                    self.wfile.write(body[at : at + (len(body) if whole else 1)])
                except OSError:
                    return
                if not whole and closed.wait(0.2):
                    return

        def log_message(self, *_: Any) -> None:
            return

    closed = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    done = fetch(STORAGE_ENDPOINT=address, FETCH_IDENTITY="anonymous", FETCH_DEADLINE_SECONDS="1")
    closed.set()
    server.shutdown()
    server.server_close()
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_an_identity_a_private_bucket_is_not_read(fetch: Fetch) -> None:
    done = fetch(FETCH_IDENTITY="anonymous")
    assert done.returncode == 1
    assert "it is not public" in done.stderr
    assert "storage_reader" not in done.stderr, "which grants to identities"


@pytest.mark.parametrize("renewed", [True, False])
def test_a_token_that_expires_during_a_long_download_is_renewed(
    monkeypatch: pytest.MonkeyPatch, renewed: bool
) -> None:
    """Long after the time in which a permission may still arrive."""
    now = {"token": "first", "accepted": "first", "asked": 0}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/computeMetadata"):
                now["asked"] += 1  # type: ignore[operator]
                status, body = 200, json.dumps({"access_token": now["token"]}).encode()
            else:
                known = self.headers["Authorization"] == f"Bearer {now['accepted']}"
                status, body = (200, b"data") if known else (401, b"Invalid Credentials")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    spec = importlib.util.spec_from_file_location("fetch_model_of_a_test", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "DENIED_GRACE", 0.5)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"127.0.0.1:{server.server_address[1]}"
    environment = {"MODEL_URI": "gs://b/m/1", "STORAGE_ENDPOINT": f"http://{host}", "GCE_METADATA_HOST": host}
    storage = script.Storage(script.settings_of(environment), script.Deadline(60))
    try:
        assert storage.read("m/1/a") == b"data"
        time.sleep(0.6)
        now["accepted"] = "second"
        if renewed:
            now["token"] = "second"
            assert storage.read("m/1/a") == b"data"
            assert now["asked"] == 2
        else:
            with pytest.raises(script.FetchError, match="token is not accepted, and a new one neither"):
                storage.read("m/1/a")
            assert now["asked"] > 2 and storage.deadline.elapsed < 20
    finally:
        server.shutdown()
        server.server_close()

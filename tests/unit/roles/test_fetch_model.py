"""The model fetcher as a container runs it, against the emulated Cloud Storage and a metadata server."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from emulator import Emulator

from sandbox.api.gcs_store import Conditions
from sandbox.api.metadata import answer
from sandbox.api.tokens import ACCOUNT

SCRIPT = Path(__file__).resolve().parents[3] / "roles/serving/files/fetch_model.py"
FILES = {
    "saved_model.pb": b"graph",
    "variables/variables.index": b"i",
    "variables/variables.data": b"w" * 300_000,
}
Fetch = Callable[..., subprocess.CompletedProcess[str]]


def store(emulator: Emulator, name: str, data: bytes) -> None:
    upload = emulator.store.new_upload("models")
    upload.write(data)
    emulator.store.finish("models", f"m/1/{name}", {}, upload, Conditions())


@pytest.fixture
def published(emulator: Emulator) -> Emulator:
    emulator.store.insert_bucket("sandbox-project", {"name": "models"})
    entries = [
        {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for path, data in FILES.items()
    ]
    lines = sorted(f"{e['path']}\0{e['size']}\0{e['sha256']}\n" for e in entries)
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    for path, data in FILES.items():
        store(emulator, path, data)
    store(
        emulator,
        "tfserving_manifest.json",
        json.dumps({"format": 1, "digest": digest, "files": entries}).encode(),
    )
    return emulator


@pytest.fixture
def metadata(emulator: Emulator) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = answer(self.path, ACCOUNT, emulator.tokens)
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
def fetch(published: Emulator, url: str, metadata: str, tmp_path: Path) -> Fetch:
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


def flipped(emulator: Emulator) -> None:
    store(emulator, "variables/variables.data", b"w" * 299_999 + b"x")


def truncated(emulator: Emulator) -> None:
    store(emulator, "variables/variables.data", b"w" * 10)


def missing(emulator: Emulator) -> None:
    emulator.store.delete_object("models", "m/1/variables/variables.index", Conditions())


def unfinished(emulator: Emulator) -> None:
    emulator.store.delete_object("models", "m/1/tfserving_manifest.json", Conditions())


def forged(emulator: Emulator) -> None:
    entries = [
        {"path": "../../evil", "size": 1, "sha256": "x"},
        {"path": "saved_model.pb", "size": 5, "sha256": "x"},
    ]
    store(
        emulator,
        "tfserving_manifest.json",
        json.dumps({"format": 1, "digest": "x", "files": entries}).encode(),
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (flipped, "m/1/variables/variables.data is not what the manifest says"),
        (truncated, "m/1/variables/variables.data is not what the manifest says"),
        (missing, "m/1/variables/variables.index does not exist"),
        (unfinished, "is the version published"),
        (forged, "outside the version"),
    ],
)
def test_what_is_not_the_published_version_never_appears(
    fetch: Fetch, published: Emulator, tmp_path: Path, spoil: Any, words: str
) -> None:
    spoil(published)
    done = fetch()
    assert done.returncode == 1
    assert words in done.stderr
    assert (tmp_path / "last-words").read_text().strip() == done.stderr.strip()
    assert not (tmp_path / "models/m/1").exists()


def test_a_server_that_is_away_is_told_within_the_deadline(fetch: Fetch, tmp_path: Path) -> None:
    done = fetch(STORAGE_ENDPOINT="http://127.0.0.1:9", FETCH_DEADLINE_SECONDS="1")
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert not (tmp_path / "models/m/1").exists()


def test_without_an_identity_a_private_bucket_is_not_read(fetch: Fetch) -> None:
    done = fetch(FETCH_IDENTITY="anonymous")
    assert done.returncode == 1
    assert "it is not public" in done.stderr

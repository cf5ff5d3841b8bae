"""Models in Cloud Storage, read from the sandbox's own API with tokens of its metadata server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePath
from typing import Any

import pytest
from emulator import Emulator
from model_server.errors import Code, ServingError
from model_server.gcs import CloudStorage
from model_server.storage import LocalStorage, by_scheme
from starlette.testclient import TestClient


class Files:
    """What was made readable, and what is left of it."""

    def __init__(self) -> None:
        self.there: dict[str, bytes] = {}

    def write(self, path: str, data: bytes) -> None:
        self.there[path] = data

    def remove(self, path: str) -> None:
        del self.there[path]


class Metadata:
    """The metadata server's answers on a loopback port; while ``down`` it has none."""

    def __init__(self, emulator: Emulator) -> None:
        self.down, self.asked = False, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                text = None if outer.down else emulator.metadata(self.path)
                self.send_response(503 if text is None else 200)
                self.end_headers()
                self.wfile.write((text or "starting").encode())

            def log_message(self, *_: Any) -> None:
                return

        self._handler = Handler

    @contextmanager
    def served(self) -> Iterator[str]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        server.server_close()


@pytest.fixture
def bucket(http: TestClient) -> TestClient:
    """models/m/{1,2} and a file beside them."""
    http.post("/storage/v1/b", params={"project": "p"}, json={"name": "models"}).raise_for_status()
    for name in ("m/1/saved_model.pb", "m/1/variables/variables.index", "m/2/saved_model.pb", "m/README"):
        http.post(
            "/upload/storage/v1/b/models/o",
            params={"uploadType": "media", "name": name},
            content=name.encode(),
        ).raise_for_status()
    return http


def storage(url: str, files: Files | None = None, **environ: str) -> tuple[CloudStorage, list[float]]:
    """The storage, and the pauses that it makes."""
    pauses: list[float] = []
    files = files or Files()
    settings = {"STORAGE_EMULATOR_HOST": url, **environ}
    return CloudStorage(settings, files.write, files.remove, pauses.append), pauses


def test_reads_a_version_and_clears_it_away(emulator: Emulator, url: str, bucket: TestClient) -> None:
    files, metadata = Files(), Metadata(emulator)
    with metadata.served() as host:
        cloud, _ = storage(url, files, GCE_METADATA_HOST=host)
        assert sorted(cloud.children("gs://models/m")) == ["1", "2", "README"]
        assert sorted(cloud.children("gs://models/m/")) == ["1", "2", "README"]
        assert cloud.children("gs://models") == ["m"]
        with cloud.local("gs://models/m/1") as path:
            assert {str(PurePath(name).relative_to(path)): data for name, data in files.there.items()} == {
                "saved_model.pb": b"m/1/saved_model.pb",
                "variables/variables.index": b"m/1/variables/variables.index",
            }
        assert files.there == {}
    assert metadata.asked == 1, "the token is kept"


def test_a_folder_is_there_as_long_as_any_object_is(url: str, emulator: Emulator, bucket: TestClient) -> None:
    cloud, _ = storage(url, GOOGLE_AUTH_TOKEN_FOR_TESTING=emulator.token)
    with pytest.raises(ServingError) as caught:
        cloud.children("gs://models/other")
    assert caught.value.text == "NOT_FOUND: The specified path gs://models/other was not found."
    for name in ("m%2F1%2Fsaved_model.pb", "m%2F1%2Fvariables%2Fvariables.index", "m%2F2%2Fsaved_model.pb"):
        bucket.delete(f"/storage/v1/b/models/o/{name}").raise_for_status()
    assert cloud.children("gs://models/m") == ["README"], "no version is left, the base path is"


def test_many_objects_come_in_pages(url: str, emulator: Emulator, bucket: TestClient) -> None:
    for number in range(1005):
        bucket.post(
            "/upload/storage/v1/b/models/o",
            params={"uploadType": "media", "name": f"many/1/{number}"},
            content=b"",
        ).raise_for_status()
    files = Files()
    cloud, _ = storage(url, files, GOOGLE_AUTH_TOKEN_FOR_TESTING=emulator.token)
    with cloud.local("gs://models/many/1"):
        assert len(files.there) == 1005


def test_a_late_metadata_server_is_never_asked_again(
    emulator: Emulator, url: str, bucket: TestClient
) -> None:
    metadata = Metadata(emulator)
    metadata.down = True
    with metadata.served() as host:
        cloud, pauses = storage(url, GCE_METADATA_HOST=host)
        for _ in range(2):
            with pytest.raises(ServingError) as caught:
                cloud.children("gs://models/m")
            assert caught.value.code is Code.PERMISSION_DENIED
            assert "HTTP response code 401" in caught.value.message
            assert caught.value.message.endswith("when reading gs://models/m/")
            metadata.down = False
        assert metadata.asked == 11, "one attempt and ten more, then never again"
        assert len(pauses) == 10
        # Another process, with the metadata server up, has no such trouble.
        assert storage(url, GCE_METADATA_HOST=host)[0].children("gs://models/m")


def test_without_the_check_for_google_the_next_attempt_asks_again(
    url: str, emulator: Emulator, bucket: TestClient
) -> None:
    environ = {"NO_GCE_CHECK": "true"}
    cloud, _ = storage(url, **environ)
    with pytest.raises(ServingError, match="401"):
        cloud.children("gs://models/m")


def test_keys_are_refused_with_a_reason(url: str) -> None:
    with pytest.raises(ServingError, match="asks only the metadata server"):
        storage(url, GOOGLE_APPLICATION_CREDENTIALS="/key.json")[0].children("gs://models/m")


def test_what_does_not_answer_is_tried_again() -> None:
    environ = {"GCS_RETRY_CONFIG_MAX_RETRIES": "3", "GOOGLE_AUTH_TOKEN_FOR_TESTING": "t"}
    cloud, pauses = storage("127.0.0.1:1", **environ)
    with pytest.raises(ServingError) as caught:
        cloud.children("gs://models/m")
    assert caught.value.code is Code.ABORTED
    assert caught.value.message.startswith("All 3 retry attempts failed. The last failure: Error executing")
    assert [int(pause) for pause in pauses[:1]] in ([1], [2])
    assert len(pauses) == 3


def test_only_known_schemes() -> None:
    storage_of = by_scheme(lambda: storage("http://x")[0])
    assert isinstance(storage_of("/models"), LocalStorage)
    assert storage_of("gs://a/b") is storage_of("gs://c")
    with pytest.raises(ServingError, match="File system scheme 's3' not implemented"):
        storage_of("s3://a/b")

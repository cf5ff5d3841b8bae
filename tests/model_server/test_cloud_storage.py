"""A server that reads its models from Cloud Storage itself, played by the sandbox's own API."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from fixture_models import half_plus
from serving import Start

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from emulator import Emulator

FLAGS = ("--model_name=m", "--model_base_path=gs://models/m", "--load_retry_interval_micros=200000")


class Bucket:
    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {token}"
        self.http.post(
            f"{url}/storage/v1/b", params={"project": "p"}, json={"name": "models"}, timeout=10
        ).raise_for_status()

    def upload(self, folder: Path, version: int, *, last: bool) -> None:
        """``last``: only saved_model.pb, or everything else."""
        for file in folder.rglob("*"):
            if file.is_file() and (file.name == "saved_model.pb") == last:
                name = f"m/{version}/{file.relative_to(folder)}"
                self.http.post(
                    f"{self.url}/upload/storage/v1/b/models/o",
                    params={"uploadType": "media", "name": name},
                    data=file.read_bytes(),
                    timeout=10,
                ).raise_for_status()

    def remove(self, prefix: str) -> None:
        listed = self.http.get(f"{self.url}/storage/v1/b/models/o", params={"prefix": prefix}, timeout=10)
        for item in listed.json()["items"]:
            name = item["name"].replace("/", "%2F")
            self.http.delete(f"{self.url}/storage/v1/b/models/o/{name}", timeout=10).raise_for_status()


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[tuple[Bucket, dict[str, str]]]:
    """A bucket, and the environment of a server that may read it."""
    emulator = Emulator(tmp_path / "gcs")
    with emulator.served() as url:
        environ = {"STORAGE_EMULATOR_HOST": url, "GOOGLE_AUTH_TOKEN_FOR_TESTING": emulator.token}
        yield Bucket(url, emulator.token), environ


def test_versions_come_and_go_in_a_bucket(
    start: Start, bucket: tuple[Bucket, dict[str, str]], tmp_path: Path
) -> None:
    there, environ = bucket
    first, second = half_plus(tmp_path / "1", 2.0), half_plus(tmp_path / "2", 3.0)
    there.upload(first, 1, last=False)
    server = start(*FLAGS, "--max_num_load_retries=100", wait=False, env=environ)
    # The upload is under way: the server has seen it and runs into it.
    server.until(lambda: "Loading servable: {name: m version: 1} failed: NOT_FOUND" in server.log.read_text())
    there.upload(first, 1, last=True)
    server.until(server.is_up)
    assert server.predict({"instances": [1]}).json() == {"predictions": [2.5]}
    there.upload(second, 2, last=False)
    there.upload(second, 2, last=True)
    server.until(lambda: server.state() == {"2": "AVAILABLE", "1": "END"})
    assert server.predict({"instances": [1]}).json() == {"predictions": [3.5]}
    there.remove("m/")
    server.until(lambda: "gs://models/m was not found" in server.log.read_text())
    assert server.predict({"instances": [1]}).status_code == 200, "without its base path nothing changes"
    there.upload(first, 1, last=True)
    server.until(lambda: server.state().get("2") == "END" or server.state().get("1") == "LOADING")


def test_a_bucket_that_may_not_be_read(start: Start, bucket: tuple[Bucket, dict[str, str]]) -> None:
    _, environ = bucket
    environ["GOOGLE_AUTH_TOKEN_FOR_TESTING"] = "wrong"
    server = start(*FLAGS, wait=False, env=environ)
    server.until(
        lambda: (
            "PERMISSION_DENIED: Error executing an HTTP request: HTTP response code 401"
            in server.log.read_text()
        )
    )
    assert server.process.poll() is None, "it waits for better days, with its ports closed"
    assert not server.is_up()

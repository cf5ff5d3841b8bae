"""A client of the emulated Cloud Storage that holds every answer against Google's published contract."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlsplit

from emulator import Emulator
from starlette.testclient import TestClient

from sandbox.gcs.contract import contract

OBJECTS = "/storage/v1/b/models/o"
UPLOAD = "/upload/storage/v1/b/models/o"
UNIT = 256 * 1024


class CheckedClient(TestClient):
    """Fails when an answer of the JSON API is not of the method's published shape."""

    def request(self, method: str, url: Any, **options: Any) -> Any:  # type: ignore[override]
        answer = super().request(method, url, **options)
        path = answer.request.url.raw_path.decode().partition("?")[0]
        if path.startswith("/batch") or "/storage/v1/" not in path:
            return answer
        if answer.status_code >= 400 and answer.content:
            error = answer.json()["error"]
            assert error["code"] == answer.status_code
            assert error["errors"][0].keys() == {"message", "domain", "reason"}, error
        elif "application/json" in answer.headers.get("content-type", "") and answer.status_code == 200:
            below = path.partition("/storage/v1/")[2]
            verb = "POST" if path.startswith(("/upload", "/resumable")) else method
            found, _ = contract().find(verb, below)
            assert "fields=" in str(url) or "alt=media" in str(url) or found.response, path
            if found.response and "alt=media" not in str(answer.request.url):
                problems = contract().problems(found.response, answer.json())
                assert not problems, problems
        return answer


def client(emulator: Emulator, identity: str | None = "") -> CheckedClient:
    """``identity``: whose token is sent; the project's owner's by default, none for None."""
    token = emulator.tokens.issue(identity)["access_token"] if identity else emulator.token
    return CheckedClient(
        emulator.app, headers={} if identity is None else {"Authorization": f"Bearer {token}"}
    )


def with_bucket(emulator: Emulator, name: str = "models", **body: Any) -> CheckedClient:
    http = client(emulator)
    wanted = {"name": name, "location": "us-central1", **body}
    made = http.post("/storage/v1/b?project=sandbox-project", json=wanted)
    assert made.status_code == 200, made.text
    return http


def put(http: TestClient, name: str, data: bytes, bucket: str = "models", **query: Any) -> Any:
    params = {"uploadType": "media", "name": name, **query}
    return http.post(f"/upload/storage/v1/b/{bucket}/o", params=params, content=data)


def at(name: str, bucket: str = "models") -> str:
    return f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"


def read(http: TestClient, name: str, bucket: str = "models", **query: Any) -> bytes:
    answer = http.get(at(name, bucket), params={"alt": "media", **query})
    assert answer.status_code == 200, answer.text
    return bytes(answer.content)


def multipart(
    http: TestClient, metadata: dict[str, Any], data: bytes, newline: str = "\r\n", **query: Any
) -> Any:
    head = newline.join(
        [
            "--b0",
            "Content-Type: application/json",
            "",
            json.dumps(metadata),
            "--b0",
            "Content-Type: text/plain",
            "",
            "",
        ]
    )
    body = head.encode() + data + f"{newline}--b0--{newline}".encode()
    headers = {"Content-Type": "multipart/related; boundary=b0"}
    return http.post(UPLOAD, params={"uploadType": "multipart", **query}, content=body, headers=headers)


def begin(http: TestClient, name: str, body: dict[str, Any] | None = None, **query: Any) -> str:
    """The path of a new resumable upload."""
    made = http.post(UPLOAD, params={"uploadType": "resumable", "name": name, **query}, json=body or {})
    assert made.status_code == 200, made.text
    parts = urlsplit(made.headers["location"])
    return f"{parts.path}?{parts.query}"


def send(http: TestClient, session: str, data: bytes, first: int, total: int | str) -> Any:
    headers = {"Content-Range": f"bytes {first}-{first + len(data) - 1}/{total}"}
    return http.put(session, content=data, headers=headers)


def ask(http: TestClient, session: str, total: int | str = "*") -> Any:
    return http.put(session, headers={"Content-Range": f"bytes */{total}"})


def reason(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["errors"][0]["reason"]

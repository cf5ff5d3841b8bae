"""Buckets and objects as any client sees them, for tests that look at what is there or spoil it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from emulator import PROJECT, Emulator
from starlette.testclient import TestClient


class Objects:
    """The emulated Cloud Storage by its JSON API alone."""

    def __init__(self, emulator: Emulator) -> None:
        self._http = TestClient(emulator.app, headers={"Authorization": f"Bearer {emulator.token}"})

    def make_bucket(self, bucket: str, project: str = PROJECT, **options: Any) -> None:
        made = self._http.post(f"/storage/v1/b?project={project}", json={"name": bucket, **options})
        assert made.status_code == 200, made.text

    def patch_bucket(self, bucket: str, body: dict[str, Any]) -> None:
        assert self._http.patch(f"/storage/v1/b/{bucket}", json=body).status_code == 200

    def patch(self, bucket: str, name: str, body: dict[str, Any]) -> None:
        assert self._http.patch(self._path(bucket, name), json=body).status_code == 200

    def bucket(self, bucket: str) -> dict[str, Any]:
        return dict(self._http.get(f"/storage/v1/b/{bucket}").json())

    def put(self, bucket: str, name: str, data: bytes) -> dict[str, Any]:
        made = self._http.post(
            f"/upload/storage/v1/b/{bucket}/o", params={"uploadType": "media", "name": name}, content=data
        )
        assert made.status_code == 200, made.text
        return dict(made.json())

    def names(self, bucket: str) -> list[str]:
        return [item["name"] for item in self._http.get(f"/storage/v1/b/{bucket}/o").json().get("items", [])]

    def metadata(self, bucket: str, name: str) -> dict[str, Any]:
        return dict(self._http.get(self._path(bucket, name)).json())

    def content(self, bucket: str, name: str) -> bytes:
        got = self._http.get(f"{self._path(bucket, name)}?alt=media")
        assert got.status_code == 200, got.text
        return got.content

    def delete(self, bucket: str, name: str) -> None:
        assert self._http.delete(self._path(bucket, name)).status_code == 204

    def _path(self, bucket: str, name: str) -> str:
        return f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"

"""The seam to a Locust master, through the API server's proxy."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import json
from typing import Any

from ..k8s.client import KubeApi
from ..k8s.errors import KubeError

Json = dict[str, Any]

FILES = {
    "locust.html": "/stats/report?download=1",
    "stats.csv": "/stats/requests/csv",
    "failures.csv": "/stats/failures/csv",
    "exceptions.csv": "/exceptions/csv",
}
"""What Locust has to say at the end, and where."""


class LocustError(Exception):
    """The master did not do what was asked; in words."""


class Locust:
    """A master behind a Service's port 8089."""

    def __init__(self, api: KubeApi, namespace: str, service: str) -> None:
        self._api = api
        self._base = f"/api/v1/namespaces/{namespace}/services/http:{service}:8089/proxy"

    def look(self) -> Json | None:
        """State, users, counts and workers; None while the master does not answer."""
        try:
            status, _, body = self._api.raw("GET", f"{self._base}/loadtest", timeout=10)
        except KubeError:
            return None
        if status != 200:
            return None
        try:
            return dict(json.loads(body))
        except ValueError:
            return None

    def start(self) -> None:
        """Begins the shape of the locustfile."""
        answer = self._post("/swarm", b"user_count=1&spawn_rate=1")
        if not answer.get("success"):
            raise LocustError(f"Locust would not start: {answer.get('message', answer)}")

    def stop(self) -> None:
        """Ends the load; harmless when it has ended."""
        self._api.raw("GET", f"{self._base}/stop", timeout=10)

    def fetch(self, path: str) -> bytes | None:
        """A report or table; None when there is none."""
        status, _, body = self._api.raw("GET", self._base + path, timeout=30)
        return body if status == 200 else None

    def _post(self, path: str, form: bytes) -> Json:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        status, _, body = self._api.raw("POST", self._base + path, body=form, headers=headers, timeout=30)
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {}
        if status != 200 or not isinstance(answer, dict):
            raise LocustError(f"Locust's master answered {status}: {body[:200].decode('utf-8', 'replace')}")
        return answer

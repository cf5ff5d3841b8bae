"""What the tests of the emulated GKE share: a cluster to begin with, and waiting for operations."""

from __future__ import annotations

import time
from typing import Any

from starlette.testclient import TestClient

Json = dict[str, Any]

PROJECT = "/v1/projects/sandbox-project"
BASE = f"{PROJECT}/locations/us-central1-f"
REGION = f"{PROJECT}/locations/us-central1"
POOL: Json = {
    "name": "default-pool",
    "initialNodeCount": 1,
    "config": {"machineType": "e2-small"},
    "autoscaling": {"enabled": True, "minNodeCount": 1, "maxNodeCount": 3},
}
FIXED: Json = {"name": "fixed", "initialNodeCount": 3, "config": {"machineType": "e2-small"}}


def done(http: TestClient, operation: Json, base: str = BASE) -> Json:
    """The operation when it is over."""
    deadline = time.monotonic() + 10
    while operation["status"] != "DONE":
        assert time.monotonic() < deadline
        operation = http.get(f"{base}/operations/{operation['name']}").json()
    return operation


def send(http: TestClient, method: str, path: str, body: Json | None = None, base: str = BASE) -> Json:
    """Sends a request that begins an operation, and waits for its end, which is a good one."""
    answer = http.request(method, path, json=body)
    assert answer.status_code == 200, answer.text
    operation = done(http, answer.json(), base)
    assert "error" not in operation, operation
    return operation


def begin(http: TestClient, base: str = BASE, **cluster: Any) -> Json:
    body = {"cluster": {"name": "c", "nodePools": [POOL], **cluster}}
    answer = http.post(f"{base}/clusters", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def create(http: TestClient, base: str = BASE, **cluster: Any) -> Json:
    """A running cluster ``c``, as GET answers it."""
    operation = done(http, begin(http, base, **cluster), base)
    assert "error" not in operation, operation
    return dict(http.get(f"{base}/clusters/c").json())


def refused(answer: Any) -> Json:
    """The error of a refused request."""
    assert answer.status_code >= 400, answer.text
    return dict(answer.json()["error"])

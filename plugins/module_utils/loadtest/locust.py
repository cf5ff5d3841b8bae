"""The seam to a Locust master, through the API server's proxy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
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

POLL_TIMEOUT = 5.0
"""Seconds for a poll: the master answers from memory."""

STOP_TIMEOUT = 20.0
"""Seconds for a stop: users finish the request that they have sent."""

COLLECT_ATTEMPTS, COLLECT_PAUSE = 4, 5.0
"""Results are asked for again, some seconds apart: an API server may just be restarting."""


class LocustError(Exception):
    """The master did not do what was asked; in words."""


class Locust:
    """A master behind a Service's port 8089."""

    def __init__(self, api: KubeApi, namespace: str, service: str) -> None:
        self._api = api
        self.refusal = ""
        """Why the API server itself refused the last poll; empty where it did not."""
        self._base = f"/api/v1/namespaces/{namespace}/services/http:{service}:8089/proxy"

    def poll(self, *, observer: bool = False) -> Json | None:
        """State, users, counts and workers; None while the master does not answer.

        Each poll but an observer's tells the master that the run still has its driver.
        """
        query = {"observer": 1} if observer else None
        try:
            status, _unused, body = self._api.raw(
                "GET", f"{self._base}/loadtest", query=query, timeout=POLL_TIMEOUT
            )
            self.refusal = refusal_of(status)
            return dict(json.loads(body)) if status == 200 else None
        except (KubeError, ValueError, TypeError):
            return None

    def start(self) -> None:
        """Begins the shape of the locustfile."""
        answer = self._post("/swarm", b"user_count=1&spawn_rate=1")
        if not answer.get("success"):
            raise LocustError(f"Locust would not start: {answer.get('message', answer)}")

    def stop(self) -> bool:
        """Ends the load; harmless when it has ended. False when the master could not be told."""
        try:
            # Locust answers once the users have gone.
            status, *_unused = self._api.raw("POST", f"{self._base}/stop", timeout=STOP_TIMEOUT)
        except KubeError:
            return False
        return status == 200

    def fetch(self, path: str) -> bytes | None:
        """A report or table; None when there is none."""
        try:
            status, _unused, body = self._api.raw("GET", self._base + path, timeout=30)
        except KubeError:
            return None
        return body if status == 200 else None

    def _post(self, path: str, form: bytes) -> Json:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            status, _unused, body = self._api.raw(
                "POST", self._base + path, body=form, headers=headers, timeout=30
            )
        except KubeError as error:
            raise LocustError(f"Locust's master could not be told to start: {error}") from error
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {}
        if status != 200 or not isinstance(answer, dict):
            raise LocustError(f"Locust's master answered {status}: {body[:200].decode('utf-8', 'replace')}")
        return answer


def refusal_of(status: int) -> str:
    """In words, where the API server does not let this run through."""
    if status == 401:
        return (
            "the API server answers 401: the kubeconfig's token has ended or was withdrawn. Take credentials that last longer than "
            "the run or can be renewed (docs/credentials.md)"
        )
    if status == 403:
        return "the API server answers 403: the identity in the kubeconfig may not reach Locust's Service through services/proxy"
    return ""


def collect_results(locust: Locust, folder: Path, sleep: Callable[[float], None]) -> list[str]:
    """Locust's own reports and tables as files; the names of those that came, tried a few times."""
    came: list[str] = []
    for attempt in range(COLLECT_ATTEMPTS):
        for name, path in FILES.items():
            content = locust.fetch(path) if name not in came else None
            if content is not None:
                (folder / name).write_bytes(content)
                came.append(name)
        if len(came) == len(FILES) or attempt + 1 == COLLECT_ATTEMPTS:
            break
        sleep(COLLECT_PAUSE)
    return came

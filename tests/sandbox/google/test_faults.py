"""Faults on demand, over real connections."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests
from emulator import Emulator
from gke_client import BASE, POOL, done
from starlette.testclient import TestClient

CLUSTERS = f"{BASE}/clusters"
BODY = {"cluster": {"name": "c", "nodePools": [POOL]}}


class Client:
    """A client with a token, that asks for faults."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def send(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.session.request(method, self.url + path, json=body, timeout=10)

    def fault(self, match: dict[str, Any], **fault: Any) -> None:
        answer = self.send("POST", "/sandbox/faults", {"match": match, "fault": fault})
        assert answer.status_code == 200, answer.text


@pytest.fixture
def client(url: str, emulator: Emulator) -> Client:
    return Client(url, emulator.token)


def test_the_nth_request_and_some_after_it_are_refused(client: Client) -> None:
    client.fault({"method": "GET", "path": "/clusters$", "nth": 2, "times": 2}, status=503)
    statuses = [client.send("GET", CLUSTERS).status_code for _ in range(4)]
    assert statuses == [200, 503, 503, 200]
    assert client.send("GET", "/sandbox/faults").json() == {"faults": []}


def test_a_refusal_has_no_effect_and_the_body_that_was_asked_for(client: Client) -> None:
    body = {"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}}
    client.fault({"method": "POST"}, status=429, body=body, headers={"Retry-After": "1"})
    answer = client.send("POST", CLUSTERS, BODY)
    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (429, body, "1")
    assert client.send("GET", CLUSTERS).json() == {}


def test_a_refusal_without_a_body_is_worded_as_google_would(client: Client) -> None:
    client.fault({"path": "/clusters"}, status=503)
    assert client.send("GET", CLUSTERS).json()["error"]["status"] == "UNAVAILABLE"


def test_a_reset_has_no_effect(client: Client) -> None:
    client.fault({"method": "POST", "path": "/clusters$"}, reset=True)
    with pytest.raises(requests.ConnectionError, match="reset"):
        client.send("POST", CLUSTERS, BODY)
    assert client.send("GET", CLUSTERS).json() == {}


def test_a_lost_response_has_had_its_effect(client: Client) -> None:
    client.fault({"method": "POST", "path": "/clusters$"}, lost_response=True)
    with pytest.raises(requests.ConnectionError, match="reset"):
        client.send("POST", CLUSTERS, BODY)
    assert [c["name"] for c in client.send("GET", CLUSTERS).json()["clusters"]] == ["c"]


def test_a_delay_comes_before_the_answer(client: Client) -> None:
    client.fault({"path": "/clusters$"}, delay=0.2)
    begun = time.monotonic()
    assert client.send("GET", CLUSTERS).status_code == 200
    assert time.monotonic() - begun >= 0.2


def test_an_operation_ends_with_the_error_that_was_asked_for(client: Client, http: TestClient) -> None:
    stockout = {"code": "GCE_STOCKOUT", "canonicalCode": "RESOURCE_EXHAUSTED", "message": "no room"}
    error = {"code": 8, "message": "no room", "conditions": [stockout]}
    client.fault({"method": "POST", "path": "/clusters$"}, operation_error=error)
    operation = done(http, client.send("POST", CLUSTERS, BODY).json())
    assert operation["error"] == {"code": 8, "message": "no room"}
    assert operation["clusterConditions"] == [stockout]
    assert client.send("GET", f"{CLUSTERS}/c").json()["status"] == "ERROR"


def test_a_failed_update_leaves_a_degraded_cluster_until_one_succeeds(
    client: Client, http: TestClient
) -> None:
    done(http, client.send("POST", CLUSTERS, BODY).json())
    condition = {"code": "CLOUD_KMS_KEY_ERROR", "message": "the key is gone"}
    error = {"message": "the key is gone", "conditions": [condition]}
    update = {"update": {"desiredShieldedNodes": {"enabled": False}}}
    client.fault({"method": "PUT"}, operation_error=error)
    done(http, client.send("PUT", f"{CLUSTERS}/c", update).json())
    cluster = client.send("GET", f"{CLUSTERS}/c").json()
    assert (cluster["status"], cluster["conditions"], cluster["shieldedNodes"]) == (
        "DEGRADED", [condition], {"enabled": True},
    )  # fmt: skip
    done(http, client.send("PUT", f"{CLUSTERS}/c", update).json())
    cluster = client.send("GET", f"{CLUSTERS}/c").json()
    assert (cluster["status"], "conditions" in cluster, cluster["shieldedNodes"]) == ("RUNNING", False, {})


def test_faults_of_cloud_storage_are_the_same(client: Client) -> None:
    client.fault({"path": "^/storage/v1/"}, status=503)
    answer = client.send("GET", "/storage/v1/b?project=sandbox-project")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, 503)


@pytest.mark.parametrize(
    "asked",
    [{}, [], {"fault": {"what": 1}}, {"fault": {}, "match": {"path": "["}}, {"fault": {"bytes": -1}},
     {"fault": {"status": 500, "of": "response"}}, {"fault": {"corrupt": True}}, {"fault": {"delay": "long"}},
     {"fault": {"reset": True}, "match": {"nth": 0}}],
)  # fmt: skip
def test_what_is_no_fault_is_refused(client: Client, asked: Any) -> None:
    assert client.send("POST", "/sandbox/faults", asked).status_code == 400


def test_a_path_is_searched_with_and_without_its_query(client: Client) -> None:
    client.fault({"path": "/clusters$", "times": 2}, status=503)
    client.fault({"path": "fields=name"}, status=429)
    statuses = [
        client.send("GET", f"{CLUSTERS}{query}").status_code for query in ("?fields=name", "", "?fields=name")
    ]
    assert statuses == [503, 503, 429]


def test_only_the_projects_owner_asks_for_faults_and_they_can_be_forgotten(
    client: Client, emulator: Emulator
) -> None:
    client.fault({"path": "/"}, status=500)
    assert len(client.send("GET", "/sandbox/faults").json()["faults"]) == 1
    assert client.send("DELETE", "/sandbox/faults").json() == {"faults": []}
    reader = emulator.tokens.issue("reader@sandbox-project.iam.gserviceaccount.com")["access_token"]
    for headers, status in (({"Authorization": f"Bearer {reader}"}, 403), ({}, 401)):
        client.session.headers.clear()
        client.session.headers.update(headers)
        assert client.send("POST", "/sandbox/faults", {"fault": {}}).status_code == status

"""From a pod's service account to what it may read: the metadata server's tokens, and tokens of other accounts."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import google.auth.transport.requests
import pytest
from emulator import Emulator
from gcs_api import at, client, put, with_bucket
from google.auth import compute_engine, impersonated_credentials
from starlette.testclient import TestClient

from sandbox.google.projects import workload_identity
from sandbox.google.tokens import ACCOUNT as OWNER
from sandbox.google.tokens import PROJECT
from sandbox.iam.metadata import MetadataServer, Workload, identity_of, node_account, workload_of

POOL = f"{PROJECT}.svc.id.goog"
GOOGLE = f"reader@{PROJECT}.iam.gserviceaccount.com"
PRINCIPAL = workload_identity(PROJECT, "models", "resnet")
ACCOUNTS = "/computeMetadata/v1/instance/service-accounts/"


def pod(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "models", "name": "p", "uid": "u"},
        "spec": {"serviceAccountName": "resnet", **spec},
    }


def account(**annotations: str) -> dict[str, Any]:
    return {"metadata": {"name": "resnet", "annotations": annotations}}


ANNOTATED = account(**{"iam.gke.io/gcp-service-account": GOOGLE})


@pytest.mark.parametrize(
    ("workload", "identity"),
    [
        (workload_of(pod(), account()), PRINCIPAL),
        (workload_of(pod(), {"metadata": {"name": "resnet"}}), PRINCIPAL),
        (workload_of(pod(), ANNOTATED), GOOGLE),
        (workload_of(pod(hostNetwork=True), ANNOTATED), node_account(PROJECT)),
        (workload_of(pod(), ANNOTATED, has_workload_identity=False), node_account(PROJECT)),
    ],
)
def test_whom_a_pods_token_names(workload: Workload, identity: str) -> None:
    assert identity_of(workload) == identity


def test_the_annotation_of_the_pod_itself_means_nothing() -> None:
    asking = pod()
    asking["metadata"]["annotations"] = {"iam.gke.io/gcp-service-account": GOOGLE}
    assert identity_of(workload_of(asking, account())) == PRINCIPAL


Serve = Callable[..., str]


@pytest.fixture
def serve(emulator: Emulator) -> Iterator[Serve]:
    servers: list[MetadataServer] = []

    def start(found: Workload | None, **options: Any) -> str:
        server = MetadataServer(emulator.tokens, **options)
        listener = socket.create_server(("127.0.0.1", 0))
        server.listen_on("node", listener, lambda _: found)
        servers.append(server)
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server in servers:
        server.leave("node")


def ask(address: str, path: str, flavor: str | None = "Google") -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("GET", path, headers={"Metadata-Flavor": flavor} if flavor else {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_the_metadata_server_of_a_pod_without_annotation(serve: Serve, emulator: Emulator) -> None:
    address = serve(workload_of(pod(), account()))
    assert ask(address, ACCOUNTS) == (200, f"default/\n{POOL}/\n")
    assert ask(address, f"{ACCOUNTS}default/email") == (200, POOL)
    token = json.loads(ask(address, f"{ACCOUNTS}default/token")[1])["access_token"]
    assert emulator.tokens.identity(token) == PRINCIPAL
    assert ask(address, f"{ACCOUNTS}somebody/token")[0] == 404
    assert ask(address, f"{ACCOUNTS}default/token", flavor=None)[0] == 403
    assert ask(serve(None), f"{ACCOUNTS}default/token")[0] == 404


def test_no_pod_gets_the_owners_token_whatever_account_it_names(
    serve: Serve, emulator: Emulator, http: TestClient
) -> None:
    """So none administers its cluster, or orders faults."""
    annotated = account(**{"iam.gke.io/gcp-service-account": OWNER})
    for found in (
        workload_of(pod(), annotated),
        workload_of(pod(), annotated, has_workload_identity=False),
        workload_of(pod(hostNetwork=True), annotated),
    ):
        status, text = ask(serve(found), f"{ACCOUNTS}default/token")
        token = json.loads(text)["access_token"] if status == 200 else ""
        assert emulator.tokens.identity(token) != OWNER
        shown = {"Authorization": f"Bearer {token}"}
        assert http.get("/sandbox/faults", headers=shown).status_code in (401, 403)


def test_only_api_servers_ask_whose_a_token_is(emulator: Emulator, http: TestClient) -> None:
    asked = {"spec": {"token": emulator.token}}
    for shown in ({"Authorization": ""}, {"Authorization": "Bearer "}, {}):
        assert http.post("/tokenreview", json=asked, headers=shown).status_code == 401
    shown = {"Authorization": f"Bearer {emulator.tokens.reviewer}"}
    assert http.post("/tokenreview", json=asked, headers=shown).json()["status"]["authenticated"] is True
    assert http.get("/sandbox/faults", headers=shown).status_code == 401


def test_googles_own_library_gets_its_token_there(
    serve: Serve, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = serve(workload_of(pod(), ANNOTATED))
    monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", address)
    credentials = compute_engine.Credentials()
    credentials.refresh(google.auth.transport.requests.Request())
    assert credentials.service_account_email == GOOGLE
    assert emulator.tokens.identity(credentials.token) == GOOGLE


def test_a_new_pod_is_not_known_at_once(serve: Serve) -> None:
    moment = [100.0]
    address = serve(workload_of(pod(), account()), delay_seconds=3, now=lambda: moment[0])
    for seconds in (0, 2.9):
        moment[0] = 100 + seconds
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(address, f"{ACCOUNTS}default/token")
    moment[0] = 103
    assert ask(address, f"{ACCOUNTS}default/token")[0] == 200


def test_the_owner_may_act_for_other_accounts(emulator: Emulator, url: str) -> None:
    owner = with_bucket(emulator)
    put(owner, "o", b"1")
    where = f"/v1/projects/-/serviceAccounts/{GOOGLE}:generateAccessToken"
    body = {"scope": ["https://www.googleapis.com/auth/devstorage.read_only"], "lifetime": "600s"}
    made = owner.post(where, json=body).json()
    assert emulator.tokens.identity(made["accessToken"]) == GOOGLE
    assert GOOGLE in client(emulator, GOOGLE).get(at("o")).json()["error"]["message"]
    stranger = client(emulator, GOOGLE)
    assert stranger.post(where, json=body).status_code == 403


def test_impersonation_by_googles_library(emulator: Emulator, url: str) -> None:
    from google.oauth2.credentials import Credentials

    target = impersonated_credentials.Credentials(
        source_credentials=Credentials(token=emulator.token),
        target_principal=GOOGLE,
        target_scopes=["https://www.googleapis.com/auth/cloud-platform"],
        iam_endpoint_override=f"{url}/v1/projects/-/serviceAccounts/{GOOGLE}:generateAccessToken",
    )
    target.refresh(google.auth.transport.requests.Request())
    assert emulator.tokens.identity(target.token) == GOOGLE


def test_a_pod_does_not_administer_the_cluster(emulator: Emulator) -> None:
    def groups(token: str) -> list[str]:
        return list(emulator.tokens.review({"spec": {"token": token}})["status"]["user"]["groups"])

    assert groups(emulator.token) == ["system:masters"]
    assert groups(emulator.tokens.issue(PRINCIPAL)["access_token"]) == ["system:authenticated"]

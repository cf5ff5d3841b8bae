"""What setting up a project touches: service accounts, policies, enabled APIs, addresses; as Google answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from emulator import Emulator
from gke_client import BASE, FIXED, REGION, create, refused
from shapes import differences
from starlette.testclient import TestClient

from sandbox.google.tokens import ACCOUNT

RECORDED = Path(__file__).parent / "recorded"
HOSTS = ("iam.googleapis.com", "serviceusage.googleapis.com", "compute.googleapis.com")
# Values that tell one thing from another, or say when: only that they are there is compared.
IDENTITIES = re.compile(
    r"(^|\.)(id|name|etag|uniqueId|oauth2ClientId|address|user|targetId|labelFingerprint|parent"
    r"|\w*(Time|Timestamp|Link))$"
)
# path -> why it differs on purpose
DIFFERENCES = {
    "metadata.@type": "of an operation: says nothing",
    "metadata.value": "of an operation: says nothing",
    "name": "of a service, in an operation's answer",
}
PROJECT = "/v1/projects/sandbox-project"
ACCOUNTS = f"{PROJECT}/serviceAccounts"
ADDRESSES = "/compute/v1/projects/sandbox-project/regions/us-central1/addresses"


def exchanges(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_text().splitlines():
        exchange = json.loads(line)
        url = urlsplit(exchange["url"])
        if url.hostname in HOSTS and not url.path.endswith(("/networks/${networkID}", "${subnetworkID}")):
            yield exchange


@pytest.mark.parametrize("file", sorted(RECORDED.glob("*.jsonl")), ids=lambda file: file.stem)
def test_recorded_requests_are_answered_as_they_were(http: TestClient, file: Path) -> None:
    operation, found = "none", []
    for exchange in exchanges(file):

        def own(text: str, operation: str = operation) -> str:
            values = {"projectId": "sandbox-project", "operationID": operation, "uniqueId": "abc123"}
            return re.sub(r"\$\{(\w+)\}", lambda m: values.get(m[1], m[1].lower()), text)

        path = own(urlsplit(exchange["url"]).path)
        body = json.loads(own(json.dumps(exchange["request"])))
        answer = http.request(exchange["method"], path, json=body)
        assert answer.status_code == exchange["status"], answer.text
        ours, theirs = answer.json(), json.loads(own(json.dumps(exchange["response"])))
        if "operation" in ours.get("name", "") and exchange["method"] != "GET":
            operation = ours["name"].removeprefix("operations/")
        found += [
            f"{exchange['method']} {path}: {difference}"
            for difference in differences(theirs, ours)
            if difference[1] not in DIFFERENCES
            and not (difference[0] == "value" and IDENTITIES.search(difference[1]))
        ]
    assert not found, "\n".join(found)


def test_an_account_has_a_policy_of_its_own(http: TestClient) -> None:
    made = http.post(
        ACCOUNTS, json={"accountId": "model-reader", "serviceAccount": {"displayName": "d"}}
    ).json()
    assert made["email"] == "model-reader@sandbox-project.iam.gserviceaccount.com"
    path = f"{ACCOUNTS}/{made['email']}"
    policy = http.post(f"{path}:getIamPolicy", json={}).json()
    assert policy == {"etag": "ACAB"}
    member = "serviceAccount:sandbox-project.svc.id.goog[serving/model-server]"
    bindings = [{"role": "roles/iam.workloadIdentityUser", "members": [member]}]
    written = http.post(f"{path}:setIamPolicy", json={"policy": {**policy, "bindings": bindings}}).json()
    assert (written["bindings"], written["version"]) == (bindings, 1)
    assert http.post(f"{path}:getIamPolicy", json={}).json() == written
    error = refused(http.post(f"{path}:setIamPolicy", json={"policy": {**policy, "bindings": []}}))
    assert (error["code"], error["status"]) == (409, "ABORTED")
    assert http.delete(path).json() == {}
    assert refused(http.get(path))["message"] == "Unknown service account"


@pytest.mark.parametrize(
    ("account", "status"), [("short", 400), ("Upper-case", 400), ("deployer", 409), ("a" * 31, 400)]
)
def test_accounts_that_google_refuses(http: TestClient, account: str, status: int) -> None:
    assert refused(http.post(ACCOUNTS, json={"accountId": account}))["code"] == status


def test_accounts_are_listed_and_change(http: TestClient) -> None:
    (own,) = http.get(ACCOUNTS).json()["accounts"]
    path = f"/v1/projects/-/serviceAccounts/{own['uniqueId']}"
    body = {"serviceAccount": {"displayName": "new"}, "updateMask": "display_name"}
    assert http.patch(path, json=body).json()["displayName"] == "new"
    assert http.get(path).json()["displayName"] == "new"
    assert refused(http.patch(path, json=body | {"updateMask": "email"}))["code"] == 400


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ({"role": "editor", "members": ["user:a@b.c"]}, "Role editor is not supported"),
        ({"role": "roles/editor", "members": ["a@b.c"]}, "Invalid member a@b.c"),
        (
            {"role": "roles/editor", "members": ["serviceAccount:no@p.iam.gserviceaccount.com"]},
            "does not exist",
        ),
    ],
)
def test_policies_that_google_refuses(http: TestClient, binding: dict[str, Any], words: str) -> None:
    error = refused(http.post(f"{PROJECT}:setIamPolicy", json={"policy": {"bindings": [binding]}}))
    assert (error["code"], words in error["message"]) == (400, True)
    assert http.post(f"{PROJECT}:getIamPolicy", json={}).json() == {"etag": "ACAB"}


def test_a_project_has_a_policy(http: TestClient) -> None:
    bindings = [{"role": "roles/viewer", "members": ["user:a@example.com"]}]
    http.post(f"{PROJECT}:setIamPolicy", json={"policy": {"bindings": bindings}})
    assert http.post(f"{PROJECT}:getIamPolicy", json={}).json()["bindings"] == bindings
    assert http.get(PROJECT).json()["lifecycleState"] == "ACTIVE"


@pytest.mark.parametrize(
    ("role", "may_read", "may_change"),
    [
        ("roles/container.admin", True, True),
        ("roles/container.clusterAdmin", True, True),
        ("roles/container.viewer", True, False),
        ("roles/storage.admin", False, False),
        (None, False, False),
    ],
)
def test_once_a_project_has_a_policy_roles_decide(
    http: TestClient, emulator: Emulator, role: str | None, may_read: bool, may_change: bool
) -> None:
    create(http)
    bindings = [{"role": "roles/owner", "members": ["user:somebody@example.com"]}]
    bindings += (
        [{"role": role, "members": ["serviceAccount:tester@p.iam.gserviceaccount.com"]}] if role else []
    )
    accounts = http.post("/v1/projects/p/serviceAccounts", json={"accountId": "tester"})
    assert accounts.status_code == 200
    assert http.post(f"{PROJECT}:setIamPolicy", json={"policy": {"bindings": bindings}}).status_code == 200
    token = emulator.tokens.issue("tester@p.iam.gserviceaccount.com")["access_token"]
    other = TestClient(emulator.app, headers={"Authorization": f"Bearer {token}"})
    path = f"{BASE}/clusters/c"
    read, change = (
        other.get(path),
        other.put(path, json={"update": {"desiredShieldedNodes": {"enabled": True}}}),
    )
    assert [read.status_code, change.status_code] == [200 if may_read else 403, 200 if may_change else 403]
    if not may_change:
        error = refused(change)
        assert (
            error["message"]
            == 'Required "container.clusters.update" permission(s) for "projects/sandbox-project".'
        )
        assert error["status"] == "PERMISSION_DENIED"


def test_the_sandbox_s_own_account_may_always(http: TestClient, emulator: Emulator) -> None:
    bindings = [{"role": "roles/viewer", "members": ["user:somebody@example.com"]}]
    http.post(f"{PROJECT}:setIamPolicy", json={"policy": {"bindings": bindings}})
    http.headers["Authorization"] = f"Bearer {emulator.tokens.issue(ACCOUNT)['access_token']}"
    assert create(http)["status"] == "RUNNING"


def test_an_api_that_is_switched_off_refuses_until_it_is_on(http: TestClient) -> None:
    service = f"{PROJECT}/services/container.googleapis.com"
    assert http.get(service).json()["state"] == "ENABLED"
    http.post(f"{service}:disable", json={})
    error = refused(http.get(f"{BASE}/clusters"))
    assert (error["code"], error["status"]) == (403, "PERMISSION_DENIED")
    assert error["details"][0]["reason"] == "SERVICE_DISABLED"
    operation = http.post(f"{service}:enable", json={}).json()
    assert http.get(f"/v1/{operation['name']}").json()["response"]["service"]["state"] == "ENABLED"
    assert http.get(f"{BASE}/clusters").status_code == 200
    listed = http.get(f"{PROJECT}/services", params={"filter": "state:ENABLED"}).json()["services"]
    assert "container.googleapis.com" in [found["name"].rpartition("/")[2] for found in listed]


def test_addresses_are_reserved_and_set_free(http: TestClient) -> None:
    operation = http.post(ADDRESSES, json={"name": "endpoint"}).json()
    path = operation["selfLink"].removeprefix("https://www.googleapis.com")
    assert (operation["status"], http.get(path).json()["status"]) == ("RUNNING", "DONE")
    found = http.get(f"{ADDRESSES}/endpoint").json()
    assert (found["status"], found["addressType"], found["networkTier"]) == (
        "RESERVED",
        "EXTERNAL",
        "PREMIUM",
    )
    assert found["address"].startswith("198.19.")
    assert [address["name"] for address in http.get(ADDRESSES).json()["items"]] == ["endpoint"]
    assert refused(http.post(ADDRESSES, json={"name": "endpoint"}))["code"] == 409
    assert refused(http.post(ADDRESSES, json={"name": "End_point"}))["code"] == 400
    http.delete(f"{ADDRESSES}/endpoint")
    error = refused(http.get(f"{ADDRESSES}/endpoint"))
    assert error["message"].endswith("/regions/us-central1/addresses/endpoint' was not found")


def test_instance_groups_tell_the_size_of_each_zone(http: TestClient, emulator: Emulator) -> None:
    create(http, REGION, nodePools=[FIXED | {"initialNodeCount": 2}])
    (pool,) = http.get(f"{REGION}/clusters/c/nodePools").json()["nodePools"]
    paths = [url.removeprefix("https://www.googleapis.com") for url in pool["instanceGroupUrls"]]
    assert [http.get(path).json()["targetSize"] for path in paths] == [2, 2, 2]
    emulator.orchestrator.clusters()[0].scale_up("fixed")
    assert sum(http.get(path).json()["targetSize"] for path in paths) == 7
    assert refused(http.get(paths[0] + "x"))["code"] == 404

"""Who may do what in the emulated Cloud Storage."""

from __future__ import annotations

from typing import Any

import pytest
from emulator import Emulator
from gcs_api import OBJECTS, at, begin, client, put, read, reason, send, with_bucket
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from sandbox.app import make_app
from sandbox.gcs.iam import ROLES, condition_holds, members_of
from sandbox.google.errors import GoogleError
from sandbox.google.projects import workload_identity
from sandbox.iam.metadata import node_account

IAM = "/storage/v1/b/models/iam"
READER = "reader@sandbox-project.iam.gserviceaccount.com"
POD = workload_identity("sandbox-project", "models", "resnet")
UNIFORM = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}}


@pytest.fixture
def owner(emulator: Emulator) -> TestClient:
    http = with_bucket(emulator, **UNIFORM)
    put(http, "o", b"1")
    return http


def grant(owner: TestClient, role: str, *members: str, **more: Any) -> None:
    policy = owner.get(IAM, params={"optionsRequestedPolicyVersion": 3}).json()
    policy["bindings"].append({"role": role, "members": list(members), **more})
    policy["version"] = 3
    answer = owner.put(IAM, json=policy)
    assert answer.status_code == 200, answer.text


def test_the_policy_of_a_new_bucket(owner: TestClient) -> None:
    policy = owner.get(IAM).json()
    assert (policy["resourceId"], policy["version"]) == ("projects/_/buckets/models", 1)
    owners = ["projectEditor:sandbox-project", "projectOwner:sandbox-project"]
    assert {"role": "roles/storage.legacyBucketOwner", "members": owners} in policy["bindings"]


def test_a_stale_etag_is_refused(owner: TestClient) -> None:
    first, second = owner.get(IAM).json(), owner.get(IAM).json()
    first["bindings"].append({"role": "roles/storage.objectViewer", "members": [f"serviceAccount:{READER}"]})
    changed = owner.put(IAM, json=first).json()
    assert changed["etag"] != first["etag"]
    assert reason(owner.put(IAM, json=second)) == (412, "conditionNotMet")
    assert owner.get(IAM).json() == changed
    without = {key: value for key, value in second.items() if key != "etag"}
    assert owner.put(IAM, json=without).status_code == 200, "who sends no etag overwrites"


def test_a_stranger_is_told_so_in_googles_words(owner: TestClient, emulator: Emulator) -> None:
    answer = client(emulator, READER).get(at("o"), params={"alt": "media"})
    assert reason(answer) == (403, "forbidden")
    assert answer.json()["error"]["message"] == (
        f"{READER} does not have storage.objects.get access to the Google Cloud Storage object. Permission "
        "'storage.objects.get' denied on resource (or it may not exist)."
    )
    assert "Caller does not have" in client(emulator, POD).get(at("o")).json()["error"]["message"]
    anonymous = client(emulator, None).get(at("o"))
    assert reason(anonymous) == (401, "required")
    assert anonymous.json()["error"]["message"].startswith(
        "Anonymous caller does not have storage.objects.get"
    )
    unknown = client(emulator, None)
    unknown.headers["Authorization"] = "Bearer ya29.never-issued"
    assert reason(unknown.get(at("o"))) == (401, "authError")


@pytest.mark.parametrize(
    "member",
    [
        POD,
        "serviceAccount:sandbox-project.svc.id.goog[models/resnet]",
        POD.replace("principal://", "principalSet://").replace(
            "subject/ns/models/sa/resnet", "namespace/models"
        ),
    ],
)
def test_a_pod_may_read_what_its_account_may_read(owner: TestClient, emulator: Emulator, member: str) -> None:
    grant(owner, "roles/storage.objectViewer", member)
    pod, neighbour = (
        client(emulator, POD),
        client(emulator, POD.replace("sa/resnet", "sa/other").replace("ns/models", "ns/x")),
    )
    assert read(pod, "o") == b"1"
    assert pod.get(OBJECTS).json()["items"][0]["name"] == "o"
    assert reason(pod.get(at("missing"))) == (404, "notFound")
    for denied in (
        put(pod, "p", b""),
        pod.delete(at("o")),
        pod.patch(at("o"), json={}),
        pod.get("/storage/v1/b/models"),
    ):
        assert reason(denied) == (403, "forbidden")
    assert neighbour.get(at("o")).status_code == 403


def test_who_may_create_may_not_replace(owner: TestClient, emulator: Emulator) -> None:
    grant(owner, "roles/storage.objectCreator", f"serviceAccount:{READER}")
    creator = client(emulator, READER)
    assert put(creator, "new", b"1").status_code == 200
    again = put(creator, "new", b"2")
    assert "storage.objects.delete" in again.json()["error"]["message"]
    assert reason(creator.get(at("new"))) == (403, "forbidden")
    session = begin(creator, "slow")
    policy = owner.get(IAM).json()
    policy["bindings"].pop()
    policy["bindings"] = [b for b in policy["bindings"] if b["role"] != "roles/storage.objectCreator"]
    owner.put(IAM, json=policy)
    assert reason(send(creator, session, b"x", 0, 1)) == (403, "forbidden"), (
        "rights are checked at the end, too"
    )


def test_only_who_may_list_learns_what_does_not_exist(owner: TestClient, emulator: Emulator) -> None:
    grant(owner, "roles/storage.legacyObjectReader", f"serviceAccount:{READER}")
    reader = client(emulator, READER)
    assert read(reader, "o") == b"1"
    assert "storage.objects.list" in reader.get(at("missing")).json()["error"]["message"]
    assert reason(reader.get(OBJECTS)) == (403, "forbidden")


def test_public_buckets_and_their_prevention(owner: TestClient, emulator: Emulator) -> None:
    grant(owner, "roles/storage.objectViewer", "allUsers")
    anonymous = client(emulator, None)
    assert read(anonymous, "o") == b"1"
    owner.patch("/storage/v1/b/models", json={"iamConfiguration": {"publicAccessPrevention": "enforced"}})
    assert anonymous.get(at("o")).status_code == 401
    policy = owner.get(IAM).json()
    assert reason(owner.put(IAM, json=policy)) == (412, "conditionNotMet")


def test_all_authenticated_users_are_google_accounts(owner: TestClient, emulator: Emulator) -> None:
    grant(owner, "roles/storage.objectViewer", "allAuthenticatedUsers")
    assert client(emulator, READER).get(at("o")).status_code == 200
    assert client(emulator, POD).get(at("o")).status_code == 403
    assert client(emulator, None).get(at("o")).status_code == 401


@pytest.mark.parametrize(
    ("binding", "status"),
    [
        ({"role": "roles/owner", "members": ["allUsers"]}, 400),
        ({"role": "roles/storage.objectViewer", "members": ["reader"]}, 400),
        ({"role": "roles/storage.objectViewer", "members": ["serviceAccount:"]}, 400),
        ({"role": "roles/storage.objectViewer", "members": "allUsers"}, 400),
        (
            {
                "role": "roles/storage.objectViewer",
                "members": [POD],
                "condition": {"title": "t", "expression": "true"},
            },
            400,
        ),
    ],
)
def test_policies_that_are_none(owner: TestClient, binding: Any, status: int) -> None:
    assert owner.put(IAM, json={"bindings": [binding]}).status_code == status


def test_a_condition_limits_a_role(owner: TestClient, emulator: Emulator) -> None:
    put(owner, "models/a", b"a")
    put(owner, "other/b", b"b")
    expression = 'resource.name.startsWith("projects/_/buckets/models/objects/models/")'
    grant(owner, "roles/storage.objectViewer", POD, condition={"title": "models", "expression": expression})
    pod = client(emulator, POD)
    assert read(pod, "models/a") == b"a"
    assert pod.get(at("other/b")).status_code == 403
    assert owner.get(IAM).status_code == 400, "the older form of a policy can't show conditions"
    assert owner.get(IAM, params={"optionsRequestedPolicyVersion": 3}).json()["version"] == 3


def test_conditions_need_uniform_access_and_a_client_that_knows_them(emulator: Emulator) -> None:
    owner = with_bucket(emulator)
    condition = {"title": "always", "expression": "true"}
    binding = {"role": "roles/storage.objectViewer", "members": [POD], "condition": condition}
    answer = owner.put(IAM, json={"bindings": [binding], "version": 3})
    assert answer.status_code == 412
    assert "enable uniform bucket-level access" in answer.json()["error"]["message"]
    owner.patch("/storage/v1/b/models", json=UNIFORM)
    old = owner.put(IAM, json={"bindings": [binding], "version": 1})
    assert (old.status_code, "at least 3" in old.json()["error"]["message"]) == (400, True)
    assert owner.put(IAM, json={"bindings": [binding], "version": 3}).status_code == 200
    assert owner.put(IAM, json={"bindings": []}).status_code == 400, "conditions are not lost by accident"


def test_conditions() -> None:
    now = 1_700_000_000.0
    name = "projects/_/buckets/b/objects/o"
    assert condition_holds('resource.type == "storage.googleapis.com/Object"', name, now)
    assert condition_holds("request.time < timestamp('2030-01-01T00:00:00Z')", name, now)
    assert not condition_holds('request.time < timestamp("2020-01-01T00:00:00Z")', name, now)
    assert condition_holds(f'resource.name == "x" || resource.name == "{name}"', name, now)
    assert not condition_holds(f'resource.name == "{name}" && resource.type == "x"', name, now)
    with pytest.raises(GoogleError, match="not emulated"):
        condition_holds("resource.matchTag('a', 'b')", name, now)


def test_permissions_can_be_asked_for(owner: TestClient, emulator: Emulator) -> None:
    grant(owner, "roles/storage.objectViewer", f"serviceAccount:{READER}")
    query = [("permissions", "storage.objects.get"), ("permissions", "storage.buckets.delete")]
    where = f"{IAM}/testPermissions"
    assert client(emulator, READER).get(where, params=query).json()["permissions"] == ["storage.objects.get"]
    assert owner.get(where, params=query).json()["permissions"] == [name for _, name in query]
    assert "permissions" not in client(emulator, POD).get(where, params=query).json()
    assert owner.get(where, params={"permissions": "storage.fly"}).status_code == 400
    assert reason(owner.get(where)) == (400, "required")


def test_policies_outlive_the_daemon(owner: TestClient, tmp_path: Any) -> None:
    grant(owner, "roles/storage.objectViewer", POD)
    assert read(client(Emulator(tmp_path / "gcs"), POD), "o") == b"1"


def test_a_list_of_access_control_is_a_view_of_the_policy(emulator: Emulator) -> None:
    owner = with_bucket(emulator)
    put(owner, "o", b"1")
    made = owner.post("/storage/v1/b/models/acl", json={"entity": f"user-{READER}", "role": "READER"}).json()
    assert (made["entity"], made["email"]) == (f"user-{READER}", READER)
    assert client(emulator, READER).get(OBJECTS).status_code == 200
    assert client(emulator, READER).get(at("o")).status_code == 403
    assert owner.delete(f"/storage/v1/b/models/acl/user-{READER}").status_code == 204
    assert client(emulator, READER).get(OBJECTS).status_code == 403
    assert owner.get(f"/storage/v1/b/models/acl/user-{READER}").status_code == 404


@given(st.sampled_from(sorted(ROLES)), st.sampled_from([None, READER, POD, "who@example.com"]))
def test_nobody_is_meant_by_others_names(role: str, identity: str | None) -> None:
    names = members_of(identity)
    assert "allUsers" in names
    assert not any(name.startswith("project") for name in names), "project roles are not inherited by name"
    assert ROLES[role] <= ROLES["roles/storage.admin"]


COMPUTE = node_account("sandbox-project")
PROJECT_POLICY = "/v1/projects/sandbox-project:setIamPolicy"


@pytest.mark.parametrize("bucket", [UNIFORM, {}])
def test_a_projects_editors_read_its_buckets(emulator: Emulator, bucket: dict[str, Any]) -> None:
    owner = with_bucket(emulator, **bucket)
    put(owner, "o", b"1")
    compute = client(emulator, COMPUTE)
    assert reason(compute.get(at("o"))) == (403, "forbidden")
    for role, may in (("roles/editor", True), ("roles/viewer", True), ("roles/browser", False)):
        policy = {"bindings": [{"role": role, "members": [f"serviceAccount:{COMPUTE}"]}]}
        assert owner.post(PROJECT_POLICY, json={"policy": policy}).status_code == 200
        assert (compute.get(at("o"), params={"alt": "media"}).status_code == 200) == may, role
    owner.post(PROJECT_POLICY, json={"policy": {"bindings": []}})
    assert reason(compute.get(at("o"))) == (403, "forbidden")


def test_an_editor_of_another_project_reads_nothing_here(emulator: Emulator) -> None:
    owner = with_bucket(emulator)
    put(owner, "o", b"1")
    policy = {"bindings": [{"role": "roles/editor", "members": [f"serviceAccount:{COMPUTE}"]}]}
    other = PROJECT_POLICY.replace("sandbox-project", "other-project")
    assert owner.post(other, json={"policy": policy}).status_code == 200
    assert reason(client(emulator, COMPUTE).get(at("o"))) == (403, "forbidden")


def test_accounts_may_be_editors_from_the_start(emulator: Emulator) -> None:
    owner = with_bucket(emulator)
    put(owner, "o", b"1")
    app = make_app(emulator.orchestrator, emulator.store, emulator.tokens, editors=(COMPUTE,))
    token = emulator.tokens.issue(COMPUTE)["access_token"]
    http = TestClient(app, headers={"Authorization": f"Bearer {token}"})
    assert http.get(at("o"), params={"alt": "media"}).content == b"1"

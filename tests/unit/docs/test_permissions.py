"""The custom roles that the documentation hands out have each permission that is needed, and none besides."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.gke import client
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.cluster_options import CLUSTER_OPTIONS
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.pool_options import POOL_OPTIONS
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.teardown import OTHER_KINDS, OWN_KINDS
from ansible_collections.mlops.tfserving.plugins.modules import (
    gcs_bucket,
    gcs_saved_model,
    gke_cluster,
    gke_cluster_info,
    gke_node_pool,
)
from emulator import Emulator
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.google.discovery import load

sys.path.insert(0, str(Path(__file__).parent))

from google_permissions import (
    ACT_AS,
    ADMINS_ONLY,
    APIS,
    BOOTSTRAP,
    BOTH,
    BY_VARIABLE,
    CONNECT,
    CUSTOM_GROUPS,
    DEPLOYER,
    DEPLOYERS_ONLY,
    IN_CLUSTER,
    METHODS,
    OPERATOR,
    READS,
)

Call = Callable[..., dict[str, Any]]
ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "tests/unit/saved_model/models/good"
PLUGINS = ROOT / "plugins/module_utils"


def role(name: str) -> set[str]:
    described = yaml.safe_load((ROOT / f"docs/roles/{name}.yml").read_text())
    assert set(described) == {"title", "description", "stage", "includedPermissions"}
    listed = described["includedPermissions"]
    assert listed == sorted(set(listed)), "sorted, each once"
    return set(listed)


def method(verb: str, path: str) -> str:
    """The name that Google's description of the API has for a request."""
    if "/storage/v1/" in path:
        api, path = "storage.v1", path.removeprefix("/upload")
        if verb == "PUT" and path.endswith("/o"):
            return "storage.objects.insert"  # more of an upload that was begun
    else:
        api = "container.v1"
    found = load(api).method(verb, path)
    assert found, f"{verb} {path}"
    return found[0].id


class Listening:
    """The application, and the methods that it was asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.methods: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/sandbox"):
            path = scope.get("raw_path") or scope["path"].encode()
            self.methods.add(method(scope["method"], path.decode().partition("?")[0]))
        await self._app(scope, receive, send)


@pytest.fixture
def asked(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    monkeypatch.setattr(client, "FIRST_POLL", 0.05)
    monkeypatch.setattr(client, "LAST_POLL", 0.1)
    listening = Listening(emulator.app)
    emulator.app._app, listening._app = listening, emulator.app._app
    return listening.methods


def test_the_life_of_a_site_asks_for_nothing_else(
    asked: set[str],
    call: Call,
    http: TestClient,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = {"location": "us-central1-f"}
    pool = {"name": "a", "machine_type": "e2-small", "initial_node_count": 1}
    call(gke_cluster, name="c", **place, node_pools=[pool])
    call(gke_cluster, name="c", **place, resource_labels={"a": "b"}, node_pools=[{**pool, "node_count": 2}])
    call(gke_node_pool, cluster="c", **place, name="b", machine_type="e2-small", initial_node_count=1)
    # An answer that got lost: it looks at the operations, whether the change was made.
    fault = {"match": {"method": "DELETE", "path": "/nodePools/b$"}, "fault": {"lost_response": True}}
    http.post("/sandbox/faults", json=fault).raise_for_status()
    call(gke_node_pool, cluster="c", **place, name="b", state="absent")
    call(gke_cluster, name="c", **place, state="absent")
    members = [{"role": "roles/storage.objectViewer", "members": ["user:a@example.com"]}]
    call(gcs_bucket, name="models", location="us-central1", iam_members=members)
    call(gcs_bucket, name="models", location="us-central1", labels={"a": "b"})
    large = Path(shutil.copytree(MODEL, tmp_path / "model"))
    (large / "assets.extra").mkdir(exist_ok=True)
    (large / "assets.extra/large").write_bytes(bytes(6 * 2**20))
    here = {"bucket": "models", "path": "models/m"}
    assert call(gcs_saved_model, **here, source=str(large))["changed"]
    assert call(gcs_saved_model, bucket="models", path="models/n", source="gs://models/models/m/1")["changed"]
    assert call(gcs_saved_model, **here, state="absent", version=1)["changed"]
    assert call(gcs_bucket, name="models", state="absent", force=True)["changed"]
    assert asked <= set(METHODS)
    updates = {name for name in METHODS if METHODS[name][0] == ("container.clusters.update",)}
    assert set(METHODS) - asked <= updates, "nothing in the table is out of use"


def test_an_operator_only_reads_from_google(asked: set[str], call: Call, tmp_path: Path) -> None:
    """What promote, rollback, status and a load test ask: where the cluster is, and which versions there are."""
    call(gke_cluster, name="c", location="us-central1-f")
    call(gcs_bucket, name="models", location="us-central1")
    here = {"bucket": "models", "path": "models/m"}
    call(gcs_saved_model, **here, source=str(MODEL))
    asked.clear()
    kubeconfig = str(tmp_path / "kubeconfig")
    assert call(gke_cluster_info, name="c", location="us-central1-f", kubeconfig_file=kubeconfig)["exists"]
    assert call(gcs_saved_model, **here, state="listed")["versions"]
    assert asked == {name for name, (_, roles) in METHODS.items() if OPERATOR in roles}


def test_every_change_that_an_option_can_make_is_in_the_table() -> None:
    base = "/v1/projects/p/locations/l/clusters/c"
    for options, path in ((CLUSTER_OPTIONS, base), (POOL_OPTIONS, f"{base}/nodePools/n")):
        for option in options:
            if option.request is not None:
                name = method(option.request.method, path + option.request.suffix)
                assert METHODS[name][0] == ("container.clusters.update",), option.name


def kinds_of_playbooks() -> Iterator[str]:
    """What they ask of the cluster, as container.RESOURCE.VERB without the first word."""
    for template in ROOT.glob("roles/*/templates/*.yml.j2"):
        documents = re.findall(r"^apiVersion: (\S+)\nkind: (\w+)$", template.read_text(), re.MULTILINE)
        for version, kind in documents:
            yield from (f"{resource(version, kind)}.{verb}" for verb in ("create", "get", "update"))
    for file in ROOT.glob("roles/*/vars/main.yml"):  # what is removed when it is no longer wanted
        for version, kind in re.findall(r"'([a-z0-9./]*\bv[0-9]\w*)/([A-Z]\w+)'", file.read_text()):
            yield from (f"{resource(version, kind)}.{verb}" for verb in ("get", "delete"))
    for file in [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/**/*.yml")]:
        for task in tasks(yaml.safe_load(file.read_text())):
            options = task.get("mlops.tfserving.k8s_objects_info")
            if not options:
                continue
            items = task["loop"] if isinstance(task.get("loop"), list) else []
            kinds = [(options.get("api_version", "v1"), options.get("kind", "{{"))]
            if "{{" in kinds[0][1]:
                kinds = [
                    (item["api"], item["kind"]) if isinstance(item, dict) else ("v1", item) for item in items
                ]
            for version, kind in kinds:
                yield f"{resource(version, kind)}.{'get' if options.get('name') else 'list'}"


def resource(version: str, kind: str) -> str:
    return "thirdPartyObjects" if version.partition("/")[0] in CUSTOM_GROUPS else plural(kind)


def plural(kind: str) -> str:
    name = kind[0].lower() + kind[1:]
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}es" if name.endswith("s") else f"{name}s"


def tasks(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from tasks(item)
    elif isinstance(node, dict):
        yield node
        for key in ("tasks", "block", "rescue", "always", "pre_tasks", "post_tasks"):
            yield from tasks(node.get(key))


def in_cluster() -> set[str]:
    asked = {*kinds_of_playbooks(), *BY_VARIABLE, *(permission for permission, _, _ in IN_CLUSTER)}
    return {permission for permission in asked if permission.partition(".")[0] not in ADMINS_ONLY}


def test_no_plugin_asks_an_api_that_the_tables_do_not_have() -> None:
    text = "".join(file.read_text() for file in ROOT.glob("plugins/**/*.py"))
    found = set(re.findall(r"https://([a-z]+)\.googleapis\.com", text)) - {"www"}  # scopes
    assert found == APIS


@pytest.mark.parametrize(("permission", "file", "line"), [*READS, *IN_CLUSTER])
def test_what_modules_ask_for_is_where_the_table_says(permission: str, file: str, line: str) -> None:
    assert line in (PLUGINS / file).read_text(), f"is {permission} still needed?"


def test_no_module_asks_for_a_resource_that_the_table_does_not_have() -> None:
    known = {permission.partition(".")[0].lower() for permission, _, _ in IN_CLUSTER}
    # k8s_rollout waits for these, too; the roles have none.
    known |= {"statefulsets", "daemonsets", "controllerrevisions"}
    known |= {"gateways"}  # one of CUSTOM_GROUPS, as the routes that lead to it
    found = set()
    for file in PLUGINS.rglob("*.py"):
        text = file.read_text()
        found |= {
            word.lower()
            for word in re.findall(r"(?:namespaces/\{[^}]*\}|\{space\}|/api/v1)/([a-z]{4,})", text)
        }
        found |= set(re.findall(r'Kind\("[^"]+", "(\w+)"', text))
    assert found - {"namespaces"} <= known


def teardown() -> set[str]:
    """What the one who removes a site needs besides."""
    going = {resource(place.removeprefix("/apis/"), kind) for kind, place in OWN_KINDS.items()}
    looked_at = {resource(place.removeprefix("/apis/"), kind) for kind, place in OTHER_KINDS.items()}
    return {
        *(f"{kind}.{verb}" for kind in going - {*ADMINS_ONLY} for verb in ("list", "get", "delete")),
        *(f"{kind}.list" for kind in looked_at), "namespaces.get", "namespaces.delete",
    }  # fmt: skip


def needed(name: str) -> set[str]:
    google = {p for permissions, roles in METHODS.values() if name in roles for p in permissions}
    if name == DEPLOYER:
        google |= {permission for permission, _, _ in READS}
    inside = in_cluster() | teardown() if name == DEPLOYER else in_cluster() - set(DEPLOYERS_ONLY)
    return (google - {ACT_AS}) | {f"container.{permission}" for permission in inside} | {CONNECT}


@pytest.mark.parametrize("name", BOTH)
def test_a_role_has_what_is_needed_and_nothing_else(name: str) -> None:
    assert role(name) == needed(name)


def test_the_role_that_prepares_a_project() -> None:
    bootstrap = (ROOT / "roles/cluster/tasks/bootstrap.yml").read_text()
    assert set(re.findall(r"google\.cloud\.gcp_[a-z_]+", bootstrap)) == set(BOOTSTRAP)
    assert role("bootstrap") == {p for permissions in BOOTSTRAP.values() for p in permissions}


def test_no_role_can_give_itself_more() -> None:
    """Nor read secrets, nor enter a container."""
    for name in (*BOTH, "bootstrap"):
        for permission in role(name):
            assert not re.search(
                r"(?i)escalate|bind|impersonate|secrets|pods\.exec|pods\.attach|getAccessToken|keys\.create"
                r"|projects\.setIamPolicy|serviceAccounts\.setIamPolicy|actAs|\*",
                permission,
            ), f"{name}: {permission}"

"""Kubeconfigs: for each endpoint and way to sign in, and merged into a file without harm to others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import BadInput, GoogleError
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.kubeconfig import (
    EXEC_USER,
    context_name,
    forget,
    kubeconfig,
    merge,
    token_user,
    write,
)
from ansible_collections.mlops.tfserving.plugins.modules import gke_cluster
from hypothesis import given
from hypothesis import strategies as st

CLUSTER: dict[str, Any] = {
    "name": "c", "location": "us-central1", "endpoint": "192.0.2.1", "masterAuth": {"clusterCaCertificate": "Q0E="},
    "controlPlaneEndpointsConfig": {
        "dnsEndpointConfig": {"endpoint": "gke-1.us-central1.gke.goog"},
        "ipEndpointsConfig": {"enabled": True, "privateEndpoint": "10.0.0.2"},
    },
}  # fmt: skip
NAME = "gke_p_us-central1_c"
OTHERS = {
    "apiVersion": "v1", "kind": "Config", "current-context": "mine", "preferences": {"colors": True},
    "clusters": [{"name": "mine", "cluster": {"server": "https://mine"}}],
    "users": [{"name": "mine", "user": {"client-key-data": "c2VjcmV0"}}],
    "contexts": [{"name": "mine", "context": {"cluster": "mine", "user": "mine", "namespace": "x"}}],
    "extensions": [{"name": "e", "extension": {}}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("endpoint", "server", "authority"),
    [
        ("ip", "192.0.2.1", "Q0E="),
        ("private", "10.0.0.2", "Q0E="),
        ("dns", "gke-1.us-central1.gke.goog", None),
    ],
)
def test_endpoints(endpoint: str, server: str, authority: str | None) -> None:
    found = kubeconfig(CLUSTER, "p", token_user("t"), endpoint)["clusters"][0]["cluster"]
    assert (found["server"], found.get("certificate-authority-data")) == (f"https://{server}", authority)


def test_the_private_endpoint_of_an_older_cluster() -> None:
    older = {
        **CLUSTER,
        "controlPlaneEndpointsConfig": {},
        "privateClusterConfig": {"privateEndpoint": "10.0.0.9"},
    }
    assert (
        kubeconfig(older, "p", EXEC_USER, "private")["clusters"][0]["cluster"]["server"] == "https://10.0.0.9"
    )


@pytest.mark.parametrize(
    ("cluster", "endpoint", "words"),
    [
        ({**CLUSTER, "controlPlaneEndpointsConfig": {}}, "dns", "no DNS endpoint"),
        ({**CLUSTER, "controlPlaneEndpointsConfig": {"ipEndpointsConfig": {"enabled": False}}}, "ip", "kubeconfig_endpoint: dns"),
        ({**CLUSTER, "controlPlaneEndpointsConfig": {}}, "private", "no private endpoint"),
    ],
)  # fmt: skip
def test_an_endpoint_that_is_not_there_is_refused(cluster: dict[str, Any], endpoint: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        kubeconfig(cluster, "p", token_user("t"), endpoint)


def test_a_plugin_in_place_of_a_token() -> None:
    user = kubeconfig(CLUSTER, "p", EXEC_USER)["users"][0]["user"]
    assert user["exec"]["command"] == "gke-gcloud-auth-plugin"
    assert "token" not in user


def content(token: str = "t") -> dict[str, Any]:
    return kubeconfig(CLUSTER, "p", token_user(token))


@pytest.mark.parametrize("dump", [json.dumps, yaml.safe_dump])
def test_others_in_the_file_stay(tmp_path: Path, dump: Any) -> None:
    file = tmp_path / "config"
    file.write_text(dump(OTHERS))
    file.chmod(0o644)
    write(str(file), content())
    found = yaml.safe_load(file.read_text())
    assert found["current-context"] == "mine"
    assert (found["preferences"], found["extensions"]) == (OTHERS["preferences"], OTHERS["extensions"])
    for kind in ("clusters", "users", "contexts"):
        assert found[kind][0] == OTHERS[kind][0]
        assert [entry["name"] for entry in found[kind]] == ["mine", NAME]
    assert file.stat().st_mode & 0o777 == 0o600
    assert (file.read_text()[0] == "{") is (dump is json.dumps), "JSON stays JSON, YAML stays YAML"
    write(str(file), content("fresh"), current=True)
    again = yaml.safe_load(file.read_text())
    assert [entry["name"] for entry in again["users"]] == ["mine", NAME]
    assert again["users"][1]["user"]["token"] == "fresh"
    assert again["current-context"] == NAME


@pytest.mark.parametrize(
    "text", ["just words", "[1, 2]", "{kind: Pod}", "clusters: 7", "a: [", "contexts: [x]", "\x00\x01"]
)
def test_a_file_that_is_no_kubeconfig_is_refused_and_left(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(BadInput, match="is no kubeconfig: nothing was written"):
        write(str(file), content())
    assert file.read_text() == text


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="is no kubeconfig"):
        write(str(file), content())


def test_a_new_file_and_an_empty_one_and_a_link(tmp_path: Path) -> None:
    write(str(tmp_path / "deep" / "new"), content())
    assert json.loads((tmp_path / "deep" / "new").read_text())["current-context"] == NAME
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    write(str(tmp_path / "link"), content())
    assert (tmp_path / "link").is_symlink()
    assert json.loads((tmp_path / "empty").read_text())["users"][0]["name"] == NAME


def test_a_place_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(GoogleError, match="can't be written"):
        write(str(tmp_path / "file" / "config"), content())


names = st.lists(st.sampled_from(["a", "b", NAME]), unique=True)


@given(names, names, names, st.booleans())
def test_merging_keeps_every_other_entry_and_is_done_once(
    clusters: list[str], users: list[str], contexts: list[str], current: bool
) -> None:
    existing = {
        "clusters": [{"name": n, "cluster": {}} for n in clusters],
        "users": [{"name": n, "user": {}} for n in users],
        "contexts": [{"name": n, "context": {}} for n in contexts],
    }
    merged = merge(existing, content(), current=current)
    for kind, before in existing.items():
        assert [e for e in merged[kind] if e["name"] != NAME] == [e for e in before if e["name"] != NAME]
        assert [e for e in merged[kind] if e["name"] == NAME] == content()[kind]
    assert merge(merged, content(), current=current) == merged


def test_the_context_is_named_as_gcloud_does() -> None:
    assert context_name("p", "us-central1", "c") == NAME


@pytest.mark.parametrize("dump", [json.dumps, yaml.safe_dump])
def test_a_cluster_is_forgotten_and_others_stay(tmp_path: Path, dump: Any) -> None:
    file = tmp_path / "config"
    file.write_text(dump(OTHERS))
    assert not forget(str(file), NAME, check_mode=False), "nothing of it is there"
    write(str(file), content(), current=True)
    assert forget(str(file), NAME, check_mode=True)
    assert forget(str(file), NAME, check_mode=False)
    assert yaml.safe_load(file.read_text()) == {**OTHERS, "current-context": ""}
    assert (file.read_text()[0] == "{") is (dump is json.dumps)
    assert not forget(str(file), NAME, check_mode=False)


def test_a_file_with_nothing_else_goes_and_what_is_no_kubeconfig_stays(tmp_path: Path) -> None:
    file = tmp_path / "config"
    write(str(file), content())
    assert forget(str(file), NAME, check_mode=True) and file.exists()
    assert forget(str(file), NAME, check_mode=False) and not file.exists()
    assert not forget(str(file), NAME, check_mode=False)
    file.write_text("just words")
    assert not forget(str(file), NAME, check_mode=False)
    assert file.read_text() == "just words"


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("where", ["file/kubeconfig", "folder", "other"])
def test_a_file_that_can_not_be_written_is_told_before_anything_is_made(
    call: Any, emulator: Any, tmp_path: Path, where: str, *, check: bool
) -> None:
    """Below a file, a folder itself, and a file that is something else."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").write_text("a letter")
    result = call(
        gke_cluster, check=check, name="c", location="us-central1-f", kubeconfig_file=str(tmp_path / where),
        node_pools=[{"name": "a", "machine_type": "e2-small", "initial_node_count": 1}],
    )  # fmt: skip
    assert result["failed"] and "kubeconfig" in result["msg"], result
    assert emulator.clusters == []

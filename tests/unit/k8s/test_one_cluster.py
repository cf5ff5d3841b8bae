"""Whatever the environment says, a role's tasks all reach the same cluster, or none. Two API servers on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import (
    AUTH_ARG_MAP,
    AUTH_ARG_SPEC,
    AUTH_PROXY_HEADERS_SPEC,
)
from ansible_collections.mlops.tfserving.plugins.filter.kubeconfig_context import kubeconfig_context
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.environment import OPTIONS, contradiction

ROOT = Path(__file__).resolve().parents[3]
PODS = {"name": "pods", "namespaced": True, "kind": "Pod", "singularName": "pod", "verbs": ["list", "get"]}
ANSWERS: dict[str, Any] = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [PODS]},
}


class Cluster:
    """An API server without pods, that knows whether it was asked."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.paths.append(self.path)
                empty = {
                    "kind": "PodList",
                    "apiVersion": "v1",
                    "metadata": {"resourceVersion": "1"},
                    "items": [],
                }
                body = json.dumps(ANSWERS.get(self.path.partition("?")[0], empty)).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_unused: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def clusters() -> Iterator[tuple[Cluster, Cluster]]:
    pair = Cluster(), Cluster()
    yield pair
    for one in pair:
        one.http.shutdown()
        one.http.server_close()


def kubeconfig(file: Path, **servers: str) -> Path:
    """The first is the current context."""
    file.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": next(iter(servers)),
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in servers.items()],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in servers],
    }))  # fmt: skip
    return file


def play(
    folder: Path,
    given: str,
    env: dict[str, str],
    variable: str = "cluster_existing_kubeconfig",
    *between: dict[str, Any],
    **variables: str,
) -> tuple[int, str]:
    """The cluster role connects, then both collections list pods, as playbooks do it. ``between``: tasks."""
    connection = "{{ kubernetes_connection }}"
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.include_role": {"name": "mlops.tfserving.cluster", "tasks_from": "connect.yml"}},
        *between,
        {"mlops.tfserving.k8s_objects_info": {"kind": "Pod"}},
        {"kubernetes.core.k8s_info": {"kind": "Pod"}},
    ]
    (folder / "play.yml").write_text(yaml.safe_dump([{
        "hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": tasks,
        "vars": {"ansible_python_interpreter": sys.executable, variable: given, **variables},
        "vars_files": [str(ROOT / "playbooks/vars/connection.yml")],
        "module_defaults": {"group/mlops.tfserving.k8s": connection, "group/kubernetes.core.k8s": connection},
    }]))  # fmt: skip
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "play.yml"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=240,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "HOME": str(folder), **env},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_both_collections_ask_the_cluster_of_the_kubeconfig(
    tmp_path: Path, clusters: tuple[Cluster, Cluster]
) -> None:
    """Of a list, too, as kubectl takes it in KUBECONFIG: what is not there is passed over."""
    one, other = clusters
    kubeconfig(tmp_path / "config", a=one.url, b=other.url)
    env = {
        "KUBECONFIG": str(kubeconfig(tmp_path / "other", b=other.url)),
        "K8S_AUTH_KUBECONFIG": str(tmp_path / "other"),
    }
    code, output = play(tmp_path, "~/config:~/not-there", env, "cluster_kubeconfig_file")
    assert code == 0, output
    assert "[renamed-variable] cluster_kubeconfig_file is now called" in " ".join(output.split())
    lists = [path for path in one.paths if path.startswith("/api/v1/pods")]
    assert len(lists) == 2, one.paths
    assert other.paths == []


def test_who_chooses_another_context_meanwhile_leads_no_run_elsewhere(
    tmp_path: Path, clusters: tuple[Cluster, Cluster]
) -> None:
    one, other = clusters
    file = kubeconfig(tmp_path / "config", a=one.url, b=other.url)
    switched = kubeconfig(tmp_path / "switched", b=other.url, a=one.url).read_text()
    use_context = {"ansible.builtin.copy": {"dest": str(file), "content": switched}}
    code, output = play(tmp_path, str(file), {}, "cluster_existing_kubeconfig", use_context)
    assert code == 0, output
    assert len([path for path in one.paths if path.startswith("/api/v1/pods")]) == 2
    assert other.paths == []


def test_a_context_that_is_named_is_taken_whichever_is_current(
    tmp_path: Path, clusters: tuple[Cluster, Cluster]
) -> None:
    one, other = clusters
    file = str(kubeconfig(tmp_path / "config", a=one.url, b=other.url))
    code, output = play(tmp_path, file, {}, cluster_existing_context="b")
    assert code == 0, output
    assert one.paths == [] and other.paths != []
    code, output = play(tmp_path, file, {}, cluster_existing_context="prod")
    assert code != 0 and "prod" in output
    assert one.paths == []


def test_of_several_files_the_first_current_context_counts_as_for_kubectl(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "first", a="http://127.0.0.1:1")
    second = kubeconfig(tmp_path / "second", b="http://127.0.0.1:2")
    (tmp_path / "none").write_text("apiVersion: v1\nkind: Config\n")
    (tmp_path / "broken").write_text("{")
    assert kubeconfig_context(f"{tmp_path}/none:{first}:{second}") == "a"
    assert kubeconfig_context(f"{second}:{first}") == "b"
    assert (
        kubeconfig_context(f"{tmp_path}/none:{tmp_path}/broken:{tmp_path}/not-there")
        == kubeconfig_context("")
        == ""
    )


@pytest.mark.parametrize("names", [("CONTEXT",), ("HOST", "API_KEY")])
def test_an_environment_that_leads_elsewhere_is_refused(
    tmp_path: Path, clusters: tuple[Cluster, Cluster], names: tuple[str, ...]
) -> None:
    one, other = clusters
    file = kubeconfig(tmp_path / "config", a=one.url, b=other.url)
    values = {"CONTEXT": "b", "HOST": other.url, "API_KEY": "x"}
    code, output = play(tmp_path, str(file), {f"K8S_AUTH_{name}": values[name] for name in names})
    assert code != 0
    assert one.paths == other.paths == []
    for name in names:
        assert f"-u K8S_AUTH_{name}" in " ".join(output.split())


def test_the_reason_names_what_is_set_and_nothing_secret() -> None:
    assert contradiction({"K8S_AUTH_KUBECONFIG": "/a", "KUBECONFIG": "/b", "PATH": "/bin"}) == ("", "")
    environment = {"K8S_AUTH_API_KEY": "hidden"}  # pragma: allowlist secret
    told = " ".join(contradiction({**environment, "K8S_AUTH_VERIFY_SSL": "false"}))
    assert "K8S_AUTH_API_KEY, K8S_AUTH_VERIFY_SSL" in told
    assert "hidden" not in told


def test_all_that_kubernetes_core_takes_from_the_environment_is_known() -> None:
    options = {*AUTH_ARG_MAP, *AUTH_ARG_SPEC} - {"kubeconfig", "persist_config", "proxy_headers"}
    assert {name.upper() for name in options} | {
        f"PROXY_HEADERS_{name.upper()}" for name in AUTH_PROXY_HEADERS_SPEC
    } == set(OPTIONS)

"""What a node is made of: its files, its configuration, and the host's folders it must not touch."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path
from typing import Any

from sandbox.kube.addons import apply_addons
from sandbox.kube.node import HOST_FOLDERS, container_spec, containerd_config, copy_images, mount_script
from sandbox.paths import ClusterAddresses

# The longest that the sandbox allows: a cluster's name may have 40 characters.
FOLDER = Path("/var/lib/mlops-tfserving-sandbox/clusters") / f"3-{'a' * 40}" / "nodes/15"
# unix(7): sun_path without its final zero byte.
LONGEST_SOCKET = 107


def sockets(config: str) -> list[str]:
    address = tomllib.loads(config)["grpc"]["address"]
    return [address, f"{address}.ttrpc"]


def test_sockets_have_room_below_the_longest_folder() -> None:
    assert all(len(path) <= LONGEST_SOCKET for path in sockets(containerd_config(FOLDER)))


def test_containerd_writes_below_the_nodes_folder_or_where_the_node_has_its_own() -> None:
    config = tomllib.loads(containerd_config(FOLDER))
    paths = [config["root"], config["state"], config["plugins"]["io.containerd.internal.v1.opt"]["path"]]
    assert all(path.startswith(f"{FOLDER}/") for path in paths)
    assert config["grpc"]["address"].startswith(HOST_FOLDERS)


def test_every_folder_of_the_host_is_covered_by_one_of_the_node() -> None:
    folder = Path("/state of mine/nodes/0/host")
    words = shlex.split(mount_script(folder).replace("&&", ";"))
    assert words[:3] == ["mount", "--make-rprivate", "/"]
    binds = [(words[i + 1], words[i + 2]) for i, word in enumerate(words) if word == "--bind"]
    assert binds == [(f"{folder}{path}", path) for path in HOST_FOLDERS]


def test_a_nodes_images_share_layers_with_the_template_but_not_databases(tmp_path: Path) -> None:
    template = tmp_path / "template"
    layer, database = Path("snapshots/1/fs/bin/python3"), Path("metadata/meta.db")
    for name in (layer, database):
        (template / name).parent.mkdir(parents=True)
        (template / name).write_text("as built")
    (template / "snapshots/1/fs/bin/python").symlink_to("python3")
    copy_images(template, tmp_path / "node")
    assert (tmp_path / "node" / layer).samefile(template / layer)
    assert (tmp_path / "node/snapshots/1/fs/bin/python").readlink() == Path("python3")
    (tmp_path / "node" / database).write_text("in use")
    assert (template / database).read_text() == "as built"


def test_every_container_trusts_the_sandboxs_authority() -> None:
    files = [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}]
    default = {"process": {"env": ["PATH=/bin"], "rlimits": files}, "mounts": [{"destination": "/proc"}]}
    spec = container_spec(default, Path("/state/authority/ca.crt"))
    assert spec["process"] == {"env": ["PATH=/bin"]}
    assert spec["mounts"][0] == {"destination": "/proc"}
    assert spec["mounts"][1] == {
        "destination": "/etc/ssl/certs/ca-certificates.crt", "source": "/state/authority/ca.crt", "type": "bind",
        "options": ["bind", "ro"],
    }  # fmt: skip
    runtimes = tomllib.loads(containerd_config(FOLDER))["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]
    assert runtimes["runtimes"]["runc"]["base_runtime_spec"].startswith(f"{FOLDER}/")


def test_pods_find_cloud_storage_by_its_own_name() -> None:
    applied: dict[str, Any] = {}

    class Rest:
        def apply(self, path: str, manifest: dict[str, Any]) -> None:
            applied[path] = manifest

    apply_addons(Rest(), ClusterAddresses(0))  # type: ignore[arg-type]
    corefile = applied["/api/v1/namespaces/kube-system/configmaps/coredns"]["data"]["Corefile"]
    assert "198.18.0.1 storage.googleapis.com" in corefile

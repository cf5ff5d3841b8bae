"""What a node is made of: its files, its configuration, and the host's folders it must not touch."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

from sandbox.kube.node import HOST_FOLDERS, containerd_config, copy_images, mount_script

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

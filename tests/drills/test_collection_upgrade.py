"""A site that version 0.1.0 of this collection made is taken over by this one while clients ask it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ansible_collections.google.cloud
import ansible_collections.kubernetes.core
import pytest

from .drill import HERE, KUBECONFIG, ROOT, Cluster, KubeClient, converge, load_during, refused

Record = Callable[..., None]

OLD = "0d546fa04"
"""The last commit of 0.1.0."""

PARTS = {
    "cluster": [],
    "storage": [],
    # The bucket has newer versions, for other drills.
    "promote": ["-e", "promote_version=1"],
    "autoscaling": ["-e", "autoscaling_min_replicas=2"],
}
MIGRATION = ROOT / "docs/migration.md"


class Installed:
    """The collection of an older commit, built and installed as an artifact, as its users have it."""

    def __init__(self, commit: str, folder: Path) -> None:
        self._folder, self._collections = folder, folder / "collections"
        tree = folder / "tree"
        tree.mkdir()
        (folder / "ansible.cfg").write_text("[defaults]\n")
        packed = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "x", "-C", tree], input=packed, check=True)
        for name, package in (
            ("kubernetes/core", ansible_collections.kubernetes.core),
            ("google/cloud", ansible_collections.google.cloud),
        ):
            link = self._collections / "ansible_collections" / name
            link.parent.mkdir(parents=True)
            link.symlink_to(next(iter(package.__path__)))
        self._run("ansible-galaxy", "collection", "build", "--output-path", str(folder), cwd=tree)
        (artifact,) = folder.glob("*.tar.gz")
        self._run(
            "ansible-galaxy",
            "collection",
            "install",
            "--offline",
            "-p",
            str(self._collections),
            str(artifact),
        )

    def converge(self, part: str, *arguments: str) -> None:
        inventory = ["-i", str(ROOT / "inventories/sandbox"), "-e", f"@{HERE / 'vars.yml'}"]
        self._run("ansible-playbook", f"mlops.tfserving.{part}", *inventory, *arguments)

    def _run(self, program: str, *arguments: str, cwd: Path | None = None) -> None:
        done = subprocess.run(
            [f"{ROOT}/.venv/bin/{program}", *arguments], cwd=cwd or self._folder, text=True, capture_output=True,
            env={**os.environ, "ANSIBLE_CONFIG": str(self._folder / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(self._collections)},
            check=False, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, f"{program} {arguments}:\n{done.stdout[-5000:]}{done.stderr[-2000:]}"


@pytest.fixture
def old_site(cluster: Cluster, tmp_path: Path) -> Iterator[Cluster]:
    """Cluster, model, server and HPA as 0.1.0 makes them; the drills' own cluster comes back after it."""
    old = Installed(OLD, tmp_path)
    converge("playbooks/teardown.yml", "-e", "teardown_bucket=false")
    old.converge("cluster")
    cluster.api = KubeClient(str(KUBECONFIG))
    old.converge("promote", "-e", "promote_version=1")
    old.converge("autoscaling", "-e", "autoscaling_min_replicas=2")
    cluster.wait_for_replicas("drill", 2)
    yield cluster
    converge("playbooks/teardown.yml", "-e", "teardown_bucket=false", "-e", "teardown_also=cluster/cluster-1")
    converge("playbooks/cluster.yml")
    cluster.api = KubeClient(str(KUBECONFIG))


def test_collection_upgraded_from_0_1_0(old_site: Cluster, run: int, record: Record) -> None:
    results: dict[str, Any] = {}
    with load_during(old_site, "drill", results):
        changed = {part: changed_by(converge(f"playbooks/{part}.yml", *more)) for part, more in PARTS.items()}
        old_site.wait_for_replicas("drill", 2)
    told = set(re.findall(r"^\| `([a-z]+)` \| (.+?) \|", MIGRATION.read_text(), re.MULTILINE))
    assert {(part, task) for part, tasks in changed.items() for task in tasks} <= told, changed
    for part, more in PARTS.items():
        assert changed_by(converge(f"playbooks/{part}.yml", *more)) == [], part
    record(results, "0.1.0 to this one")
    other = json.dumps({"cluster_resource_labels": {"environment": "other"}})
    assert "set cluster_adopt: true" in refused("playbooks/cluster.yml", "-e", other)


def changed_by(output: str) -> list[str]:
    """Names of the tasks that a playbook says have changed something."""
    found, task = [], ""
    for line in output.splitlines():
        if heard := re.match(r"TASK \[(?:[\w.]+ : )?(.+?)\] \**", line):
            task = heard[1]
        elif line.startswith("changed:") and task not in found:
            found.append(task)
    return found

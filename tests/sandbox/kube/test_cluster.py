"""Nodes that come and go: numbers, failures and removals that meet, without starting anything."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plugins.module_utils.gke.machine import machine_shape
from sandbox.kube import cluster as module
from sandbox.kube.cluster import KubeCluster, NodeSpec
from sandbox.kube.process import DidNotStart


class FakeNode:
    """Starts and goes at once, unless told to fail or to wait."""

    def __init__(self, spec: NodeSpec, number: int, plane: FakePlane, **_: object) -> None:
        self.spec, self.number, self.address, self.joined = spec, number, f"198.18.0.{10 + number}", False
        self.namespace = f"sbx-0-{number}"
        self.plane = plane

    def start(self, neighbours: Callable[[], list[FakeNode]]) -> None:
        self.plane.neighbours[self.spec.name] = [node.spec.name for node in neighbours()]
        if "broken" in self.spec.name:
            raise DidNotStart("containerd ended with 1")
        self.joined = True

    def remove(self, _: Callable[[], list[FakeNode]]) -> None:
        self.plane.removing.set()
        assert self.plane.may_remove.wait(5)
        if "stubborn" in self.spec.name:
            raise RuntimeError("cgroup sbx-0-0 can't be removed")
        self.plane.removed.append(self.spec.name)


class FakePlane:
    """The control plane's part in the story."""

    def __init__(self, *_: object) -> None:
        self.rest, self.authority = None, SimpleNamespace(pem=b"")
        self.fails = self.stopped = False
        self.removed: list[str] = []
        self.neighbours: dict[str, list[str]] = {}
        self.removing, self.may_remove = threading.Event(), threading.Event()
        self.may_remove.set()

    def start(self, kube: Path, _: object) -> None:
        if self.fails:
            raise DidNotStart("etcd ended with 1:\naddress already in use")

    def start_metrics_server(self) -> None: ...

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[set[str]]:
    """The addresses that the cluster has on the bridge."""
    present: set[str] = set()
    monkeypatch.setenv("MLOPS_TFSERVING_SANDBOX_STATE", str(tmp_path))
    monkeypatch.setattr(module, "ControlPlane", FakePlane)
    monkeypatch.setattr(module, "Node", FakeNode)
    monkeypatch.setattr(module, "apply_addons", lambda *_: None)
    monkeypatch.setattr(module.network, "add_address", lambda address: present.add(str(address)))
    monkeypatch.setattr(module.network, "remove_address", lambda address: present.discard(str(address)))
    yield present


def make(name: str = "c", index: int = 0) -> tuple[KubeCluster, Any]:
    nowhere = Path("/nowhere")
    cluster = KubeCluster(
        name, index, project="p", location="l", version="1.36", images=nowhere, binaries=nowhere, reviewer="r",
        kube=lambda version, _: nowhere / version,
    )  # fmt: skip
    return cluster, cluster._plane


def spec(name: str) -> NodeSpec:
    return NodeSpec(name, "pool", machine_shape("e2-medium"), "1.36")


@pytest.mark.usefixtures("addresses")
def test_the_first_free_number_is_given_to_a_node() -> None:
    cluster, plane = make()
    for name in ("a", "b", "c"):
        cluster.add_node(spec(name))
    cluster.remove_node("b")
    cluster.add_node(spec("d"))
    assert cluster.node_addresses() == {"a": "198.18.0.10", "c": "198.18.0.12", "d": "198.18.0.11"}
    assert plane.neighbours["d"] == ["a", "c"]


@pytest.mark.usefixtures("addresses")
def test_a_node_keeps_its_number_until_it_is_gone_for_good() -> None:
    cluster, plane = make()
    cluster.add_node(spec("a"))
    plane.may_remove.clear()
    removal = threading.Thread(target=cluster.remove_node, args=("a",))
    removal.start()
    assert plane.removing.wait(5)
    cluster.add_node(spec("b"))
    plane.may_remove.set()
    removal.join(5)
    assert cluster.node_addresses() == {"b": "198.18.0.11"}


@pytest.mark.usefixtures("addresses")
def test_a_node_that_did_not_start_is_none() -> None:
    cluster, _ = make()
    with pytest.raises(DidNotStart):
        cluster.add_node(spec("broken"))
    assert cluster.node_names() == []


@pytest.mark.usefixtures("addresses")
def test_two_nodes_can_not_have_one_name() -> None:
    cluster, _ = make()
    cluster.add_node(spec("a"))
    with pytest.raises(ValueError, match="has a node a already"):
        cluster.add_node(spec("a"))
    assert cluster.node_names() == ["a"]


def test_a_cluster_that_did_not_start_leaves_nothing(addresses: set[str]) -> None:
    cluster, plane = make()
    plane.fails = True
    with pytest.raises(DidNotStart, match="address already in use"):
        cluster.start(lambda _: None)
    assert plane.stopped
    assert not addresses
    assert not cluster.folder.exists()


def test_one_node_that_can_not_be_removed_does_not_keep_the_rest(addresses: set[str]) -> None:
    cluster, plane = make()
    cluster.start(lambda _: None)
    for name in ("a", "stubborn", "b"):
        cluster.add_node(spec(name))
    with pytest.raises(RuntimeError, match="can't be removed"):
        cluster.stop()
    assert sorted(plane.removed) == ["a", "b"]
    assert plane.stopped
    assert not addresses
    assert not cluster.folder.exists()


@pytest.mark.usefixtures("addresses")
def test_no_node_joins_a_cluster_that_goes() -> None:
    cluster, _ = make()
    cluster.stop()
    with pytest.raises(DidNotStart, match="being deleted"):
        cluster.add_node(spec("late"))


@pytest.mark.usefixtures("addresses")
def test_clusters_of_one_name_in_two_locations_keep_their_files_apart() -> None:
    first, _ = make("twin", 0)
    (first.folder / "etcd").mkdir()
    second, _ = make("twin", 1)
    second.stop()
    assert (first.folder / "etcd").exists()

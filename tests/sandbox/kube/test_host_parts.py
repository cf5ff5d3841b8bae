"""Addresses, mount tables and cgroup hierarchies, read without touching the machine."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path

import pytest

from plugins.module_utils.gke.machine import machine_shape
from sandbox import build
from sandbox.gke.defaults import VERSION
from sandbox.kube import cgroup, mounts
from sandbox.kube.node import cni_config, kubelet_config
from sandbox.paths import MAX_CLUSTERS, ClusterAddresses
from sandbox.releases import DEFAULT, RELEASES, gke_version, release_of


def test_clusters_share_no_address_and_stay_in_the_range_for_tests() -> None:
    ranges = [
        network
        for index in range(MAX_CLUSTERS)
        for network in (
            ClusterAddresses(index).pods, ClusterAddresses(index).services, ClusterAddresses(index).load_balancers,
            IPv4Network(f"{ClusterAddresses(index).api_server}/32"), IPv4Network(f"{ClusterAddresses(index).node(0)}/32"),
        )
    ]  # fmt: skip
    assert all(network.subnet_of(IPv4Network("198.18.0.0/15")) for network in ranges)
    assert not [pair for pair in combinations(ranges, 2) if pair[0].overlaps(pair[1])]


def test_there_is_no_fifth_cluster() -> None:
    with pytest.raises(ValueError, match="4 clusters"):
        ClusterAddresses(MAX_CLUSTERS)


def test_mounts_below_a_folder_come_deepest_first_and_unescaped() -> None:
    table = "a /s/x overlay rw 0 0\nb /s/x/deep\\040er overlay rw 0 0\nc /sother overlay rw 0 0\nd /s tmpfs rw 0 0\n"
    assert mounts.below(Path("/s"), table) == ["/s/x/deep er", "/s/x", "/s"]


def test_version_1_hosts_have_a_hierarchy_a_controller(tmp_path: Path) -> None:
    for name in ("cpu", "memory", "unified"):
        (tmp_path / name).mkdir()
    (tmp_path / "cpu,cpuacct").symlink_to("cpu")
    assert [h.name for h in cgroup.hierarchies(tmp_path)] == ["cpu", "memory", "unified"]


def test_version_2_hosts_have_one(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "system.slice").mkdir()
    assert cgroup.hierarchies(tmp_path) == [tmp_path]


def test_on_version_1_a_nodes_cgroup_may_use_every_processor(tmp_path: Path) -> None:
    for name, value in (("cpuset.cpus", "0-3\n"), ("cpuset.mems", "0\n")):
        (tmp_path / "cpuset").mkdir(exist_ok=True)
        (tmp_path / "cpuset" / name).write_text(value)
    (tmp_path / "memory").mkdir()
    cgroup.create("sbx-0-0", tmp_path)
    assert (tmp_path / "cpuset/sbx-0-0/cpuset.cpus").read_text() == "0-3\n"
    assert (tmp_path / "cpuset/sbx-0-0/cpuset.mems").read_text() == "0\n"
    assert [group.parent.name for group in cgroup.groups("sbx-0-0", tmp_path)] == ["cpuset", "memory"]


def test_on_version_2_controllers_are_handed_down_to_the_nodes_pods(tmp_path: Path) -> None:
    group = tmp_path / "sbx-0-0"
    group.mkdir()
    for folder in (tmp_path, group):
        (folder / "cgroup.controllers").write_text("memory\n")
    cgroup.create("sbx-0-0", tmp_path)
    for folder in (tmp_path, group):
        assert (folder / "cgroup.subtree_control").read_text() == "+memory"


def test_processes_are_found_in_every_cgroup_of_a_node(tmp_path: Path) -> None:
    pod = tmp_path / "memory/sbx-0-0/kubepods/pod1"
    pod.mkdir(parents=True)
    (pod / "cgroup.procs").write_text("12\n13\n")
    (pod.parent.parent / "cgroup.procs").write_text("")
    assert cgroup.processes("sbx-0-0", tmp_path) == {12, 13}


def test_binaries_call_themselves_by_the_version_that_is_compiled() -> None:
    """And the emulated GKE, and the documentation, by the same."""
    upstream = (
        "module k8s.io/kubernetes\n\ngo 1.26.0\n\nreplace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n)\n"
    )
    for release in RELEASES:
        module = build._module(release, upstream)
        assert f"require k8s.io/kubernetes v{release}\n" in module
        assert f"replace k8s.io/api => k8s.io/api v0{release[1:]}\n" in module
        assert ("coredns" in module) == (release == DEFAULT)
        assert f"gitVersion=v{release} -X" in build._stamp(release)
        assert release_of(gke_version(release)) == release
    assert gke_version(DEFAULT) == VERSION
    with pytest.raises(ValueError, match=r"not 1\.33\.1-gke\.1"):
        release_of("1.33.1-gke.1")
    page = (Path(build.__file__).parents[1] / "docs/sandbox.md").read_text()
    assert f"real: Kubernetes {', '.join(RELEASES[:-1])} or {RELEASES[-1]}, compiled" in page


def test_releases_do_not_share_a_place_in_the_cache() -> None:
    assert len({build.binaries_dir(release) for release in RELEASES}) == len(RELEASES)


def test_a_node_leaves_pods_exactly_its_machine_types_share_of_the_host() -> None:
    shape = machine_shape("e2-medium")
    config = kubelet_config(
        shape, authority="ca", certificate="c", key="k", cgroup_root="/sbx-0-0", socket="/s", dns="198.19.0.10",
        resolv="/r", host_cpu_milli=2000, host_memory_mib=24_000, provider="gce://p/z/n",
    )  # fmt: skip
    assert config["systemReserved"] == {
        "cpu": "1060m",
        "memory": f"{24_000 - shape.allocatable_memory_mib - 100}Mi",
    }


def test_pods_get_addresses_of_their_node_alone() -> None:
    assert cni_config("198.18.64.0/24", "/x")["plugins"][0]["ipam"]["ranges"] == [
        [{"subnet": "198.18.64.0/24"}]
    ]

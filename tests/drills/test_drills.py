"""No request is lost, whatever happens to the model server: 5,000 or more from kept-alive clients in each drill."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .drill import Cluster, converge, load_during, playbook, refused

Record = Callable[..., None]


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def end(workers: list[int]) -> None:
    """Those of a killed ansible-playbook that would stay: one that writes a long result waits for its reader for ever."""
    for pid in workers:
        with suppress(FileNotFoundError, ProcessLookupError):
            if b"promote.yml" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


def test_scale_down_by_the_hpa(cluster: Cluster, server: str, run: int, record: Record) -> None:
    cluster.replicas_between(server, 4, 4)
    cluster.wait_for_replicas(server, 4)
    results: dict[str, Any] = {}
    with load_during(cluster, server, results):
        cluster.replicas_between(server, 1, 4)
        cluster.wait_for_replicas(server, 1)
    record(results, "4 to 1 replicas")


def test_node_drained_by_the_autoscaler(cluster: Cluster, server: str, run: int, record: Record) -> None:
    cluster.replicas_between(server, 4, 4)
    cluster.wait_for_replicas(server, 4)
    cluster.wait(lambda: len(cluster.nodes()) >= 2, "a second node")
    nodes = set(cluster.nodes())
    results: dict[str, Any] = {}
    with load_during(cluster, server, results):
        cluster.replicas_between(server, 2, 2)
        cluster.wait(lambda: len(cluster.nodes()) == 1, "the second node is drained and gone")
        cluster.wait_for_replicas(server, 2)
    record(results, f"{len(nodes)} nodes to 1, two replicas")


def test_new_version_rolled_out(cluster: Cluster, server: str, run: int, record: Record) -> None:
    results: dict[str, Any] = {}
    with load_during(cluster, server, results):
        converge("playbooks/promote.yml", "-e", "promote_version=2")
        assert cluster.versions(server) == {"2"}
    record(results, "version 1 to 2")


def test_rollback(cluster: Cluster, server: str, run: int, record: Record) -> None:
    converge("playbooks/promote.yml", "-e", "promote_version=2", "-e", "serving_gate_enabled=false")
    results: dict[str, Any] = {}
    with load_during(cluster, server, results):
        converge("playbooks/rollback.yml")
        assert cluster.versions(server) == {"1"}
    record(results, "version 2 to 1")


def test_bad_models_are_refused(cluster: Cluster, server: str, run: int, record: Record) -> None:
    results: dict[str, Any] = {}
    with load_during(cluster, server, results):
        for version, complaint in ((5, "saved_model"), (3, "golden line"), (4, "p50")):
            output = refused("playbooks/promote.yml", "-e", f"promote_version={version}")
            assert "refused; what runs is untouched" in output
            assert complaint in output
            assert cluster.versions(server) == {"1"}
    record(results, "cannot load, answers wrongly, ten times slower")


def test_image_that_does_not_exist(cluster: Cluster, server: str, run: int, record: Record) -> None:
    results: dict[str, Any] = {}
    with load_during(cluster, server, results):
        output = refused(
            "playbooks/promote.yml", "-e", "promote_version=1", "-e", "serving_image=sandbox.local/none:1"
        )
        assert "has no image" in output
        assert cluster.versions(server) == {"1"}
    record(results, "sandbox.local/none:1")


def test_rolling_update_during_a_scale_up(cluster: Cluster, server: str, run: int, record: Record) -> None:
    results: dict[str, Any] = {}
    with load_during(cluster, server, results):
        promotion = playbook("playbooks/promote.yml", "-e", "promote_version=2")
        cluster.wait(lambda: cluster.versions(server) == {"1", "2"}, "the rollout is under way")
        cluster.replicas_between(server, 4, 4)
        output, _ = promotion.communicate(timeout=600)
        assert promotion.returncode == 0, output[-4000:]
        cluster.wait_for_replicas(server, 4)
        assert cluster.versions(server) == {"2"}
    record(results, "2 to 4 replicas meanwhile")


def test_ansible_killed_during_a_promotion(cluster: Cluster, server: str, run: int, record: Record) -> None:
    results: dict[str, Any] = {}
    after = random.Random(run).uniform(2, 45)
    with load_during(cluster, server, results):
        promotion = playbook("playbooks/promote.yml", "-e", "promote_version=2")
        time.sleep(after)
        workers = children(promotion.pid)
        os.kill(promotion.pid, signal.SIGKILL)
        promotion.wait()
        converge("playbooks/promote.yml", "-e", "promote_version=2")
        end(workers)
        assert cluster.versions(server) == {"2"}
        assert cluster.pods(f"{server}-gate") == []
    record(results, f"killed after {after:.0f} s, and run again")


def test_withdrawn_and_promoted_canary(cluster: Cluster, server: str, run: int, record: Record) -> None:
    results: dict[str, Any] = {}
    start = ("playbooks/canary.yml", "-e", "canary_version=2", "-e", "serving_canary_weight=30")
    with load_during(cluster, server, results):
        for action, left in (("withdraw", {"1"}), ("promote", {"2"})):
            converge(*start)
            assert cluster.versions(server) == {"1", "2"}
            converge("playbooks/canary.yml", "-e", f"canary_action={action}")
            assert cluster.versions(server) == left
        assert "refused; what runs is untouched" in refused("playbooks/canary.yml", "-e", "canary_version=3")
        assert cluster.versions(server) == {"2"}
    record(results, "started, withdrawn, started, promoted; one with wrong answers refused")

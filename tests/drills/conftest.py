"""The sandbox with a cluster, the drills' model in its bucket, and a model server; results in reports/drills.json."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .drill import HERE, KUBECONFIG, NAMESPACE, NEW, ROOT, Cluster, converge
from .report import as_often_as_told as pytest_generate_tests
from .report import enter

VERSIONS = {1: "good", 2: "better", 3: "wrong", 4: "slow", 5: "broken"}


def sandbox(action: str) -> None:
    subprocess.run([f"{ROOT}/.venv/bin/python", "-m", "sandbox", action], cwd=ROOT, check=True)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    names = [item.name for item in request.session.items]
    if any("metric_source" in name or "from_zero" in name for name in names):
        os.environ["MLOPS_TFSERVING_SANDBOX_METRICS"] = "1"
    sandbox("up")
    converge("playbooks/teardown.yml")
    # The HPA goes down to zero from 1.37 on; alone, that drill needs no other cluster first.
    new = ("-e", f"cluster_version={NEW}") if all("from_zero" in name for name in names) else ()
    converge("playbooks/cluster.yml", *new)
    for version, name in VERSIONS.items():
        converge(
            "playbooks/storage.yml",
            # A broken model gets into a bucket in other ways, too.
            "-e", "storage_require_loadable=false",
            "-e", f"storage_model_version={version}", "-e", f"storage_model_source={HERE / 'models' / name}",
        )  # fmt: skip
    yield Cluster(KUBECONFIG)
    converge("playbooks/teardown.yml")
    sandbox("down")


@pytest.fixture
def server(cluster: Cluster) -> str:
    """The model server as every drill finds it: version 1, two replicas; its name."""
    converge("playbooks/promote.yml", "-e", "promote_version=1", "-e", "serving_gate_enabled=false")
    converge("playbooks/autoscaling.yml", "-e", "autoscaling_min_replicas=2")
    cluster.replicas_between("drill", 2, 2)
    cluster.wait_for_replicas("drill", 2)
    return "drill"


@pytest.fixture
def record(request: pytest.FixtureRequest, run: int) -> Iterator[Callable[..., None]]:
    """Writes what a drill counted into the report, and then judges it: no request may be lost, or, in the control, some
    are: else the drills could not see the difference."""

    def judge(
        results: dict[str, Any], note: str = "", *, lossless: bool = True, least: int = 5_000, **counts: Any
    ) -> None:
        total = sum(result["requests"] for result in results.values())
        failed = sum(result["failed"] for result in results.values())
        name = request.function.__name__.removeprefix("test_")
        ok = total >= least and (failed == 0) == lossless
        enter(name, run, ok=ok, note=note, requests=total, failed=failed, **counts)
        assert total >= least, f"only {total} requests"
        assert (failed == 0) == lossless, json.dumps(results, indent=1)

    return judge


__all__ = ["NAMESPACE", "pytest_generate_tests"]

"""What playbooks/tune.yml does with a proposal: proven it stays, else what was before comes back. The load test only writes down that it
was called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from held_site import Played, Site, collection_with, play, spec

Json = dict[str, Any]
WHATIF = """
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.settings import written
module = AnsibleModule(dict(run_dir={}, propose={"type": "bool"}, slo={"type": "list"}, prices={"type": "dict"}, pools={"type": "list"}, metrics={"type": "list"}))
now, was = (written({"autoscaling_target_cpu_percent": value}, module.params["metrics"]) for value in (70, 80))
module.exit_json(
    lines=["proposed"], picture="p", run_dir="p", site={"namespace": "tfserving", "deployment": "image-classifier", "cluster": "here"},
    proposal={"variables": now, "before": was, "diff": [f"+{name}: {value}" for name, value in now.items()]})
"""
"""Proposes 70 % after a run at 80 %."""


@pytest.fixture(name="collections")
def _collections(tmp_path: Path) -> Path:
    return collection_with(
        tmp_path, "scaling_whatif", WHATIF,
        [
            {"ansible.builtin.shell": "echo beside {{ loadtest_baseline | default('-') }} >> {{ written_to }}"},
            {"ansible.builtin.fail": {"msg": "fail: p95_ms <= 300 does not hold"}, "when": "proof_fails"},
        ],
    )  # fmt: skip


@pytest.fixture(name="tuned")
def _tuned(tmp_path: Path, collections: Path) -> Callable[..., Played]:
    def run(
        inventory: Json | None = None,
        hpa: Json | None = None,
        cluster: str = "here",
        *,
        forgets: bool = False,
        **extra: Any,
    ) -> Played:
        site = Site(spec(60) if hpa is None else hpa, cluster, forgets=forgets)
        given = {"proof_fails": False} | (inventory or {})
        return play(tmp_path, collections, "tune", site, given, {"tune_apply": True} | extra)

    return run


def test_what_is_proven_stays(tuned: Callable[..., Played]) -> None:
    end = tuned()
    assert end.code == 0, end.said
    assert (end.scaled, end.ends) == ([(70, 3)], (70, 3))
    assert end.loaded == ["beside p"]
    assert "+autoscaling_target_cpu_percent: 70" in end.said


def test_what_is_not_proven_goes_again_and_what_was_in_force_comes_back(tuned: Callable[..., Played]) -> None:
    """Not the measured run's 80 %, nor the inventory's maximum."""
    end = tuned({"proof_fails": True, "autoscaling_max_replicas": 4}, spec(60, most=8))
    assert end.code == 2, end.said
    assert (end.scaled, end.ends) == ([(70, 4), (60, 8)], (60, 8))
    assert (
        "has its settings from before: {'autoscaling_target_cpu_percent': 60, 'autoscaling_max_replicas': 8}."
        in end.said
    )
    assert "p95_ms <= 300 does not hold" in end.said


def test_what_does_not_come_back_is_told(tuned: Callable[..., Played]) -> None:
    end = tuned({"proof_fails": True}, spec(60, most=8), autoscaling_max_replicas=4)
    assert end.code == 2, end.said
    assert end.ends == (60, 4)
    assert (
        "not as it was before: it had {'autoscaling_max_replicas': 8}, and has {'autoscaling_max_replicas': 4}."
        in end.said
    )
    assert "settings from before" not in end.said
    assert "p95_ms <= 300 does not hold" in end.said


OWN = {"autoscaling_metrics": [{"target": 60, "type": "cpu"}]}


def test_the_target_of_the_entry_counts_where_it_has_one(tuned: Callable[..., Played]) -> None:
    end = tuned(OWN | {"autoscaling_target_cpu_percent": 50})
    assert end.code == 0, end.said
    assert (end.scaled, end.ends) == ([(70, 3)], (70, 3))
    assert "+autoscaling_metrics: [{'target': 70, 'type': 'cpu'}]" in end.said


def test_and_is_what_comes_back(tuned: Callable[..., Played]) -> None:
    end = tuned(OWN | {"proof_fails": True})
    assert end.code == 2, end.said
    assert (end.scaled, end.ends) == ([(70, 3), (60, 3)], (60, 3))
    assert "from before: {'autoscaling_metrics': [{'target': 60, 'type': 'cpu'}]}." in end.said


def test_what_the_autoscaler_has_not_got_is_not_proven(tuned: Callable[..., Played]) -> None:
    end = tuned(forgets=True)
    assert end.code == 2, end.said
    assert end.loaded == []
    assert "The autoscaler has not got what was proposed: {'autoscaling_target_cpu_percent': 60}." in end.said


@pytest.mark.parametrize(
    ("inventory", "extra", "words"),
    [
        ({}, {"autoscaling_target_cpu_percent": 50}, "autoscaling_target_cpu_percent is 50 by an extra variable"),
        ({}, OWN, "autoscaling_metrics is [{'target': 60, 'type': 'cpu'}] by an extra variable"),
        ({}, {"loadtest_baseline": "another"}, "loadtest_baseline is another by an extra variable"),
        (
            {"autoscaling_metrics": [{"type": "cpu"}, {"type": "in_flight", "target": 8}]}, {},
            "for an HPA that goes by {type: cpu} alone",
        ),
    ],
)  # fmt: skip
def test_what_would_not_be_applied_is_refused_before_anything_changes(
    tuned: Callable[..., Played], inventory: Json, extra: Json, words: str
) -> None:
    end = tuned(inventory, **extra)
    assert end.code == 2, end.said
    assert words in end.said
    assert (end.scaled, end.loaded) == ([], [])


def test_what_could_not_be_given_back_is_not_changed(tuned: Callable[..., Played]) -> None:
    two = spec(60)
    end = tuned(hpa={**two, "metrics": two["metrics"] * 2})
    assert end.code == 2, end.said
    assert "goes by something else than a percentage of the CPU" in end.said
    assert (end.scaled, end.loaded) == ([], [])
    missing = tuned(hpa={})
    assert "in namespace tfserving is not there" in missing.said
    assert (missing.scaled, missing.loaded) == ([], [])


def test_what_was_measured_elsewhere_is_not_applied(tuned: Callable[..., Played]) -> None:
    end = tuned(serving_namespace="prod")
    assert end.code == 2, end.said
    assert (end.scaled, end.loaded) == ([], [])
    assert "this inventory has image-classifier in prod" in end.said


def test_nor_what_was_measured_in_another_cluster_by_the_same_names(tuned: Callable[..., Played]) -> None:
    end = tuned(cluster="elsewhere")
    assert end.code == 2, end.said
    assert (end.scaled, end.loaded) == ([], [])
    assert (
        "of the cluster here, and this inventory has image-classifier in tfserving of the cluster elsewhere"
        in end.said
    )


def test_what_this_run_measures_was_measured_here(tuned: Callable[..., Played]) -> None:
    end = tuned(cluster="", tune_measure=True)
    assert end.code == 0, end.said
    assert end.loaded == ["beside -", "beside p"]
    assert end.scaled == [(70, 3)]

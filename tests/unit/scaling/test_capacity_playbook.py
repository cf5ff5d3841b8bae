"""What playbooks/capacity.yml does with the HPA: one replica while it measures, then what was before, however it ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from held_site import Played, Site, collection_with, play, spec

Json = dict[str, Any]
RAMPS = """
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(dict(
    runs={"type": "list", "default": []}, slo={"type": "list"}, reports_dir={}, elapsed={"type": "float"}, arrivals={},
    **{name: {"type": "float"} for name in ("first", "last", "repeats", "within_percent", "ramp_seconds", "minutes")}))
done = len(module.params["runs"])
module.exit_json(enough=done == 2, shape={"kind": "ramp", "last": done + 1}, seed=done + 1, lines=[f"carries {done}"], file="f", picture="p")
"""
"""Two ramps are enough."""
LOAD = [
    {"ansible.builtin.shell": "echo to {{ loadtest_shape.last }} seed {{ loadtest_seed }} in {{ loadtest_reports_dir }} fails on {{ loadtest_fail_on }} >> {{ written_to }}"},
    {"ansible.builtin.fail": {"msg": "Locust was not ready"}, "when": "load_fails"},
    {"ansible.builtin.set_fact": {"loadtest_result": {"run_dir": "run-{{ loadtest_seed }}"}}},
]  # fmt: skip
DEPLOYMENT = "/apis/apps/v1/namespaces/tfserving/deployments/image-classifier"


@pytest.fixture(name="measured")
def _measured(tmp_path: Path) -> Callable[..., Played]:
    collections = collection_with(tmp_path, "scaling_capacity", RAMPS, LOAD)

    def run(inventory: Json | None = None, hpa: Json | None = None, **extra: Any) -> Played:
        site = Site(spec(60, most=8) if hpa is None else hpa, "here")
        status = {"replicas": 1, "readyReplicas": 1}
        site.put(
            DEPLOYMENT,
            {"apiVersion": "apps/v1", "kind": "Deployment", "status": status},
            namespace="tfserving",
        )
        given = {"load_fails": False, "loadtest_slo": ["p95_ms <= 300"]} | (inventory or {})
        return play(tmp_path, collections, "capacity", site, given, {"capacity_confirmed": True} | extra)

    return run


def test_one_replica_is_held_while_ramps_go_on_and_what_was_comes_back(
    measured: Callable[..., Played], tmp_path: Path
) -> None:
    """Not what the inventory says, and of the settings between nothing else is changed."""
    end = measured({"autoscaling_max_replicas": 4, "autoscaling_target_cpu_percent": 50})
    assert end.code == 0, end.said
    assert (end.scaled, end.ends) == ([(60, 1), (60, 8)], (60, 8))
    assert end.loaded == [f"to {n} seed {n} in {tmp_path}/reports/capacity fails on []" for n in (1, 2)]
    assert "carries 2" in end.said


def test_what_was_comes_back_where_a_ramp_failed(measured: Callable[..., Played]) -> None:
    end = measured({"load_fails": True})
    assert end.code == 2, end.said
    assert (end.scaled, end.ends) == ([(60, 1), (60, 8)], (60, 8))
    assert "Locust was not ready" in end.said


@pytest.mark.parametrize(
    ("inventory", "hpa", "extra", "words"),
    [
        ({}, None, {"capacity_confirmed": False}, "say capacity_confirmed=true. Nothing was changed."),
        ({}, {}, {}, "in namespace tfserving is not there"),
        ({}, spec(60, most=1), {}, "as after a measurement that was killed"),
        ({}, None, {"capacity_slo": "p95_ms <= 300"}, "capacity_slo is 'p95_ms <= 300': it is a text, and has to be a list."),
        ({"loadtest_slo": "p95_ms <= 300"}, None, {}, "loadtest_slo is p95_ms <= 300: it is a text, and has to be a list."),
        ({}, None, {"capacity_last": "0200"}, "capacity_last is '0200': not everybody who reads it takes it for 200."),
        ({"loadtest_locustfile": "mine.py"}, None, {}, "ramp your users by playbooks/loadtest.yml"),
        ({}, None, {"loadtest_shape": {"kind": "sine"}}, "loadtest_shape is {'kind': 'sine'} by an extra variable"),
        ({}, None, {"autoscaling_max_replicas": 3}, "autoscaling_max_replicas is 3 by an extra variable"),
        (
            {"autoscaling_metrics": [{"type": "cpu"}, {"type": "in_flight", "target": 8}]}, None, {},
            "one replica is for an HPA that goes by {type: cpu} alone",
        ),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_before_anything_changes(
    measured: Callable[..., Played], inventory: Json, hpa: Json | None, extra: Json, words: str
) -> None:
    end = measured(inventory, hpa, **extra)
    assert end.code == 2, end.said
    assert words in end.said
    assert (end.scaled, end.loaded) == ([], [])


def test_a_site_of_one_replica_is_measured_as_it_is(measured: Callable[..., Played]) -> None:
    end = measured({"autoscaling_max_replicas": 1}, spec(60, most=1))
    assert end.code == 0, end.said
    assert (end.ends, len(end.loaded)) == ((60, 1), 2)

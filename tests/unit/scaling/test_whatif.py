"""What-ifs: settings by the roles' names, other loads, their own error; as a module and as a playbook."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.seen import Controller
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.spec import read_spec
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shapes import plan
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import of_kind, read
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.bill import Terms, read_terms
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.judged import cost_of_run
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.measured import Measured, measured
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.settings import (
    SettingError,
    asked,
    setting,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.whatif import (
    as_json,
    error_words,
    load_of_plan,
    table,
    what_if,
)
from ansible_collections.mlops.tfserving.plugins.modules import scaling_whatif

ROOT = Path(__file__).resolve().parents[3]
RECORDED = Path(__file__).parent / "data" / "demo-on-1.34.jsonl"
Json = dict[str, Any]


@pytest.fixture(name="run", scope="module")
def _run() -> Measured:
    return measured(read(RECORDED), [])


def test_the_runs_own_settings_give_the_runs_own_spec(run: Measured) -> None:
    assert setting({}, run).spec == read_spec(run.hpa)
    assert asked(run.hpa)["autoscaling_scale_down_stabilization_seconds"] == 30
    changed = setting({"autoscaling_target_cpu_percent": "75", "autoscaling_max_replicas": 9}, run)
    assert (changed.spec.metrics[0].target, changed.spec.max, changed.spec.min) == (75, 9, 1)
    assert changed.name == "target cpu percent 75, max replicas 9"
    policies = [{"type": "Pods", "value": 1, "periodSeconds": 60}]
    slow = setting({"autoscaling_scale_down_policies": policies}, run)
    assert slow.spec.behavior is not None
    assert slow.spec.behavior.down.policies[0].seconds == 60
    assert slow.name == "scale down policies 1 in 60 s"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"serving_cpu": "1"}, "has no serving_cpu"),
        ({"autoscaling_target_cpu_percnt": 3}, "has no autoscaling_target_cpu_percnt"),
        ({"autoscaling_min_replicas": 5}, "5 to 4 replicas is no range"),
        ({"autoscaling_target_cpu_percent": 0}, "has to be 1 or more"),
        ({"autoscaling_max_replicas": "many"}, "can't be read"),
        (
            {"autoscaling_metrics": [{"type": "cpu"}, {"type": "queue", "target": 2}]},
            "knows the metrics cpu and requests, and not queue",
        ),
        ({"autoscaling_metrics": [{"type": "requests", "target": 10}]}, "has to have {type: cpu}"),
        ({"autoscaling_metrics": [{"type": "cpu"}, {"type": "requests", "target": 0}]}, "has to be above 0"),
        ({"autoscaling_metrics": [{"type": "cpu"}, {"type": "requests"}]}, "can't be read"),
        ({"autoscaling_metrics": "cpu"}, "can't be read"),
        ({"autoscaling_metrics": ["cpu"]}, "can't be read"),
        ({"autoscaling_scale_down_policies": [1]}, "can't be read"),
        ({"start_seconds": -1}, "can't be below 0"),
        ({"autoscaling_buffer_replicas": -1}, "can't be below 0"),
        ({"autoscaling_tolerance_up": 0}, r"Kubernetes 1.34, .*, forgets autoscaling_tolerance_up"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_words(run: Measured, given: Json, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        setting(given, run)


def test_a_tolerance_counts_where_kubernetes_knows_it(run: Measured) -> None:
    newer = dataclasses.replace(run, site=dataclasses.replace(run.site, controller=Controller(36)))
    found = setting({"autoscaling_tolerance_up": 0}, newer)
    assert found.spec.behavior is not None
    assert found.spec.behavior.up.tolerance == 0


def test_requests_a_second_are_a_metric_beside_the_cpu(run: Measured) -> None:
    metrics = [{"type": "cpu", "target": 90}, {"type": "requests", "target": 7.5}]
    found = setting({"autoscaling_metrics": metrics}, run)
    assert [(one.name, one.target) for one in found.spec.metrics] == [("cpu", 90), ("requests", 7500)]
    assert found.name == "metrics cpu 90 and requests 7.5"
    by_default = setting(
        {"autoscaling_metrics": [{"type": "cpu"}], "autoscaling_target_cpu_percent": 70}, run
    )
    assert [(one.name, one.target) for one in by_default.spec.metrics] == [("cpu", 70)]


def test_rows_are_as_the_settings_say_and_the_error_is_told(run: Measured) -> None:
    given = [{"autoscaling_min_replicas": 2}, {"autoscaling_max_replicas": 1}, {"nodes_min": 2}]
    found = what_if(run, setting({"name": "as it was"}, run), [setting(one, run) for one in given])
    told = as_json(found, Terms())
    was, two, one, nodes = told["rows"]
    assert was["name"] == "as it was"
    assert one["replicas_max"] == 1 < two["replicas_max"]
    assert one["attained"] < was["attained"] < two["attained"]
    assert two["replica_seconds"] > was["replica_seconds"] > one["replica_seconds"]
    assert nodes["node_seconds"] >= 2 * told["seconds"]
    assert nodes["cost"]["price"] > was["cost"]["price"]
    assert told["error"]["replicas_run"] > 0
    assert "Its own error" in error_words(told["error"])
    # A bound of what keeps the limit: what costs less does not.
    assert all(
        not row["kept"] for row in told["rows"] if row["replica_seconds"] < told["bound_replica_seconds"] - 1
    )
    lines = table(told)
    assert len({len(line) for line in lines}) <= 2
    assert lines[1].startswith("as it was")


def test_the_bill_of_the_run_as_it_was_is_the_reports() -> None:
    """Nodes with GPUs and the pool's own disks beside one of spot: no machine stands for all."""
    kinds = [
        {"pool": "gpus", "machine": "n1-standard-4", "spot": False, "accelerators": {"nvidia-tesla-t4": 1}},
        {"pool": "spare", "machine": "e2-standard-4", "spot": True, "accelerators": {}},
    ]
    events = read(RECORDED)
    at = next(index for index, event in enumerate(events) if event["kind"] == "node")
    second = {**events[at], "name": "a-second-node", **kinds[1]}
    for event in of_kind(events, "node"):
        event.update(kinds[0], disk_type="")
    events.insert(at, second)
    of_kind(events, "run")[0]["nodes"] = 2
    terms = read_terms(
        {"pools": [{"name": "gpus", "disk_type": "pd-ssd", "disk_size_gb": 200}, {"name": "spare"}]}
    )
    own = measured(events, [])
    found = what_if(own, setting({"name": "as it was"}, own), [])
    exact = dataclasses.replace(found, first=dataclasses.replace(found.first, outcome=own.actual))
    report, told = cost_of_run(events, terms), as_json(exact, terms)["rows"][0]["cost"]
    assert report is not None and [row["price"] for row in report["pools"]].count(None) == 0

    def of_pools(rows: list[Json]) -> Json:
        return {row["pool"]: (row["machine"], row["disk"], row["accelerators"], row["spot"]) for row in rows}

    assert of_pools(told["pools"]) == of_pools(report["pools"]) and len(report["pools"]) == 2
    nodes = sum(row["price"] for row in report["pools"])
    assert told["price"] == pytest.approx(nodes, rel=0.01)
    assert told["unpriced"] == []


def test_another_load(run: Measured) -> None:
    steady = load_of_plan(plan({"kind": "constant", "model": "open", "level": 6, "duration": 100}), run)
    assert steady.think is None
    assert sum(steady.levels) == 600
    users = load_of_plan(plan({"kind": "constant", "level": 6, "duration": 100}), run)
    assert (users.think, set(users.levels)) == (run.load.think, {6.0})
    random = {"kind": "constant", "model": "open", "arrivals": "poisson", "level": 6, "duration": 100}
    assert (
        load_of_plan(plan(random), run, 1)
        == load_of_plan(plan(random), run, 1)
        != load_of_plan(plan(random), run, 2)
    )
    found = what_if(run, setting({}, run), [], steady)
    assert found.error == {}
    assert "run the load test and see" in error_words({})


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "reports" / "one"
    folder.mkdir(parents=True)
    shutil.copy(RECORDED, folder / "timeline.jsonl")
    return folder


def call(capsys: pytest.CaptureFixture[str], **options: Any) -> Json:
    with patch_module_args(options), pytest.raises(SystemExit):
        scaling_whatif.main()
    return dict(json.loads(capsys.readouterr().out))


def test_the_module_writes_beside_the_run_and_twice_the_same(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    options = {"run_dir": str(folder), "settings": [{"autoscaling_target_cpu_percent": 40}]}
    checked = call(capsys, **options, _ansible_check_mode=True)
    assert checked["changed"]
    assert sorted(path.name for path in folder.iterdir()) == ["timeline.jsonl"]
    first = call(capsys, **options)
    assert first["changed"]
    assert first["lines"] == checked["lines"]
    assert json.loads((folder / "whatif.json").read_text()) == first["whatif"]
    assert (folder / "whatif.png").read_bytes().startswith(b"\x89PNG")
    assert not call(capsys, **options)["changed"]


def test_the_limit_is_the_reports_unless_one_is_given(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "report.json").write_text(json.dumps({"checks": [{"name": "p99_ms <= 2300"}]}))
    assert call(capsys, run_dir=str(folder))["whatif"]["limit"] == "p99_ms <= 2300"
    assert call(capsys, run_dir=str(folder), slo=["p90_ms <= 2 s"])["whatif"]["share"] == 0.9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"settings": [{"x": 1}]}, "one: a setting has no x"),
        ({"shape": {"kind": "wave"}}, "shape kind 'wave' is unknown"),
        ({"prices": {"gold": 1}}, "there is no gold"),
        ({"run_dir": "/nowhere"}, "Is /nowhere the folder of a load test's run?"),
    ],
)
def test_what_is_wrong_is_told(
    capsys: pytest.CaptureFixture[str], folder: Path, options: Json, words: str
) -> None:
    found = call(capsys, **{"run_dir": str(folder), **options})
    assert found["failed"]
    assert words in found["msg"]


def test_a_run_of_an_earlier_version_is_refused_with_the_way_out(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    events = [event for event in read(RECORDED) if event["kind"] not in ("samples", "hpa_spec")]
    assert of_kind(events, "load")
    (folder / "timeline.jsonl").write_text("\n".join(map(json.dumps, events)))
    assert "run the load test again" in call(capsys, run_dir=str(folder))["msg"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"t": 1796018146073, "kind": "clock", "of": "x"}', "one: its timeline takes 20.* days"),
        (
            '{"t": 1796018150, "kind": "load"}',
            "one: its timeline.jsonl is not one of a load test's: KeyError",
        ),
    ],
)
def test_a_timeline_that_no_run_wrote_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], folder: Path, line: str, words: str
) -> None:
    with (folder / "timeline.jsonl").open("a") as file:
        file.write(f"{line}\n")
    found = call(capsys, run_dir=str(folder))
    assert found["failed"]
    assert re.search(words, found["msg"])


@pytest.mark.parametrize(
    "line", ["null", "3", "[1]", '{"t": 1}', '{"kind": "load"}', '{"t": NaN, "kind": "pod"}', "\udcff"]
)
def test_lines_that_are_no_events_are_passed_over(folder: Path, line: str) -> None:
    with (folder / "timeline.jsonl").open("a", errors="surrogateescape") as file:
        file.write(f"{line}\n")
    assert read(folder / "timeline.jsonl") == read(RECORDED)


def test_a_load_that_takes_longer_to_simulate_than_to_run_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    shape = {"kind": "constant", "model": "open", "level": 1e9, "duration": 3600}
    assert "more than 20000000" in call(capsys, run_dir=str(folder), shape=shape)["msg"]


@pytest.mark.parametrize("value", [".nan", ".inf"])
def test_numbers_that_are_none_are_refused(run: Measured, value: str) -> None:
    for name in ("nodes_min", "nodes_max", "start_seconds"):
        with pytest.raises(SettingError, match="has to be a number"):
            setting({name: float(value.strip("."))}, run)


@pytest.mark.parametrize(
    ("playbook", "said"),
    [("whatif", "min replicas 2"), ("tune", "One replica carries"), ("tune", "Nothing is proposed")],
)
def test_the_playbooks(folder: Path, playbook: str, said: str) -> None:
    host = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "loadtest_reports_dir": str(folder.parent),
        "whatif_run": "one",
        "tune_run": "one",
    }
    inventory = folder.parent / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"children": {"tfserving": {"hosts": {"here": host}}}}}))
    command = [
        Path(sys.executable).with_name("ansible-playbook"),
        "-i",
        inventory,
        f"playbooks/{playbook}.yml",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert said in done.stdout
    assert "Its own error" in done.stdout

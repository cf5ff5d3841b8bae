"""What drills write into their report is what the page says, and `make drills` tries all that it tells of."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.documents import ROOT
from tests.drills import report
from tests.metrics.test_faults import BY_CPU, BY_METRIC, FAULTS, Tally

PAGE = (ROOT / "docs/drills.md").read_text()


@pytest.fixture(name="file")
def _file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "REPORT", tmp_path / "reports/drills.json")
    return report.REPORT


def test_a_later_run_replaces_the_one_of_the_same_name_and_number(file: Path) -> None:
    for name, run, note in (("a", 1, "first"), ("a", 2, "second"), ("b", 1, "other"), ("a", 1, "again")):
        report.enter(name, run, ok=True, note=note, requests=5000, failed=0)
    found = {(one["name"], one["run"]): one["note"] for one in json.loads(file.read_text())}
    assert found == {("a", 1): "again", ("a", 2): "second", ("b", 1): "other"}


def test_faults_are_ok_when_each_was_tried_and_kept_its_promise(file: Path) -> None:
    tally = Tally()
    for number, fault in enumerate(FAULTS["gke"]):
        tally.add(1, "gke", fault, 80, BY_CPU if number else BY_METRIC, ok=True)
        (entry,) = json.loads(file.read_text())
        assert entry["ok"] == (number == len(FAULTS["gke"]) - 1)
    assert (entry["fewest"], entry["by_cpu"], entry["looks"]) == (2, 2, 80 * len(FAULTS["gke"]))
    assert entry.keys() - set(re.findall(r"`(\w+)`", PAGE)) == set(), "each key is on the page"
    tally.add(1, "gke", "stale", 80, 1, ok=False)
    (entry,) = json.loads(file.read_text())
    assert (entry["ok"], entry["fewest"]) == (False, 1)


def test_the_page_tells_of_each_fault() -> None:
    rows = re.findall(r"^\| ([^|:]+?)(?::[^|]*)? \| (tried|[^|]+) \| (tried|[^|]+) \|$", PAGE, re.MULTILINE)
    told = {
        source: {fault for fault, *cells in rows if cells[number] == "tried"}
        for number, source in enumerate(("prometheus", "gke"))
    }
    assert told == {source: set(faults) for source, faults in FAULTS.items()}
    for source in FAULTS:
        assert f"`metric_source_fails_{source}`" in PAGE


def test_make_drills_tries_sources_and_wake_ups_and_goes_on_after_a_failure() -> None:
    made = subprocess.run(
        ["make", "-n", "drills"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "tests/metrics/test_faults.py -vv || failed=1" in made
    assert "tests/drills -vv || failed=1" in made and "exit $failed" in made
    assert (ROOT / "tests/drills/test_from_zero.py").exists()
    assert (
        "test_faults"
        not in subprocess.run(
            ["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    )

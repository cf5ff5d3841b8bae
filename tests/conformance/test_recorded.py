"""The reader of recorded traffic itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recorded import VENDORED, NotARecording, Scenario, read_scenario, scenarios


def test_every_exchange_is_understood(scenario: Scenario) -> None:
    kinds = {"cluster", "clusters", "nodePool", "nodePools", "operation", "operations"}
    for exchange in scenario.exchanges:
        if exchange.is_gke:
            assert exchange.path.startswith("/v1/projects/")
            assert exchange.kind.partition(":")[0] in kinds, exchange.url


def test_what_google_recorded_is_all_there() -> None:
    assert len(scenarios(VENDORED)) == 38


@pytest.mark.parametrize("line", ["no json", "[]", json.dumps({"method": "GET"})])
def test_another_file_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(f"\n{line}\n")
    with pytest.raises(NotARecording, match=r"x\.jsonl, line 2"):
        read_scenario(file)


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotARecording, match=r"no \*\.jsonl file"):
        scenarios(tmp_path)

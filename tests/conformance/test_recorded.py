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


MOCKS = (
    "1234567890abcdefghijklmn",  # pragma: allowlist secret
    "gke-containercluster-abcdef",
    "1.30.5-gke.1014001",
)
"""The certificate, a part of the instance groups' names and the version that Config Connector's mock answers with."""


def test_what_google_answered_is_all_there_and_nothing_of_the_mock() -> None:
    found = scenarios(VENDORED)
    assert len(found) == 61
    assert not [one.name for one in found if any(sign in str(one.exchanges) for sign in MOCKS)]


def test_each_recording_says_when_it_was_made() -> None:
    assert {scenario.date[:4] for scenario in scenarios(VENDORED)} == {"2024", "2025", "2026"}


@pytest.mark.parametrize("line", ["no json", "[]", json.dumps({"method": "GET"})])
def test_another_file_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text(f"\n{line}\n")
    with pytest.raises(NotARecording, match=r"x\.jsonl, line 2"):
        read_scenario(file)


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotARecording, match=r"no \*\.jsonl file"):
        scenarios(tmp_path)

"""Recorded traffic, replayed: the emulator's answers must be the recorded ones, which are Google's or a good mock's.

``RECORDED`` names another folder of recordings than tests/conformance/recorded/gcs.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from emulator import Emulator
from gcs_api import client

from sandbox.google.projects import project_number

PROJECT = "sandbox-project"
FOLDER = Path(os.environ.get("RECORDED") or Path(__file__).parents[2] / "conformance/recorded/gcs")
SCENARIOS = sorted(FOLDER.glob("*.jsonl"))
VARIABLES = {
    "${projectId}": PROJECT,
    "${projectNumber}": project_number(PROJECT),
    "${uniqueId}": "u1",
    "${networkID}": "default",
}
# Values that differ from run to run: only their presence is compared.
_VOLATILE = {
    "effectiveTime", "etag", "generation", "id", "lockedTime", "selfLink", "terminalStorageClassUpdateTime",
    "timeCreated", "toggleTime", "updated",
}  # fmt: skip
# Not emulated: answers 501.
_MISSING = re.compile(r"/(notificationConfigs|anywhereCaches)\b")


def substituted(value: Any) -> Any:
    text = json.dumps(value)
    for name, actual in VARIABLES.items():
        text = text.replace(name, actual)
    return json.loads(text)


def normalised(value: Any, recorded: Any) -> Any:
    if isinstance(value, dict):
        # Recordings before 2024 lack a bucket's generation.
        known = recorded if isinstance(recorded, dict) else {}
        return {
            key: "…" if key in _VOLATILE else normalised(item, known.get(key))
            for key, item in value.items()
            if key in known or key != "generation"
        }
    if isinstance(value, list):
        others = recorded if isinstance(recorded, list) else []
        return [normalised(v, others[i] if i < len(others) else None) for i, v in enumerate(value)]
    return value


def expected(recorded: Any) -> Any:
    # Folders that no request of the scenario made.
    left = {k: v for k, v in recorded.items() if k != "prefixes"} if isinstance(recorded, dict) else recorded
    return normalised(left, left)


def test_there_are_recordings() -> None:
    assert SCENARIOS, FOLDER


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_the_emulator_answers_as_recorded(emulator: Emulator, scenario: Path) -> None:
    http = client(emulator)
    exchanges = [json.loads(line) for line in scenario.read_text().splitlines()]
    compared = 0
    for exchange in substituted(exchanges):
        url = exchange["url"].removeprefix("https://storage.googleapis.com")
        if "?" not in url:
            url = url.replace("&", "?", 1)
        answer = http.request(exchange["method"], url, json=exchange["request"])
        where = f"{exchange['method']} {url}"
        if _MISSING.search(url):
            assert answer.status_code == 501, where
            continue
        assert answer.status_code == exchange["status"], f"{where}: {answer.text}"
        if exchange["response"]:
            actual, recorded = answer.json(), exchange["response"]
            assert normalised(actual, recorded) == expected(recorded), where
            compared += 1
    assert compared

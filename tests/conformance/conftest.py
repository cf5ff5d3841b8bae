"""``--recorded``: which folder of recorded traffic; every test with a ``scenario`` runs once for each in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recorded import VENDORED, NotARecording, scenarios


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--recorded", type=Path, default=VENDORED, help="folder of recorded GKE traffic")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "scenario" not in metafunc.fixturenames:
        return
    try:
        found = scenarios(metafunc.config.getoption("--recorded"))
    except NotARecording as error:
        raise pytest.UsageError(str(error)) from error
    metafunc.parametrize("scenario", found, ids=[scenario.name for scenario in found])

"""``--recorded``: which folder of recorded traffic; every test with a ``scenario`` runs once for each in it.

Fields that are out of the collection's scope are named at the end of the run, and so is what explains a difference.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recorded import VENDORED, NotARecording, scenarios

OUT_OF_SCOPE = pytest.StashKey[set[str]]()
EXPLAINED = pytest.StashKey[dict[str, set[str]]]()


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


@pytest.fixture
def out_of_scope(pytestconfig: pytest.Config) -> set[str]:
    """Collects the names of fields which were seen and are nobody's business here."""
    return pytestconfig.stash.setdefault(OUT_OF_SCOPE, set())


@pytest.fixture
def explained(pytestconfig: pytest.Config) -> dict[str, set[str]]:
    """Collects which fields differ from a recording, by what explains it: a reason, or a newer recording's name."""
    return pytestconfig.stash.setdefault(EXPLAINED, defaultdict(set))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    names = sorted(config.stash.get(OUT_OF_SCOPE, set()))
    if names:
        terminalreporter.section(f"{len(names)} recorded fields are out of scope")
        for name in names:
            terminalreporter.write_line(f"  {name}")
    explained = config.stash.get(EXPLAINED, {})
    if explained:
        terminalreporter.section(
            "recorded fields that differ, and why, or the newer recording without the difference"
        )
        for reason, paths in sorted(explained.items()):
            terminalreporter.write_line(f"  {reason}: {', '.join(sorted(paths))}")

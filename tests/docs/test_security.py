"""Each row of docs/security.md names the tests that hold it, or says that none does."""

from __future__ import annotations

import re
from pathlib import Path

from tests.integration.listening import ASKED, ETCD, GOOGLE, OPEN

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/security.md").read_text()


def rows(head: str) -> list[list[str]]:
    """The cells of each row below a table's head."""
    table = PAGE[PAGE.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def test_what_defends_is_held_by_tests_that_there_are() -> None:
    found = rows("| boundary | threat |")
    assert len(found) > 10
    for row in found:
        named = re.findall(r"\[`(\w+)`\]\(\.\./([^)]+)\)", row[3])
        assert named or row[3] == "not tested", row
        for test, file in named:
            assert f"def {test}(" in (ROOT / file).read_text(), f"{file} has no {test}"


def test_the_page_names_each_port_that_the_life_cycle_test_knows() -> None:
    told = {port for row in rows("| where it listens |") for port in re.findall(r":(\d+)`", row[0])}
    ports = {ETCD: "23790", GOOGLE: "443"}
    assert told == {ports.get(port, port) for port in ASKED.keys() | OPEN}
    assert "`198.18.0.1:443`" in {row[0] for row in rows("| where it listens |")}

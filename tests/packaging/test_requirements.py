"""What is required is pinned, and the files that require it agree."""

from __future__ import annotations

import pytest
from environments import ROOT
from packaging.requirements import Requirement

FILES = (
    "requirements.txt",
    "requirements/sandbox.txt",
    "requirements/dev.txt",
    "sandbox/images/locust/requirements.txt",
)
RANGES = {"PyYAML", "Jinja2"}
"""ansible-core brings it, in a version of its own choice."""


def required(name: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_pinned(name: str) -> None:
    loose = [str(one) for one in required(name) if not str(one.specifier).startswith("==")]
    assert {Requirement(one).name for one in loose} <= RANGES, loose


def test_files_that_name_the_same_package_name_the_same_version() -> None:
    named: dict[str, list[Requirement]] = {}
    for one in (one for name in FILES for one in required(name)):
        named.setdefault(one.name.lower(), []).append(one)
    for name, ones in named.items():
        pins = {pin.version for one in ones for pin in one.specifier if pin.operator == "=="}
        assert len(pins) <= 1, name
        # A range takes in what others pin.
        assert all(pin in one.specifier for pin in pins for one in ones), name

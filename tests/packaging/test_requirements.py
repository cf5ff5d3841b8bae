"""What is required is pinned, and the files that require it agree."""

from __future__ import annotations

from importlib.metadata import distributions

import pytest
from environments import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILES = (
    "requirements.txt",
    "requirements/sandbox.txt",
    "requirements/dev.txt",
    "requirements/execution-environment.txt",
    "sandbox/images/locust/requirements.txt",
    "sandbox/images/tensorflow-serving/requirements.txt",
    "sandbox/model/requirements.txt",
)
LOCKS = [name for name in FILES if (ROOT / name).with_suffix(".lock").exists()]
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


def locked(name: str) -> dict[str, tuple[Requirement, str]]:
    """The lines of the lock beside a file of requirements that count for this Python: requirement and hashes."""
    found = {}
    for line in (ROOT / name).with_suffix(".lock").read_text().splitlines():
        what, _, hashes = line.partition(" --hash")
        one = Requirement(what)
        if one.marker is None or one.marker.evaluate():
            found[canonicalize_name(one.name)] = (one, hashes)
    return found


def test_everything_that_is_installed_has_a_lock() -> None:
    assert set(FILES) - set(LOCKS) == {"requirements.txt", "requirements/sandbox.txt"}, "parts of dev.txt"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_what_is_required_and_one_version_of_each(name: str) -> None:
    """`tools/lock` makes them."""
    lock = locked(name)
    for one in required(name):
        version = str(lock[canonicalize_name(one.name)][0].specifier).removeprefix("==")
        assert one.specifier.contains(version), f"{one}: tools/lock was not run"
    assert all(str(one.specifier).startswith("==") for one, _ in lock.values())
    if name != "requirements/execution-environment.txt":
        assert all("sha256:" in hashes for _, hashes in lock.values())


def test_what_is_installed_here_is_what_is_locked() -> None:
    """So nothing came that the lock does not know, and no hash was passed by."""
    here = {canonicalize_name(one.name): one.version for one in distributions()}
    lock = {
        name: str(one.specifier).removeprefix("==")
        for name, (one, _) in locked("requirements/dev.txt").items()
    }
    assert {name: version for name, version in here.items() if lock.get(name) != version} == {}

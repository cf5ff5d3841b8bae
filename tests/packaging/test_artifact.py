"""What is in the artifact, and what is not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from environments import CORES, ROOT
from installation import tracked

FOR_USERS = ("plugins/", "roles/", "playbooks/", "meta/", "docs/")
"""Folders that somebody who installs the collection needs whole."""

NOT_FOR_USERS = ("sandbox/", "tests/", "tools/", "molecule/", "findings/", "requirements/", ".")
MADE_BY_THE_BUILD = {"MANIFEST.json", "FILES.json"}


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def test_everything_that_users_need_is_in_it(packed: list[str]) -> None:
    wanted = {name for name in tracked() if name.startswith(FOR_USERS)}
    wanted |= {
        "README.md",
        "LICENSE",
        "REUSE.toml",
        "CHANGELOG.rst",
        "requirements.txt",
        "inventories/dev/hosts.yml",
    }
    assert wanted - set(packed) == set()


def test_nothing_of_the_development_is_in_it(packed: list[str]) -> None:
    """But what ansible-test reads wherever it checks the collection; no exceptions (``tests/sanity``) among it."""
    needed = "tests/config.yml"
    assert [name for name in packed if name.startswith(NOT_FOR_USERS) and not name.startswith(needed)] == []


def test_nothing_is_in_it_that_is_not_in_the_repository(packed: list[str]) -> None:
    """Caches, reports and environments lie about in a checkout."""
    assert set(packed) - tracked() - MADE_BY_THE_BUILD == set()


def test_no_file_in_it_leads_to_one_that_is_not(packed: list[str]) -> None:
    """Links in Markdown within the artifact. The pages are read on Galaxy, too; the proof in tests/ is the repository's."""
    broken = []
    for page in (name for name in packed if name.endswith(".md")):
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
            found = (ROOT / page).parent / target
            name = str(found.resolve().relative_to(ROOT))
            if not name.startswith("tests/") and not any(
                there == name or there.startswith(f"{name}/") for there in packed
            ):
                broken.append(f"{page}: {target}")
    assert broken == []


def test_the_version_is_semantic_and_that_of_the_newest_options() -> None:
    version = load("galaxy.yml")["version"]
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?", version)
    parts = tuple(map(int, version.split("-")[0].split(".")))
    for module in (ROOT / "plugins/modules").glob("*.py"):
        for since in re.findall(r"version_added: (\S+)", module.read_text()):
            assert tuple(map(int, since.split("."))) <= parts, f"{module.name} has something of {since}"


def test_what_came_with_a_release_is_what_its_changelog_names() -> None:
    """So that nothing new says that it was there before."""
    releases = load("changelogs/changelog.yaml")["releases"]
    for version, release in releases.items():
        kinds = {"modules": release.get("modules", []), **release.get("plugins", {})}
        named = {f"{kind.removesuffix('s')}/{one['name']}" for kind, ones in kinds.items() for one in ones}
        there = {
            f"{file.parent.name.removesuffix('s')}/{file.stem}"
            for kind in ("modules", "filter", "lookup", "test")
            for file in (ROOT / "plugins" / kind).glob("*.py")
            if f"\nversion_added: {version}\n" in file.read_text()
        }
        assert there == named, version


def test_a_release_can_be_made_of_the_fragments(tmp_path: Path) -> None:
    """In a copy: the changelog has the version, and every fragment is used up."""
    for name in ("changelogs", "plugins", "meta"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "galaxy.yml", tmp_path)
    commands = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{commands}:{os.environ['PATH']}"}  # it asks ansible-doc
    done = subprocess.run(
        [commands / "antsibull-changelog", "release", "-v"], cwd=tmp_path, env=env, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"v{load('galaxy.yml')['version']}" in (tmp_path / "CHANGELOG.rst").read_text()
    assert list((tmp_path / "changelogs/fragments").glob("*.yml")) == []


def test_all_places_agree_on_the_oldest_versions() -> None:
    oldest = CORES[0]
    release = ".".join(oldest.version.split(".")[:2])
    assert load("meta/runtime.yml")["requires_ansible"] == f">={release}.0"
    readme = (ROOT / "README.md").read_text()
    assert f"Python {oldest.python} or newer, ansible-core {release} or newer" in readme
    config = (ROOT / "pyproject.toml").read_text()
    assert f'python_version = "{oldest.python}"' in config
    assert f'target-version = "py{oldest.python.replace(".", "")}"' in config
    minor = oldest.python.split(".")[1]
    assert f"sys.version_info < (3, {minor})" in (ROOT / "tools/setup").read_text()

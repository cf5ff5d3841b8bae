"""The execution environment as ansible-builder makes it ready to be built, and who agrees with whom about versions."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import yaml
from project import ROOT


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def requirements(name: str) -> list[str]:
    lines = ((ROOT / name) if not Path(name).is_absolute() else Path(name)).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-r"))]


def test_ansible_builder_makes_it_ready(tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("ansible-builder")),
        "create",
        "-c",
        str(tmp_path),
        "--output-filename",
        "Containerfile",
    ]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert made.returncode == 0, made.stdout + made.stderr
    recipe = (tmp_path / "Containerfile").read_text()
    pins = load("execution-environment.yml")["dependencies"]
    for word in (
        pins["ansible_core"]["package_pip"],
        pins["ansible_runner"]["package_pip"],
        "/usr/bin/python3.12",
    ):
        assert word in recipe
    assert requirements(str(tmp_path / "_build/requirements.txt")) == requirements("requirements.txt")
    assert yaml.safe_load((tmp_path / "_build/requirements.yml").read_text()) == load(
        "collections/requirements.yml"
    )


def test_collections_are_those_of_galaxy_yml_and_of_the_playbooks() -> None:
    listed = {item["name"]: item["version"] for item in load("collections/requirements.yml")["collections"]}
    assert load("galaxy.yml")["dependencies"].keys() <= listed.keys()
    texts = [p.read_text() for folder in ("roles", "playbooks") for p in (ROOT / folder).rglob("*.yml")]
    used = {
        match for text in texts for match in re.findall(r"^\s+(?:- )?(\w+\.\w+)\.\w+:", text, re.MULTILINE)
    }
    assert used - {"ansible.builtin", "mlops.tfserving"} == set(listed)


def test_collections_are_of_the_versions_that_are_tested() -> None:
    for item in load("collections/requirements.yml")["collections"]:
        site = Path(sysconfig.get_path("purelib"))
        manifest = site.joinpath("ansible_collections", *item["name"].split("."), "MANIFEST.json")
        assert json.loads(manifest.read_text())["collection_info"]["version"] == item["version"], item["name"]


def test_everything_that_pip_installs_into_it_is_locked() -> None:
    steps = load("execution-environment.yml")["additional_build_steps"]["prepend_base"].splitlines()
    assert steps[1] == "ENV PIP_CONSTRAINT=/etc/execution-environment.lock"
    locked = set(requirements("requirements/execution-environment.lock"))
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+", line) for line in locked)
    assert {"dumb-init==1.2.5", "ansible-core==2.19.14"} <= locked


def test_versions_are_those_that_are_tested() -> None:
    tested = set(requirements("requirements/dev.txt"))
    dependencies = load("execution-environment.yml")["dependencies"]
    assert {
        dependencies["ansible_core"]["package_pip"],
        dependencies["ansible_runner"]["package_pip"],
    } <= tested

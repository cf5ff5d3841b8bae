"""Each file is under one licence, which allows what it imports, and which it names where Ansible wants it named."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from environments import ROOT

GPL = "GPL-3.0-or-later"


@pytest.fixture(scope="module")
def licences() -> dict[str, set[str]]:
    """Of every tracked file, as REUSE finds them: in the file itself or in REUSE.toml."""
    reuse = Path(sys.executable).with_name("reuse")
    done = subprocess.run([reuse, "lint", "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        one["path"]: {expression["value"] for expression in one["spdx_expressions"]}
        for one in json.loads(done.stdout)["files"]
    }


def imported(path: Path) -> set[str]:
    """Modules that a file imports, with dots in front as written."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found


def under_the_gpl(module: str) -> bool:
    """ansible-core's code is, but for module_utils (BSD); so are this collection's plugins but for module_utils."""
    core = module.partition(".")[0] == "ansible" and not module.startswith("ansible.module_utils")
    return core or any(f"plugins.{kind}" in module for kind in ("action", "filter", "lookup", "plugin_utils"))


def test_what_uses_code_under_the_gpl_is_under_it(licences: dict[str, set[str]]) -> None:
    """Tests aside, which no user gets."""
    users = {
        name
        for name in licences
        if name.endswith(".py") and not name.startswith(("tests/", "molecule/"))
        if any(map(under_the_gpl, imported(ROOT / name)))
    }
    assert "plugins/plugin_utils/module_action.py" in users
    assert {name for name in users if licences[name] != {GPL}} == set()


def test_files_of_the_gpl_say_so_and_no_other_does(licences: dict[str, set[str]]) -> None:
    said = {
        name for name in licences
        if name.endswith(".py") and f"# GNU General Public License v3.0 or later (see LICENSES/{GPL}.txt)" in
        (ROOT / name).read_text().splitlines()[:20]
    }  # fmt: skip
    assert said == {name for name, of in licences.items() if of == {GPL} and name.endswith(".py")}
    assert not any(name.startswith("plugins/module_utils/") for name in said)


def test_the_collection_names_all_its_licences(licences: dict[str, set[str]]) -> None:
    of_collection = {
        of for name, all_of in licences.items() if not name.startswith("tests/") for of in all_of
    }
    assert set(yaml.safe_load((ROOT / "galaxy.yml").read_text())["license"]) == of_collection

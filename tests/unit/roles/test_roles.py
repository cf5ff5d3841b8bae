"""Roles: every variable is documented, prefixed, and templates give valid objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_argument_specs_name_the_same_variables(role: str) -> None:
    defaults = set(load(ROOT / "roles" / role / "defaults/main.yml"))
    spec = set(load(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"])
    assert defaults == spec
    assert all(name.startswith(f"{role}_") for name in defaults)


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_and_role_is_described(role: str) -> None:
    options = load(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert [name for name, option in options.items() if not option.get("description")] == []
    assert len((ROOT / "roles" / role / "README.md").read_text()) > 200


@pytest.mark.parametrize("role", ROLES)
def test_argument_specs_hold_no_templates(role: str) -> None:
    """Ansible resolves them before the role's own defaults are there, and a role run alone would fail."""
    assert "{{" not in (ROOT / "roles" / role / "meta/argument_specs.yml").read_text()


@pytest.mark.parametrize("environment", ["sandbox", "dev", "prod", "existing"])
def test_inventories_set_only_variables_that_exist(environment: str) -> None:
    known = {
        name
        for role in ROLES
        for name in load(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]["main"][
            "options"
        ]
    }
    given = load(ROOT / "inventories" / environment / "group_vars/tfserving.yml")
    unknown = {n for n in given if n.split("_")[0] in ROLES} - known
    assert unknown == set()


def test_nothing_in_the_collection_knows_the_sandbox() -> None:
    files = [p for d in ("plugins", "roles", "playbooks") for p in (ROOT / d).rglob("*") if p.is_file()]
    texts = [p for p in files if p.suffix in (".py", ".yml", ".j2")]
    assert [str(p) for p in texts if "sandbox" in p.read_text().lower()] == []


def facts_of(tasks: list[dict[str, Any]]) -> set[str]:
    """Names of facts that tasks set, in blocks, too."""
    found: set[str] = set()
    for task in tasks:
        found |= set(task.get("ansible.builtin.set_fact", {}))
        for part in ("block", "rescue", "always"):
            found |= facts_of(task.get(part, []))
    return found


@pytest.mark.parametrize("role", ROLES)
def test_no_fact_takes_the_place_of_what_the_role_derives(role: str) -> None:
    """A fact holds for the rest of the play, where the role may be used again with other variables."""
    folder = ROOT / "roles" / role
    derived = set(load(folder / "vars/main.yml")) if (folder / "vars/main.yml").exists() else set()
    facts = {name for path in (folder / "tasks").glob("*.yml") for name in facts_of(load(path))}
    assert facts & derived == set()

"""The examples of modules, roles and pages are options and variables that these take, with values that they accept."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.check import ARGUMENTS

from tests.docs.documents import PAGES, ROOT, fences

Json = dict[str, Any]
MODULES = sorted(path.stem for path in ROOT.glob("plugins/modules/*.py"))
PREFIX = "mlops.tfserving."


def examples(module: str) -> list[Json]:
    """The tasks of a module's documentation."""
    tree = ast.parse((ROOT / f"plugins/modules/{module}.py").read_text())
    texts = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "EXAMPLES"
        and isinstance(node.value, ast.Constant)
    ]
    return [task for text in texts for task in yaml.safe_load(str(text))]


def taken(module: str, monkeypatch: pytest.MonkeyPatch) -> Json:
    """A module's options, and which of them go together: what it gives Ansible's module."""
    if module == "preflight":  # the work of its action plugin
        return {"argument_spec": ARGUMENTS}

    class Seen(Exception):
        pass

    def look(**specification: Any) -> None:
        raise Seen(specification)

    found = importlib.import_module(f"ansible_collections.mlops.tfserving.plugins.modules.{module}")
    if hasattr(found, "SPEC"):
        return dict(found.SPEC)
    monkeypatch.setattr(found, "Module" if hasattr(found, "Module") else "AnsibleModule", look)
    with pytest.raises(Seen) as caught:
        found.main()
    return dict(caught.value.args[0])


def refused(specification: Json, given: Json) -> list[str]:
    """What a module or role would say to it."""
    known = {"argument_spec", *inspect.signature(ArgumentSpecValidator).parameters}
    spec = {key: value for key, value in specification.items() if key in known}
    # The validator puts the suboptions that are missing into the default itself: another time they are there, as null.
    return ArgumentSpecValidator(**copy.deepcopy(spec)).validate(given).error_messages


@pytest.mark.parametrize("module", MODULES)
def test_a_modules_examples_are_what_it_takes(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = f"{PREFIX}{module}"
    specification = taken(module, monkeypatch)
    found = [task[own] for task in examples(module) if own in task]
    assert found, "there are examples"
    for given in found:
        # A template that stands for a whole list is one.
        lists = {n for n, option in specification["argument_spec"].items() if option["type"] == "list"}
        plain = {k: [] if k in lists and "{{" in v else v for k, v in given.items()}
        assert refused(specification, plain) == [], given


def variables() -> Json:
    """Every role's variables, as a specification of arguments."""
    specs = [
        yaml.safe_load(file.read_text())["argument_specs"]["main"]["options"]
        for file in ROOT.glob("roles/*/meta/argument_specs.yml")
    ]
    # Each page sets a few of them.
    return {
        "argument_spec": {
            name: {**option, "required": False} for spec in specs for name, option in spec.items()
        }
    }


def settings(page: Path) -> Iterator[Json]:
    """The variables of roles that a page's YAML sets; each line of its own where one name is set twice."""
    for language, text in fences(page):
        if language == "yaml":
            again = re.findall(r"^(\w+):", text, re.MULTILINE)
            parts = text.splitlines() if len(set(again)) < len(again) else [text]
            for part in parts:
                yield from _set_in(yaml.safe_load(part))


def _set_in(node: Any) -> Iterator[Json]:
    roles = {path.name for path in (ROOT / "roles").iterdir()}
    if isinstance(node, list):
        for item in node:
            yield from _set_in(item)
    elif isinstance(node, dict):
        found = {key: value for key, value in node.items() if key.partition("_")[0] in roles and "_" in key}
        if found:
            yield found
        for value in node.values():
            yield from _set_in(value)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_variables_in_a_pages_examples_are_what_roles_take(page: Path) -> None:
    spec = variables()
    for given in settings(page):
        assert refused(spec, given) == [], given


@pytest.mark.parametrize("role", sorted(path.name for path in (ROOT / "roles").iterdir()))
def test_a_roles_readme_shows_how_it_is_called(role: str) -> None:
    page = ROOT / f"roles/{role}/README.md"
    plays = [play for language, text in fences(page) if language == "yaml" for play in yaml.safe_load(text)]
    # Variables alone are no play.
    called = [entry for play in plays if isinstance(play, dict) for entry in play["roles"]]
    assert [entry["role"] for entry in called] == [f"{PREFIX}{role}"]
    assert all(name.startswith(f"{role}_") for name in called[0]["vars"])


@pytest.mark.parametrize("inventory", sorted(path.name for path in (ROOT / "inventories").iterdir()))
def test_an_inventory_has_values_that_the_roles_take(inventory: str) -> None:
    given = yaml.safe_load((ROOT / f"inventories/{inventory}/group_vars/tfserving.yml").read_text())
    roles = {path.name for path in (ROOT / "roles").iterdir()}
    assert refused(variables(), {k: v for k, v in given.items() if k.partition("_")[0] in roles}) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"serving_cpus": 3}, "serving_cpus. Supported parameters"),
        ({"serving_source_ranges": {"a": 1}}, "serving_source_ranges"),
        ({"serving_service_type": "Loadbalancer"}, "value of serving_service_type must be one of"),
    ],
)
def test_these_checks_can_fail(given: Json, words: str) -> None:
    assert any(words in said for said in refused(variables(), given))

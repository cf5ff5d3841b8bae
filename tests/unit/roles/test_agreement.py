"""Argument specs, defaults, pages and code agree on every variable of every role. The argument specs are the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.arguments import typed
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.renamed import RENAMED

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
READERS = {
    "flag": ("bool",),
    "integer": ("int",),
    "number": ("float", "int"),
    "listing": ("list",),
    "mapping": ("dict",),
    "amount": ("str",),
}
"""Methods of ``Variables``, and the types of what they read."""


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def options(role: str) -> dict[str, Any]:
    return dict(load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"])


ALL = {name: option for role in ROLES for name, option in options(role).items()}
VARIABLE = re.compile(rf"(?:{'|'.join(ROLES)})_[a-z0-9_]+")


def is_computed(value: Any) -> bool:
    return "{{" in str(value)


@pytest.mark.parametrize("role", ROLES)
def test_what_is_a_default_is_one_in_both_files(role: str) -> None:
    defaults = load(f"roles/{role}/defaults/main.yml")
    assert set(defaults) == set(options(role))
    wrong = {
        name: (defaults[name], option.get("default"))
        for name, option in options(role).items()
        if not is_computed(defaults[name]) and defaults[name] != option.get("default")
    }
    assert wrong == {}


@pytest.mark.parametrize("role", ROLES)
def test_each_default_has_its_variables_type_and_is_one_of_its_choices(role: str) -> None:
    defaults = load(f"roles/{role}/defaults/main.yml")
    for name, option in options(role).items():
        if not is_computed(defaults[name]) and defaults[name] is not None:
            spec = {key: value for key, value in option.items() if key not in ("description", "default")}
            assert typed({name: defaults[name]}, {name: spec})[1] == [], name


def test_what_a_role_takes_where_another_is_not_there_is_the_others_default() -> None:
    """Such as the place and name of a cluster, by which a site is named in its bucket: alone, teardown has to find the same."""
    given = {
        (name, text)
        for role in ROLES
        for name, text in re.findall(
            rf"\b({VARIABLE.pattern}) \| default\('([^']+)'",
            (ROOT / f"roles/{role}/defaults/main.yml").read_text(),
        )
    }
    defaults = {
        key: value for role in ROLES for key, value in load(f"roles/{role}/defaults/main.yml").items()
    }
    assert {(name, text, defaults[name]) for name, text in given if defaults[name] != text} == set()
    site = load("roles/storage/defaults/main.yml")["storage_site"]
    assert set(VARIABLE.findall(site)) - set(options("storage")) == {
        "cluster_location", "cluster_name", "cluster_existing_context",
    }  # fmt: skip
    assert {"cluster_location", "cluster_name", "serving_namespace", "serving_name"} <= {
        name for name, _text in given
    }


def code() -> Iterator[tuple[Path, ast.AST]]:
    for path in (ROOT / "plugins/module_utils/variables").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            yield path, node


def test_every_variable_that_the_code_speaks_of_exists() -> None:
    """In whatever words: those that it reads, and those in its messages."""
    own = {"serving_model_bytes", "cluster_options", *RENAMED}
    # As options of modules, metrics and the like begin.
    begins = {"cluster_node_pools", "preflight_ignore", "monitoring_config_file"}
    found = {
        (path.name, name)
        for path, node in code()
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for name in VARIABLE.findall(node.value)
    }
    assert len(found) > 100
    assert {
        one for one in found if one[1] not in ALL | dict.fromkeys(own | begins) and not one[1].endswith("_")
    } == set()


def test_the_code_reads_each_variable_as_its_type() -> None:
    read = [
        (node.args[0].value, node.func.attr)
        for _, node in code()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READERS
        and node.args and isinstance(node.args[0], ast.Constant)
    ]  # fmt: skip
    assert len(read) > 30
    assert {(name, how) for name, how in read if ALL[name]["type"] not in READERS[how]} == set()


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_that_a_page_sets_is_of_its_type(role: str) -> None:
    """In the examples of all pages and inventories: as YAML gives it, with what the role takes."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("roles/*/README.md")]
    texts = [
        text for page in pages for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.M | re.S)
    ]
    texts += [path.read_text() for path in ROOT.glob("inventories/*/group_vars/*.yml")]
    for text in texts:
        for name, value in _settings(list(yaml.safe_load_all(text))):
            if name in options(role) and not is_computed(value):
                spec = {key: one for key, one in ALL[name].items() if key not in ("description", "default")}
                assert typed({name: value}, {name: spec})[1] == [], name


def _settings(tree: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, list):
        for one in tree:
            yield from _settings(one)
    elif isinstance(tree, dict):
        for name, value in tree.items():
            yield str(name), value
            yield from _settings(value)


def test_an_old_name_has_its_value_for_the_new_one() -> None:
    for old, new in RENAMED.items():
        role = new.partition("_")[0]
        assert old not in ALL
        assert load(f"roles/{role}/defaults/main.yml")[new] == f"{{{{ {old} | default('') }}}}"

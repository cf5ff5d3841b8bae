"""Each option of a module is documented as it is."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.check import ARGUMENTS
from ansible_collections.mlops.tfserving.plugins.plugin_utils.option_docs import documented

Json = dict[str, Any]
MODULES = Path(__file__).resolve().parents[3] / "plugins/modules"


def compare(documentation: Json, spec: Json, where: str) -> None:
    assert set(documentation) == set(spec), where
    for name, option in spec.items():
        told, place = documentation[name], f"{where}.{name}"
        assert told.get("description"), place
        for key in ("type", "elements", "choices", "default", "required"):
            assert (told.get(key) or None) == (option.get(key) or None), f"{place}: {key}"
        compare(told.get("suboptions", {}), option.get("options", {}), place)


@pytest.mark.parametrize("file", sorted(MODULES.glob("*.py")), ids=lambda file: file.stem)
def test_every_option_is_documented_as_it_is(file: Path) -> None:
    module = importlib.import_module(f"ansible_collections.mlops.tfserving.plugins.modules.{file.stem}")
    documentation, examples, returned, _ = get_docstring(module.__file__, fragment_loader)
    spec = ARGUMENTS if file.stem == "preflight" else module.SPEC["argument_spec"]
    compare(documentation["options"], spec, file.stem)
    assert set(documentation["attributes"]) == {"check_mode", "diff_mode", "idempotent", "action_group"}
    assert examples
    assert returned


def test_an_option_without_words_is_an_error() -> None:
    spec = {"a": {"type": "dict", "options": {"b": {"type": "int"}}}}
    with pytest.raises(KeyError, match=r"a\.b"):
        documented(spec, {"a": "A."})


def test_words_may_be_those_of_a_part_in_common() -> None:
    spec = {"a": {"type": "dict", "options": {"b": {"type": "int"}}}}
    assert '"b": {"type": "int", "description": "B."}' in documented(spec, {"a": "A.", "b": "B."})

"""Filters that only pass on find what they speak of, and import it no sooner than it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = "ansible_collections.mlops.tfserving.plugins"
FILTERS = {path.stem: path.read_text() for path in (ROOT / "plugins/filter").glob("*.py")}
PASSED_ON = {
    name: found.groups()
    for name, text in FILTERS.items()
    if (found := re.search(r'when_used\("([\w.]+)", "(\w+)"\)', text))
}


@pytest.mark.parametrize("name", PASSED_ON)
def test_a_filter_is_what_it_passes_on_to(name: str) -> None:
    """Said by its own complaint where it is given nothing: that of another function, or of none, names another."""
    module, function = PASSED_ON[name]
    meant = getattr(import_module(f"{PLUGINS}.module_utils.{module}"), function)
    filters = import_module(f"{PLUGINS}.filter.{name}").FilterModule().filters()
    with pytest.raises(TypeError, match=rf"^{meant.__qualname__}\(\) missing"):
        filters[name]()


def test_all_filters_are_read_without_what_they_pass_on_to() -> None:
    assert len(PASSED_ON) >= 5
    program = f"""
import importlib, sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import conftest
for name in {sorted(FILTERS)!r}:
    importlib.import_module("{PLUGINS}.filter." + name)
print(*(name for name in sys.modules if ".module_utils." in name))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".module_utils.")[2] for name in done.stdout.split()}
    assert loaded, "those that are imported at once"
    assert {module for module, _function in PASSED_ON.values()} & loaded == set()

"""The documentation says what the code has."""

from __future__ import annotations

import re

from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.check import ARGUMENTS
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.rules import RULES
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.rules import (
    RULES as RULES_OF_VARIABLES,
)
from cases import ROOT, defaults


def test_the_table_has_every_rule() -> None:
    text = (ROOT / "docs/preflight.md").read_text()
    rows = re.findall(r"^\| `([-a-z]+)` \| (error|warning) \| (.+) \|$", text, re.MULTILINE)
    others = [rule for rule in RULES if rule.id not in RULES_OF_VARIABLES]
    assert rows == [(rule.id, rule.severity, rule.about) for rule in (*RULES_OF_VARIABLES.values(), *others)]
    judged_twice = {rule.id: rule for rule in RULES if rule.id in RULES_OF_VARIABLES}
    assert [*judged_twice] == ["model-memory"], (
        "by the role with what it published, by preflight with what there is"
    )
    known, role = judged_twice["model-memory"], RULES_OF_VARIABLES["model-memory"]
    assert (known.severity, known.about) == (role.severity, role.about)


def test_names_of_rules_are_unique() -> None:
    names = [rule.id for rule in RULES]
    assert len(set(names)) == len(names)


def test_the_roles_defaults_are_the_modules() -> None:
    for name in ("metrics_window_seconds", "node_boot_seconds", "ignore", "prices"):
        assert defaults()[f"preflight_{name}"] == ARGUMENTS[name]["default"]

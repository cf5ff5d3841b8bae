"""What a play is asked before anything else: whether its variables have names that somebody looks at. Quick to import."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from ..module_utils.k8s.environment import contradiction
from ..module_utils.variables.findings import Finding
from ..module_utils.variables.unknown import GOOGLE, PLAYBOOKS, unknown_names

ROOT = Path(__file__).resolve().parents[2]
ROLES = tuple(path.parents[1].name for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")))
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def environment() -> list[Finding]:
    """What is wrong with the environment that Ansible's own tasks run in."""
    reason, hint = contradiction(os.environ)
    return [Finding("one-cluster", "error", reason, hint)] if reason else []


def unknown(variables: Iterable[str], owners: Iterable[str]) -> Iterable[Finding]:
    """The names that begin as those of these roles and playbooks do, and are none of theirs."""
    begins = re.compile(rf"(?:{'|'.join(owners)})_")
    suspects = {name for name in map(str, variables) if begins.match(name)}
    concerned = {role for role in ROLES if any(name.startswith(f"{role}_") for name in suspects)}
    suspects -= {name for role in concerned for name in options_of(role)}
    if not suspects:
        return []
    texts = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("roles/*/tasks", "roles/*/vars", "playbooks")
        for path in ROOT.glob(f"{folder}/**/*.yml")
    )
    used = set(re.findall(r"\w+", texts))
    suspects -= used
    if not suspects:
        return []
    real = {name for role in ROLES if begins.match(f"{role}_") for name in options_of(role)}
    playbooks = re.findall(rf"\b(?:{'|'.join((*PLAYBOOKS, GOOGLE))})_\w+", texts)
    return unknown_names(suspects, real | set(filter(begins.match, playbooks)), used)


def options_of(role: str) -> dict[str, Any]:
    """A role's variables by its argument spec. It holds no templates, so the fastest way to read YAML will do."""
    text = (ROOT / "roles" / role / "meta/argument_specs.yml").read_text(encoding="utf-8")
    specs = yaml.load(text, Loader=_LOADER)  # noqa: S506 both are safe loaders
    return dict(specs["argument_specs"]["main"]["options"])

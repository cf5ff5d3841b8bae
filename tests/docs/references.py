"""What there is to speak of: variables, make targets, headings, files."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.renamed import RENAMED
from ansible_collections.mlops.tfserving.plugins.plugin_utils.names import owners

from .documents import ROOT, prose

OWNERS = "|".join(owners())


@functools.cache
def variables() -> set[str]:
    """Every variable that a role or a playbook takes or hands on, by former names, too."""
    found = set(RENAMED)
    for file in [*ROOT.glob("roles/*/defaults/main.yml"), *ROOT.glob("inventories/*/group_vars/*.yml")]:
        found |= set(yaml.safe_load(file.read_text()) or {})
    for file in [*ROOT.glob("roles/*/meta/argument_specs.yml"), ROOT / "playbooks/meta/argument_specs.yml"]:
        for spec in yaml.safe_load(file.read_text())["argument_specs"].values():
            found |= set(spec.get("options") or {})
    for file in [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")]:
        found |= set(re.findall(rf"\b(?:{OWNERS})_[a-z0-9_]+", file.read_text()))
    return found


def targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def links(page: Path) -> set[tuple[str, str]]:
    """Path and anchor of each link and picture that leads into the checkout."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    inside = (target for target in targets if not re.match(r"[a-z]+:", target))
    return {(path, anchor) for path, _, anchor in (target.partition("#") for target in inside)}

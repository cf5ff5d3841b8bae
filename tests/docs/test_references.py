"""What the documentation speaks of is there, and its sums are right."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import yaml

from tests.docs.documents import PAGES, ROOT, fences, rows_of_no_table
from tests.docs.references import OWNERS, anchors, links, targets, variables

# Signatures of models and options of clusters begin like variables.
NO_VARIABLES = {"monitoring_config", "monitoring_service", "serving_default", "serving_preprocess"}
# Not Google's roles, as roles/storage.objectViewer.
FOLDERS = r"(?:docs|roles(?!/\w+\.)|plugins|playbooks|inventories|tests|sandbox|tools|changelogs|molecule)"

page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


@page
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {path}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {path}#{anchor}"


@page
def test_tables_are_whole(page: Path) -> None:
    assert rows_of_no_table(page) == []


@page
def test_files_variables_and_targets_exist(page: Path) -> None:
    text = page.read_text()
    for path in re.findall(rf"`({FOLDERS}/[\w./-]*\w)(?:::\w+)?`", text):
        assert (ROOT / path).exists(), path
    for name in re.findall(rf"`((?:{OWNERS})_[a-z0-9_]+)(?=[`:=])", text):
        assert name in variables() | NO_VARIABLES, name
    for target in re.findall(r"`(?:DRILL_RUNS=\d+ )?make ([a-z0-9-]+)`", text):
        assert target in targets(), target
    for command in re.findall(r"`python -m sandbox ([a-z|]+)", text):
        for word in command.split("|"):
            assert f'add_parser("{word}"' in (ROOT / "sandbox/cli.py").read_text(), word


@page
def test_settings_in_examples_are_variables(page: Path) -> None:
    for language, text in fences(page):
        if language == "yaml":
            for name in re.findall(rf"^ *((?:{OWNERS})_[a-z0-9_]+):", text, re.MULTILINE):
                assert name in variables(), name
            list(yaml.safe_load_all(text))


def test_every_page_module_and_role_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    linked = {path for path, _ in links(ROOT / "README.md")}
    assert {str(page.relative_to(ROOT)) for page in PAGES} - {"README.md"} <= linked
    for module in ROOT.glob("plugins/modules/*.py"):
        assert f"`{module.stem}`" in readme, module.stem


def test_the_hpas_arithmetic_is_kubernetes() -> None:
    """The rows of docs/autoscaling.md, computed as replica_calculator.go does, at a target of 60 %."""
    text = (ROOT / "docs/autoscaling.md").read_text()
    rows = re.findall(r"^\| \d+ \| (\d+) \| (\d+) \| (\d+) % \| (.+) \| (\d+) \|$", text, re.MULTILINE)
    assert len(rows) == 10
    for replicas, counted, cpu, why, told in rows:
        now, ready, ratio = int(replicas), int(counted), int(cpu) / 60
        spread = ratio * ready / now  # those that are not counted use nothing
        stays = abs(ratio - 1) <= 0.1 or spread <= 1.1
        assert (now if stays else math.ceil(spread * now)) == int(told), why
        for percent in re.findall(r"(\d+) % of (?:two|three)", why):
            assert round(int(cpu) * ready / now) == int(percent), why


def test_every_drill_is_told() -> None:
    text = (ROOT / "docs/drills.md").read_text()
    for file in ROOT.glob("tests/drills/test_*.py"):
        for name in re.findall(r"^def test_(\w+)\(", file.read_text(), re.MULTILINE):
            assert f"`{name}`" in text, name

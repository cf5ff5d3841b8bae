"""What comes as a text, as of -e, AWX's surveys and INI inventories, means the same as YAML types it, or is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import hypothesis
import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.desired import CLUSTER_ARGUMENTS
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.role_options import role_options
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shapes import plan
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.arguments import typed
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.findings import Finding
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.reading import is_true
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.texts import read_otherwise
from ansible_collections.mlops.tfserving.plugins.plugin_utils.role_variables import (
    project_variables,
    role_findings,
)
from hypothesis import strategies as st
from role_work import FACTS, ROOT, defaults_of, made, options_of

ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
SAMPLES: dict[str, Any] = {
    "serving_max_surge": 2,
    "serving_max_unavailable": 2,
    "serving_cpu": 2,
    "serving_proxy_cpu": 1,
    "loadtest_worker_cpu": 2,
    "loadtest_master_cpu": 1,
    "serving_batching": {
        "max_batch_size": 8, "batch_timeout_micros": 0, "allowed_batch_sizes": [4, 8], "pad_variable_length_inputs": False,
    },
    "storage_model_version": 7,
    "storage_versions_in_use": [3],
    "loadtest_model_version": 0,
    "storage_lifecycle_rules": [{"action": "Delete", "age": 30}],
    "serving_promoted": {"m": 4},
    "monitoring_availability": 0.99,
    "monitoring_latency_quantile": 0.9,
    "autoscaling_metrics": [{"type": "cpu", "target": 75}],
    "autoscaling_scale_up_policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}],
}  # fmt: skip
"""Values of variables whose default has no number, or none that says much."""


BY_THE_MODULE = ("loadtest_shape", "loadtest_payload_weights")
"""What a module gets as it was written, and reads itself."""


def is_switch(option: dict[str, Any]) -> bool:
    return option["type"] == "bool" or "true" in option.get("choices", [])


def as_text(value: Any) -> Any:
    """Numbers and booleans in it as texts."""
    if isinstance(value, dict):
        return {key: as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_text(item) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def values(role: str, switched: bool) -> dict[str, Any]:
    """A value for each variable that is a number or a switch, or has such in it."""
    found: dict[str, Any] = {}
    for name, option in options_of(role).items():
        if name in BY_THE_MODULE:
            continue
        default = SAMPLES.get(name, defaults_of(role)[name])
        if is_switch(option):
            found[name] = switched
        elif option["type"] in ("int", "float"):
            found[name] = default if isinstance(default, int | float) else 3
        elif default != as_text(default):
            found[name] = default
    return found


WORDS: dict[bool, list[Any]] = {True: ["true", "yes", "On", "1", 1], False: ["false", "no", "Off", "0", 0]}
"""What a switch may be besides true and false."""


@pytest.mark.parametrize("switched", [False, True])
@pytest.mark.parametrize("role", ROLES)
def test_as_text_it_comes_to_the_same(role: str, switched: bool) -> None:
    typed = values(role, switched)
    texts = {name: as_text(value) for name, value in typed.items()}
    switches = [name for name in typed if options_of(role)[name]["type"] == "bool"]
    texts |= {name: WORDS[switched][number % 5] for number, name in enumerate(switches)}
    assert texts
    assert all_findings(role, texts, "types") == []
    assert made(role, **typed) == made(role, **texts)


ODD: dict[str, list[Any]] = {
    "int": [
        "020",
        "1_0",
        " 20",
        "+20",
        "20.0",
        "2e1",
        "٢٠",
        "many",
        "-0",
        "1e999999999",
        "",
        20.0,
        2.5,
        True,
    ],
    "float": [
        "020.5",
        "1_0",
        " 20",
        "+20",
        "2e1",
        "inf",
        "-Infinity",
        "nan",
        ".5",
        "",
        math.inf,
        math.nan,
        True,
    ],
    "bool": ["y", "t", "N", "f", "1.0", "maybe", " true", 1.0, 2],
    "list": ["a", "a,b", "[1, 2]", 3, {"a": 1}],
    "dict": ["a=b", '{"a": "b"}', "{a: b}", 3, ["a"]],
    "str": [["a"], {"a": 1}],
    "path": [["a"], {"a": 1}],
}
"""By type: what is converted by Ansible's check, or not refused by it, and read otherwise by templates or filters."""


def all_findings(role: str, given: dict[str, Any], rule: str) -> list[Finding]:
    """Of the role's own judge, or of preflight's for preflight's own variables."""
    loader = DataLoader()
    known = {**FACTS, **given}
    if role == "preflight":
        _values, found = project_variables(
            Templar(loader, known), known, {"project": "p", "metrics_window_seconds": 30}
        )
    else:
        known = (
            loader.load_from_file(str(ROOT / "roles" / role / "defaults/main.yml"), trusted_as_template=True)
            | {"role_path": str(ROOT / "roles" / role)}
            | known
        )
        found = role_findings(role, Templar(loader, known), known)
    return [one for one in found if one.id == rule and one.variable in given]


@pytest.mark.parametrize("turn", range(max(map(len, ODD.values()))))
@pytest.mark.parametrize("role", ROLES)
def test_what_would_be_read_otherwise_is_refused(role: str, turn: int) -> None:
    given = {
        name: of_type[(turn + number) % len(of_type)]
        for number, (name, option) in enumerate(options_of(role).items())
        if (of_type := ODD.get(option["type"])) and name != "preflight_ignore"
    }
    found = {one.variable: one for one in all_findings(role, given, "types")}
    # What stands for a variable that is not set is no mistake.
    given = {name: value for name, value in given.items() if role != "preflight" or value != ""}
    assert found.keys() == given.keys()
    for name, one in found.items():
        assert one.message.startswith(f"{name} is "), "in words, with the value"
        assert one.hint.startswith("Write ") and one.hint.endswith(".")


def leaves(option: dict[str, Any], place: str) -> Iterator[tuple[str, str, Any]]:
    """Each suboption and element that is of a type: its place, its type, and what makes a value of the variable from one of it."""
    if "elements" in option:
        inner = {"type": option["elements"], "options": option.get("options")}
        yield f"{place}[0]", option["elements"], lambda value: [value]
        if option["elements"] == "dict":
            yield from (
                (where, kind, partial(lambda make, value: [make(value)], make))
                for where, kind, make in leaves(inner, f"{place}[0]")
            )
        return
    for name, inner in (option.get("options") or {}).items():
        yield f"{place}.{name}", inner.get("type", "str"), partial(lambda key, value: {key: value}, name)
        yield from (
            (where, kind, partial(lambda key, make, value: {key: make(value)}, name, make))
            for where, kind, make in leaves(inner, f"{place}.{name}")
        )


PARTS = {
    where: (name, option, kind, make)
    for role in ROLES
    for name, option in options_of(role).items()
    for where, kind, make in leaves(option, name)
}


@pytest.mark.parametrize("place", PARTS)
def test_a_part_that_would_be_read_otherwise_is_refused_by_its_place(place: str) -> None:
    variable, option, kind, make = PARTS[place]
    for value in ODD.get(kind, []):
        (found,) = read_otherwise(variable, make(value), option)
        assert found.variable == variable
        assert found.message.startswith(f"{place} is "), "which part of it"


def test_parts_of_all_kinds_were_looked_at() -> None:
    assert {
        "serving_models[0].versions[0]",
        "autoscaling_metrics[0].per_replica",
        "loadtest_shape.level",
    } <= PARTS.keys()
    assert {kind for _variable, _option, kind, _make in PARTS.values()} >= {
        "int",
        "float",
        "bool",
        "list",
        "dict",
        "str",
    }


@hypothesis.given(
    st.one_of(
        st.text("0123456789_+-. eExob", max_size=8), st.from_regex(r"-?\d{1,9}(\.\d{1,6})?", fullmatch=True)
    )
)
def test_a_number_that_is_taken_is_the_same_to_all(text: str) -> None:
    """To YAML, which reads what templates have, to Python and to Ansible's check."""
    for kind, read in (("int", int), ("float", float)):
        if not list(read_otherwise("v", text, {"type": kind})):
            (checked, errors) = typed({"v": text}, {"v": {"type": kind}})
            assert errors == []
            assert yaml.safe_load(text) == read(text) == checked["v"]


@pytest.mark.parametrize("word", [word for of in WORDS.values() for word in of])
def test_a_switch_that_is_taken_is_the_same_to_all(word: Any) -> None:
    assert list(read_otherwise("v", word, {"type": "bool"})) == []
    checked, _errors = typed({"v": word}, {"v": {"type": "bool"}})
    by_filter = Templar(DataLoader(), {"v": word}).template(trust_as_template("{{ v | bool }}"))
    assert is_true(word) == checked["v"] == by_filter == (word in WORDS[True])


def test_what_a_role_looks_at_of_another_is_judged_too() -> None:
    """Alerts are made of the load test's limits, also by a playbook without a load test."""
    (found,) = all_findings("monitoring", {"loadtest_slo": "p95_ms <= 300 while steady"}, "types")
    assert found.hint.endswith("""-e '{"loadtest_slo": ["p95_ms <= 300 while steady"]}'.""")
    assert all_findings("monitoring", {"loadtest_slo": ["p95_ms <= 300 while steady"]}, "types") == []


def test_texts_in_a_pools_options_are_refused() -> None:
    pool = {"name": "a", "node_locations": "us-central1-a,us-central1-b"}
    (found,) = all_findings("cluster", {"cluster_node_pools": [pool]}, "cluster-options")
    assert "cluster_node_pools[0].node_locations is 'us-central1-a,us-central1-b'" in found.message


SWITCHES = sorted(
    name for name, option in options_of("cluster").items() if is_switch(option) and option["type"] == "str"
)


@pytest.mark.parametrize("variable", SWITCHES)
def test_a_switch_of_the_cluster_is_on_off_or_left_alone(variable: str) -> None:
    def given(value: Any) -> Any:
        found = ArgumentSpecValidator(CLUSTER_ARGUMENTS).validate(
            {"name": "c", **role_options({variable: value})}
        )
        assert found.error_messages == []
        (option,) = {
            "cluster_private_nodes": ["default_enable_private_nodes"],
        }.get(variable, [variable.removeprefix("cluster_")])
        return found.validated_parameters[option]

    cases = [None, "", False, "false", True, "true"]
    assert [given(value) for value in cases] == [None, None, False, False, True, True]


@pytest.mark.parametrize("role", ROLES)
def test_nothing_but_an_empty_text_is_left_out_for_being_empty(role: str) -> None:
    """`default(omit, true)` would drop false, 0 and what is empty on purpose."""
    options = options_of(role)
    for file in (ROOT / "roles" / role / "tasks").glob("*.yml"):
        for name in re.findall(r"\b(\w+) \| default\(omit, true\)", file.read_text()):
            option = options.get(name)
            assert option is None or (option["type"] in ("str", "path") and not is_switch(option)), name


def test_a_shape_in_texts_is_the_same_shape() -> None:
    shape = defaults_of("loadtest")["loadtest_shape"]
    assert plan(as_text(shape)).as_json() == plan(shape).as_json()

"""Numbers and switches mean the same as YAML types them and as texts, as of -e, AWX's surveys and INI inventories."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.desired import CLUSTER_ARGUMENTS
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.role_options import role_options
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shapes import plan
from role_work import ROOT, defaults_of, made, options_of

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


@pytest.mark.parametrize("switched", [False, True])
@pytest.mark.parametrize("role", ROLES)
def test_as_text_it_comes_to_the_same(role: str, switched: bool) -> None:
    typed = values(role, switched)
    texts = {name: as_text(value) for name, value in typed.items()}
    assert texts
    assert made(role, **typed) == made(role, **texts)


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

"""Which options of a cluster an inventory reaches, and what it is told of those that there are not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import BadInput
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.cluster_options import CLUSTER_OPTIONS
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.role_options import (
    role_options,
    variable_of,
    with_options,
)
from ansible_collections.mlops.tfserving.plugins.plugin_utils.names import ROOT

VARIABLES = {"cluster_options", *(
    line.partition(":")[0]
    for line in (ROOT / "roles/cluster/defaults/main.yml").read_text().splitlines()
    if line.startswith("cluster_")
)}  # fmt: skip
UNSET: dict[str, Any] = dict.fromkeys(VARIABLES)


@pytest.mark.parametrize("option", [option.name for option in CLUSTER_OPTIONS])
def test_every_option_is_reached(option: str) -> None:
    assert role_options({**UNSET, "cluster_options": {option: "x"}}) == {option: "x"}


def test_the_named_variable_comes_first() -> None:
    given = {**UNSET, "cluster_options": {"image_streaming": True}, "cluster_image_streaming": False}
    assert role_options(given) == {"image_streaming": False}
    assert role_options({**given, "cluster_image_streaming": ""}) == {"image_streaming": True}


def test_unset_false_and_empty_are_three_things() -> None:
    given = {
        **UNSET, "cluster_private_nodes": False, "cluster_resource_labels": {}, "cluster_node_locations": [],
        "cluster_release_channel": "", "cluster_options": None,
    }  # fmt: skip
    found = {"default_enable_private_nodes": False, "resource_labels": {}, "node_locations": []}
    assert role_options(given) == found


def test_what_preflight_judges_has_both() -> None:
    given = {**UNSET, "cluster_options": {"workload_identity": True, "initial_cluster_version": "1.34"}}
    found = with_options(given)
    assert (found["cluster_workload_identity"], found["cluster_version"]) == (True, "1.34")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("binary_authorisation", "Did you mean binary_authorization?"),
        ("cluster_shielded_nodes", "Did you mean shielded_nodes?"),
        ("node_pools", "Write cluster_node_pools"),
        ("location", "Write cluster_location"),
        ("kubeconfig_auth", "Write cluster_kubeconfig_auth"),
        ("zzz", "docs/gke.md"),
    ],
)
def test_what_is_no_option_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(BadInput, match=f"cluster_options has {name}, .*{hint.replace('?', '.')}"):
        role_options({**UNSET, "cluster_options": {name: 1}})


def test_a_text_in_place_of_options_is_refused() -> None:
    with pytest.raises(BadInput, match="has to be a dict"):
        role_options({**UNSET, "cluster_options": "shielded_nodes"})


def test_each_variable_of_an_option_is_one_of_the_role() -> None:
    named = [option.name for option in CLUSTER_OPTIONS if variable_of(option.name) in VARIABLES]
    assert len(named) >= 24

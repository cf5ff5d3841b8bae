"""Requests and answers held to Google's description of an API."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.google.discovery import load, snake
from sandbox.google.errors import GoogleError

GKE = load("container.v1")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"foo": 1}, 'Invalid JSON payload received. Unknown name "foo": Cannot find field.'),
        ({"cluster": {"foo": 1}}, "Invalid JSON payload received. Unknown name \"foo\" at 'cluster': Cannot find field."),
        ({"cluster": {"nodePools": [{}, {"config": {"x": 1}}]}}, "Unknown name \"x\" at 'cluster.node_pools[1].config': Cannot find field."),
        ({"cluster": {"initialNodeCount": "abc"}}, "Invalid value at 'cluster.initial_node_count' (TYPE_INT32), \"abc\""),
        ({"cluster": {"initialNodeCount": True}}, "Invalid value at 'cluster.initial_node_count' (TYPE_INT32), true"),
        ({"cluster": {"name": 5}}, "Invalid value at 'cluster.name' (TYPE_STRING), 5"),
        ({"cluster": {"enableTpu": "yes"}}, "Invalid value at 'cluster.enable_tpu' (TYPE_BOOL), \"yes\""),
        ({"cluster": "x"}, "Invalid value at 'cluster' (type.googleapis.com/google.container.v1.Cluster), \"x\""),
        ({"cluster": []}, 'Unknown name "cluster": Proto field is not repeating, cannot start list.'),
        ({"cluster": {"resourceLabels": {"a": 1}}}, "Invalid value at 'cluster.resource_labels[a]' (TYPE_STRING), 1"),
        ({"cluster": {"releaseChannel": {"channel": "FAST"}}}, "(type.googleapis.com/google.container.v1.Channel), \"FAST\""),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused_in_google_s_words(body: Any, words: str) -> None:
    with pytest.raises(GoogleError) as refusal:
        GKE.parse("CreateClusterRequest", body)
    assert words in refusal.value.message
    (detail,) = refusal.value.body("container.googleapis.com")["error"]["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(GoogleError) as refusal:
        GKE.parse("CreateClusterRequest", {"a": 1, "cluster": {"b": 1, "name": 2}})
    assert len(refusal.value.message.splitlines()) == 3


def test_a_request_may_be_written_in_every_way_that_protocol_buffers_take() -> None:
    asked = {
        "cluster": {
            "node_pools": [{"initialNodeCount": "2", "config": {"taints": [{"key": "a", "effect": 1}]}}],
            "releaseChannel": {"channel": 2},
            "networkConfig": {"gatewayApiConfig": {"channel": 4}},
            "description": None,
        }
    }
    assert GKE.parse("CreateClusterRequest", asked) == {
        "cluster": {
            "nodePools": [
                {"initialNodeCount": 2, "config": {"taints": [{"key": "a", "effect": "NO_SCHEDULE"}]}}
            ],
            "releaseChannel": {"channel": "REGULAR"},
            "networkConfig": {"gatewayApiConfig": {"channel": "CHANNEL_STANDARD"}},
        }
    }


def test_what_only_answers_have_is_ignored_in_a_request() -> None:
    asked = {"cluster": {"name": "c", "status": "RUNNING", "nodePools": [{"name": "n", "selfLink": "x"}]}}
    assert GKE.parse("CreateClusterRequest", asked) == {
        "cluster": {"name": "c", "nodePools": [{"name": "n"}]}
    }


def test_an_answer_leaves_out_defaults_but_not_fields_with_presence() -> None:
    shown = GKE.answer(
        "Cluster",
        {
            "name": "c",
            "initialNodeCount": 0,
            "locations": [],
            "resourceLabels": {},
            "binaryAuthorization": {"enabled": False},
            "networkConfig": {"enableIntraNodeVisibility": False, "defaultEnablePrivateNodes": False},
            "maintenancePolicy": {
                "window": {
                    "maintenanceExclusions": {"x": {"maintenanceExclusionOptions": {"scope": "NO_UPGRADES"}}}
                }
            },
            "clusterTelemetry": {"type": "ENABLED"},
        },
    )
    assert shown == {
        "name": "c",
        "binaryAuthorization": {},
        "networkConfig": {"defaultEnablePrivateNodes": False},
        "maintenancePolicy": {
            "window": {"maintenanceExclusions": {"x": {"maintenanceExclusionOptions": {}}}}
        },
    }


@pytest.mark.parametrize(
    ("verb", "path", "method"),
    [
        ("GET", "/v1/projects/p/locations/l/clusters/c", "container.projects.locations.clusters.get"),
        (
            "POST",
            "/v1/projects/p/locations/l/clusters/c:setLogging",
            "container.projects.locations.clusters.setLogging",
        ),
        ("POST", "/v1/projects/p/zones/z/clusters/c/logging", "container.projects.zones.clusters.logging"),
        ("PATCH", "/v1/projects/p/locations/l/clusters/c", None),
        ("GET", "/v1/projects/p/locations/l/clusters/c/nothing", None),
    ],
)
def test_the_method_of_a_request(verb: str, path: str, method: str | None) -> None:
    found = GKE.method(verb, path)
    assert (found[0].id if found else None) == method


def test_unknown_query_parameters_are_refused() -> None:
    found = GKE.method("GET", "/v1/projects/p/locations/l/clusters/c")
    assert found is not None
    GKE.check_query(found[0], ["alt", "$alt", "prettyPrint", "fields"])
    with pytest.raises(GoogleError, match=r"Cannot bind query parameter\. Field 'x' could not be found"):
        GKE.check_query(found[0], ["x"])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(sorted(GKE.schemas["NodePool"]["properties"])) | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
def test_whatever_is_sent_is_taken_or_refused_and_what_is_taken_is_taken_again(value: Any) -> None:
    try:
        parsed = GKE.parse("CreateNodePoolRequest", {"nodePool": value})
    except GoogleError as error:
        assert error.status == 400
        return
    assert GKE.parse("CreateNodePoolRequest", parsed) == parsed


@given(st.from_regex(r"[a-z]([a-z0-9]|[A-Z][a-z0-9]){0,8}", fullmatch=True))
def test_snake_case_returns_to_camel_case(name: str) -> None:
    first, *rest = snake(name).split("_")
    assert first + "".join(word[:1].upper() + word[1:] for word in rest) == name

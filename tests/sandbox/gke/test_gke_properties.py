"""Whatever Google's description allows in a request, the emulated GKE's answer is one that it allows, too."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.gke import pool_update as gke_pool_update
from sandbox.gke import update as gke_update
from sandbox.gke.defaults import VERSION, Place
from sandbox.gke.defaults import cluster as cluster_answer
from sandbox.gke.pool_defaults import node_pool as pool_answer
from sandbox.google.discovery import load

Json = dict[str, Any]

GKE = load("container.v1beta1")
PLACE = Place("p", "1", "us-central1-f", ("us-central1-f",), "198.18.64.0/20", "198.19.0.0/20")
CREATED = "2026-11-24T00:00:00.000000Z"
CLUSTER = cluster_answer({"name": "c"}, PLACE, version=VERSION, created=CREATED)
POOL = pool_answer({"name": "n", "initialNodeCount": 1}, PLACE, CLUSTER)
QUICK = settings(max_examples=60, suppress_health_check=list(HealthCheck))
# Messages that hold messages are generated this deep.
DEPTH = 3


def values(spec: Json, depth: int = DEPTH) -> st.SearchStrategy[Any]:
    """Values that a schema of Google's allows, small ones."""
    if "$ref" in spec:
        return messages(spec["$ref"], depth)
    if "enum" in spec:
        return st.sampled_from(spec["enum"])
    match spec["type"]:
        case "array":
            return st.lists(values(spec["items"], depth - 1), max_size=2)
        case "object":
            return st.dictionaries(st.sampled_from("ab"), values(spec.get("additionalProperties", {"type": "string"}), depth - 1), max_size=2)  # fmt: skip
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(0, 20)
        case "number":
            return st.floats(0, 1)
        case "any":
            return st.just({})
    if spec.get("format") in ("int64", "uint64"):
        return st.integers(1, 100).map(str)
    return st.sampled_from(["", "x", "a/b"])


def messages(schema: str, depth: int = DEPTH, only: frozenset[str] | None = None) -> st.SearchStrategy[Json]:
    properties = GKE.schemas[schema].get("properties", {})
    if depth <= 0:
        return st.just({})
    optional = {
        name: st.deferred(lambda spec=spec: values(spec, depth - 1))
        for name, spec in properties.items()
        if only is None or name in only
    }
    return st.fixed_dictionaries({}, optional=optional)


def conforms(schema: str, answer: Json) -> None:
    shown = GKE.answer(schema, answer)
    assert list(GKE.violations(schema, shown)) == []
    assert GKE.answer(schema, shown) == shown


@QUICK
@given(st.sampled_from(sorted(gke_update.EMULATED)), st.data())
def test_every_update_of_a_cluster_leaves_a_cluster(field: str, data: st.DataObject) -> None:
    spec = GKE.schemas["ClusterUpdate"]["properties"][field]
    update = GKE.parse("ClusterUpdate", {field: data.draw(values(spec))})
    before = copy.deepcopy(CLUSTER)
    after = gke_update.updated(CLUSTER, list(update), update, PLACE)
    assert before == CLUSTER
    conforms("Cluster", after)
    assert gke_update.updated(after, list(update), update, PLACE)["name"] == "c"


@QUICK
@given(st.sampled_from(sorted(gke_pool_update.EMULATED - {gke_pool_update.VERSION_FIELD})), st.data())
def test_every_update_of_a_pool_leaves_a_pool(field: str, data: st.DataObject) -> None:
    spec = GKE.schemas["UpdateNodePoolRequest"]["properties"][field]
    body = GKE.parse("UpdateNodePoolRequest", {field: data.draw(values(spec))})
    before = copy.deepcopy(POOL)
    after = gke_pool_update.updated(POOL, list(body), body)
    assert before == POOL
    conforms("NodePool", after)
    assert gke_pool_update.updated(after, list(body), body) == after


@QUICK
@given(messages("Cluster", only=frozenset(GKE.schemas["Cluster"]["properties"]) - {"name", "nodePools"}))
def test_every_request_for_a_cluster_makes_a_cluster(asked: Json) -> None:
    parsed = GKE.parse("Cluster", {**asked, "name": "c"})
    conforms("Cluster", cluster_answer(parsed, PLACE, version=VERSION, created=CREATED))


@QUICK
@given(messages("NodePool", only=frozenset(GKE.schemas["NodePool"]["properties"]) - {"name", "version"}))
def test_every_request_for_a_pool_makes_a_pool(asked: Json) -> None:
    parsed = GKE.parse("NodePool", {**asked, "name": "n"})
    conforms("NodePool", pool_answer(parsed, PLACE, CLUSTER))

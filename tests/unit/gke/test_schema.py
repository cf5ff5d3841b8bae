"""For every option there is: what is written is read back, over anything; order means nothing; strangers stay."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.cluster_options import CLUSTER_OPTIONS
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.compare import same, same_resource
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.option import Option, at_least, version
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.plan import plan_cluster, plan_pool
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.pool_options import POOL_OPTIONS
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.schema import (
    Labels,
    Named,
    Raw,
    Record,
    Records,
    Scalar,
    Schema,
    Strings,
    read,
    write,
)
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.sampled_from(["a", "b", "c", "d"])
EVERY = [*CLUSTER_OPTIONS, *POOL_OPTIONS]


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """Values of an option."""
    match schema:
        case Scalar(choices=choices) if choices:
            return st.sampled_from(choices)
        case Scalar(form="duration"):
            return st.integers(0, 99).map(lambda seconds: f"{seconds}s")
        case Scalar(form="time"):
            return st.datetimes().map(lambda moment: f"{moment.isoformat()}Z")
        case Scalar(type="int"):
            return st.integers(0, 99)
        case Scalar(type="float"):
            return st.floats(0, 1)
        case Scalar(type="bool"):
            return st.booleans()
        case Scalar():
            return WORDS
        case Strings(choices=choices):
            return st.lists(st.sampled_from(choices) if choices else WORDS, unique=True)
        case Labels():
            return st.dictionaries(WORDS, WORDS)
        case Raw():
            return st.dictionaries(WORDS, WORDS | st.booleans() | st.dictionaries(WORDS, WORDS))
        case Record(parts=parts):
            required = {p.name: values(p.schema) for p in parts if p.required}
            return st.fixed_dictionaries(
                required, optional={p.name: values(p.schema) for p in parts if not p.required}
            )
        case Records(record=inner, key=key):
            return st.lists(values(inner), max_size=3, unique_by=lambda item: item[key[0]])
        case Named(record=inner):
            one = st.tuples(WORDS, values(inner)).map(lambda pair: {"name": pair[0], **pair[1]})
            return st.lists(one, max_size=3, unique_by=lambda item: item["name"])


def turned(value: Any) -> Any:
    """The same with every list the other way round."""
    if isinstance(value, dict):
        return {key: turned(item) for key, item in value.items()}
    return [turned(item) for item in reversed(value)] if isinstance(value, list) else value


def shown(value: Any) -> Any:
    """What Google shows of a message: nothing that is false, zero or empty."""
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items() if item not in (False, 0, "", [], None)}
    return [shown(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("option", EVERY, ids=lambda option: option.name)
@given(data=st.data())
def test_what_is_written_over_anything_is_then_there(option: Option, data: st.DataObject) -> None:
    schema = option.schema
    wanted, before = data.draw(values(schema)), data.draw(values(schema))
    raw = write(schema, before)
    kept = copy.deepcopy((wanted, raw))
    after = write(schema, wanted, raw)
    assert (wanted, raw) == kept
    assert same(schema, wanted, read(schema, after))
    assert same(schema, turned(wanted), read(schema, after))
    assert same(schema, wanted, read(schema, turned(after) if not isinstance(schema, Raw) else after))
    if not isinstance(schema, (Labels, Raw)):
        assert same(schema, wanted, read(schema, shown(after))), "left out is as good as falsy"


@pytest.mark.parametrize(
    "option",
    [o for o in EVERY if isinstance(o.schema, Record) and not o.schema.whole],
    ids=lambda option: option.name,
)
@given(data=st.data())
def test_what_no_option_speaks_of_goes_along(option: Option, data: st.DataObject) -> None:
    after = write(option.schema, data.draw(values(option.schema)), {"stranger": {"a": 1}, "endpoint": "x"})
    assert after["stranger"] == {"a": 1}
    assert "endpoint" not in after


@given(
    st.fixed_dictionaries({}, optional={o.name: values(o.schema) for o in CLUSTER_OPTIONS}),
    st.fixed_dictionaries(
        {}, optional={o.name: values(o.schema) for o in POOL_OPTIONS if o.name != "autoscaling"}
    ),
)
def test_what_is_not_wished_for_is_never_changed(cluster: dict[str, Any], pool: dict[str, Any]) -> None:
    current: dict[str, Any] = {"name": "c", "nodePools": [{"name": "n"}]}
    for change in plan_cluster({"name": "c", **cluster}, current, "/v1/c").changes:
        assert set(change.field.split(" and ")) <= set(cluster)
    for change in plan_pool({"name": "n", **pool}, current, "/v1/c").changes:
        assert set(change.field.split(" and ")) <= set(pool)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1.34", (1, 34)),
        ("1.34.4", (1, 34, 4)),
        ("1.34.4-gke.100", (1, 34, 4, 100)),
        ("latest", None),
        ("1", None),
    ],
)
def test_versions(text: str, numbers: Any) -> None:
    assert version(text) == numbers


@pytest.mark.parametrize(
    ("wanted", "now", "enough"),
    [
        ("1.34", "1.34.4-gke.100", True), ("1.34.5", "1.34.4-gke.100", False), ("1.34.4-gke.101", "1.34.4-gke.100", False),
        ("1.9", "1.34.4-gke.100", True), ("1.34", "1.33.9-gke.900", False), ("1.34", None, False),
    ],
)  # fmt: skip
def test_a_version_or_newer(wanted: str, now: str | None, enough: bool) -> None:
    assert at_least(wanted, now) is enough


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("n", "projects/p/global/networks/n", True),
        (
            "https://www.googleapis.com/compute/v1/projects/p/global/networks/n",
            "projects/p/global/networks/n",
            True,
        ),
        ("projects/123/global/networks/n", "projects/p/global/networks/n", True),
        ("projects/q/global/networks/n", "projects/p/global/networks/n", False),
        ("m", "projects/p/global/networks/n", False),
        ("", "n", False),
        ("", "", True),
    ],
)
def test_names_paths_and_urls(one: str, other: str, alike: bool) -> None:
    assert same_resource(one, other) is alike
    assert same_resource(other, one) is alike

"""What is documented is what there is: options of the modules, and what the API has beside them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gke import describe
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.cluster_options import CLUSTER_OPTIONS
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.option import Option
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.pool_options import POOL_OPTIONS
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.schema import OUTPUT_ONLY
from discovery import properties, schemas

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
DOC = (ROOT / "docs/gke.md").read_text()


def rows(options: tuple[Option, ...]) -> list[str]:
    return [f"| `{o.name}` | `{o.path}` | {o.how}{', one way' if o.one_way else ''} |" for o in options]


def test_the_tables_of_options_are_those_of_the_code() -> None:
    tables = re.findall(r"^\| `[a-z0-9_]+` \| `[^|]+` \| [a-z, ]+ \|$", DOC, re.MULTILINE)
    assert tables == rows(CLUSTER_OPTIONS) + rows(POOL_OPTIONS)


# Message of the API, the options that speak of it, and where it is in their resource.
MESSAGES = [
    ("Cluster", CLUSTER_OPTIONS, ""),
    ("NetworkConfig", CLUSTER_OPTIONS, "networkConfig."),
    ("IPAllocationPolicy", CLUSTER_OPTIONS, "ipAllocationPolicy."),
    ("AddonsConfig", CLUSTER_OPTIONS, "addonsConfig."),
    ("ClusterAutoscaling", CLUSTER_OPTIONS, "autoscaling."),
    ("NodePool", POOL_OPTIONS, ""),
    ("NodeConfig", POOL_OPTIONS, "config."),
    ("NodeNetworkConfig", POOL_OPTIONS, "networkConfig."),
]


def left_out(message: str) -> set[str]:
    """The fields that the documentation says are left out."""
    found = re.search(rf"^- `{message}`: (.*?)\.$", DOC, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"`(\w+)`", found[1])) if found else set()


def is_output(spec: Json) -> bool:
    return bool(spec.get("readOnly")) or "utput only" in spec.get("description", "")


@pytest.mark.parametrize(("message", "options", "prefix"), MESSAGES)
def test_what_the_api_shows_is_an_option_or_said_to_be_left_out(
    message: str, options: tuple[Option, ...], prefix: str
) -> None:
    covered = set(describe._covered(options))
    missing = {
        name
        for name, spec in properties(message).items()
        if not is_output(spec)
        and prefix + name not in covered | describe._READ_ONLY
        and not any(path.startswith(f"{prefix}{name}.") for path in covered)
    }
    assert left_out(message) == missing


@pytest.mark.parametrize(
    ("message", "options"), [("ClusterUpdate", CLUSTER_OPTIONS), ("UpdateNodePoolRequest", POOL_OPTIONS)]
)
def test_what_the_api_changes_is_changed_or_said_to_be_left_out(
    message: str, options: tuple[Option, ...]
) -> None:
    requests = [o.request for o in options if o.request and o.request.method == "PUT"]
    used = {request.at.removeprefix("update.").split(".")[0] for request in requests}
    assert used <= set(properties(message))
    assert left_out(message) == set(properties(message)) - used


def test_every_path_of_an_option_is_one_of_the_apis() -> None:
    for schema, options in (("Cluster", CLUSTER_OPTIONS), ("NodePool", POOL_OPTIONS)):
        for path in describe._covered(options):
            assert exists(schema, path.split(".")), path


def exists(schema: str, path: list[str]) -> bool:
    spec: Json = {"$ref": schema}
    for name in path:
        if name == "[]":
            spec = spec.get("items") or spec["additionalProperties"]
            continue
        if "$ref" not in spec or name not in properties(spec["$ref"]):
            return False
        spec = properties(spec["$ref"])[name]
    return True


def test_what_is_not_sent_back_is_output_only_for_the_api() -> None:
    for name in OUTPUT_ONLY - {"upgradeOptions"}:
        specs = [p[name] for s in schemas().values() if name in (p := s.get("properties", {}))]
        assert any(is_output(spec) for spec in specs), name
    assert all(is_output(spec) for spec in properties("AutoUpgradeOptions").values())

"""The planner against Google's own answers: reading one and wishing for the same changes nothing, and each recorded
update is planned as it was made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.cluster_options import CLUSTER_OPTIONS
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.describe import (
    options_of,
    options_of_pool,
    unmanaged,
    unmanaged_of_pool,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.desired import (
    CLUSTER_ARGUMENTS,
    POOL_ARGUMENTS,
    desired_cluster,
    desired_pool,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.option import Option
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.plan import Change, plan_cluster, plan_pool
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.pool_options import POOL_OPTIONS
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.schema import Record, Schema, look_up
from recorded import VENDORED, Exchange, Scenario

Json = dict[str, Any]

DIFFERENCES = {
    "desiredClusterAutoscaling.autoprovisioningNodePoolDefaults.minCpuPlatform": (
        "deprecated by the API, and 'automatic' is what it is without"
    ),
    "name": "the resource is named by the URL already",
    "nodePoolId": "the resource is named by the URL already",
    "desiredNodePoolId": "the pool's own method is called instead of the cluster's update",
    "labelFingerprint": "differs from run to run",
    "desiredDatabaseEncryption.state": (
        "ENCRYPTED is shown as ALL_OBJECTS_ENCRYPTION_ENABLED, which ours is then read from "
        "(containercluster-databaseencryption-decrypted@2026-06-03-37e084)"
    ),
}
"""Fields of recorded requests that ours leave out or send otherwise on purpose, and why."""

FOLLOWS = {
    "desiredLoggingService", "desiredMonitoringService", "desiredLoggingConfig", "desiredMonitoringConfig",
}  # fmt: skip
"""Of these Google changes others than it was asked to: services and components agree, and what brings telemetry back
brings both (containercluster@2025-07-01-da2737)."""

ELSEWHERE = {
    "desiredNodePoolAutoscaling": "autoscaling",
    "desiredNodeVersion": "nodeVersion",
    "desiredImageType": "imageType",
    "desiredMasterAuthorizedNetworksConfig": "desiredControlPlaneEndpointsConfig.ipEndpointsConfig.authorizedNetworksConfig",
    "addonsConfig": "desiredAddonsConfig",
    "masterVersion": "desiredMasterVersion",
    "loggingService": "desiredLoggingService",
    "monitoringService": "desiredMonitoringService",
}
"""Fields for which the API has two ways: another client's, and where we send them."""

PLACES = {"projectId": "example-project", "projectNumber": "123456789012"}
REGION = re.compile(r"[a-z]+(-[a-z]+)+\d+")


def plain(value: Any, key: str = "") -> Any:
    """A recorded value without placeholders: they are no valid names. A list of zones lost its letters, too."""
    if isinstance(value, dict):
        return {k: plain(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v, key) for v in value]
    if not isinstance(value, str):
        return value
    text = re.sub(r"\$\{(\w+)\}", lambda found: PLACES.get(found[1], found[1].lower()), value)
    return f"{text}-a" if key.lower().endswith("locations") and REGION.fullmatch(text) else text


def is_cluster(answer: Any) -> bool:
    return isinstance(answer, dict) and "currentMasterVersion" in answer and answer.get("status") == "RUNNING"


def is_pool(answer: Any) -> bool:
    return isinstance(answer, dict) and "config" in answer and answer.get("status") == "RUNNING"


def distinct(scenario: Scenario, kind: Any) -> list[Json]:
    found = [plain(e.response) for e in scenario.exchanges if e.method == "GET" and kind(e.response)]
    return list({json.dumps(answer, sort_keys=True): answer for answer in found}.values())


def valid(arguments: Json, options: Json) -> Json:
    """The options as Ansible hands them to a module."""
    result = ArgumentSpecValidator(arguments).validate(options)
    assert result.error_messages == []
    return dict(result.validated_parameters)


def cluster_wishes(cluster: Json) -> Json:
    place = {"project": "example-project", "location": cluster["location"]}
    return desired_cluster({**valid(CLUSTER_ARGUMENTS, options_of(cluster)), **place})


def pool_wishes(pool: Json, location: str) -> Json:
    return desired_pool(valid(POOL_ARGUMENTS, options_of_pool(pool)), location)


def location_of(scenario: Scenario) -> str:
    return next(e.path.split("/")[5] for e in scenario.exchanges if "/locations/" in e.path)


def test_to_wish_for_what_is_there_changes_nothing(scenario: Scenario, out_of_scope: set[str]) -> None:
    for cluster in distinct(scenario, is_cluster):
        out_of_scope |= set(unmanaged(cluster))
        plan = plan_cluster(cluster_wishes(cluster), cluster, "/v1/c", exclusive_pools=True)
        assert (plan.changes, plan.warnings) == ([], [])
    for pool in distinct(scenario, is_pool):
        out_of_scope |= {f"nodePools.{path}" for path in unmanaged_of_pool(pool)}
        plan = plan_pool(pool_wishes(pool, location_of(scenario)), {"nodePools": [pool]}, "/v1/c")
        assert (plan.changes, plan.warnings) == ([], [])


def without_empty(value: Any) -> Any:
    """The recorded client sends much that means nothing; a playbook would not say it. False is a wish."""
    if isinstance(value, dict):
        found = {k: without_empty(v) for k, v in value.items()}
        return {k: v for k, v in found.items() if v or v is False}
    return value


def test_what_was_asked_for_at_the_creation_needs_no_change_afterwards(scenario: Scenario) -> None:
    asked: dict[str, Json] = {}
    for exchange in scenario.exchanges:
        if exchange.kind in ("clusters", "nodePools") and exchange.method == "POST" and exchange.status < 300:
            body = exchange.request.get("cluster") or exchange.request["nodePool"]
            asked[f"{exchange.path}/{body['name']}"] = without_empty(plain(body))
        answer = exchange.response
        if exchange.path not in asked or not (is_cluster(answer) or is_pool(answer)):
            continue
        wish, location = asked.pop(exchange.path), location_of(scenario)
        if is_cluster(answer):
            # The recording has the same pod range in every answer, whatever was asked for.
            wish.get("ipAllocationPolicy", {}).pop("clusterIpv4CidrBlock", None)
            wishes, path = (
                cluster_wishes({**wish, "location": location}),
                f"/v1/locations/{location}/clusters/c",
            )
            # What a creation ignores is set in the same run.
            later = {change.field for change in plan_cluster(wishes, None, path).changes[1:]}
            changes = [
                change
                for change in plan_cluster(wishes, plain(answer), path).changes
                if change.field not in later
            ]
        else:
            cluster = {"nodePools": [plain(answer)]}
            changes = plan_pool(pool_wishes(wish, location), cluster, "/v1/c").changes
        assert changes == []


@dataclass
class Step:
    """Recorded changes of one resource between two looks at it."""

    before: Json
    after: Json
    writes: list[Exchange]


def target(exchange: Exchange) -> str:
    """The path of the resource that an exchange reads or changes."""
    pool = (
        (exchange.request or {}).get("update", {}).get("desiredNodePoolId")
        if exchange.method == "PUT"
        else None
    )
    path = exchange.path.rpartition(":")[0] or exchange.path
    return f"{path}/nodePools/{pool}" if pool else path


def is_change(exchange: Exchange) -> bool:
    verb = exchange.path.rpartition("/")[2].partition(":")[2]
    return exchange.is_gke and exchange.status < 300 and (exchange.method == "PUT" or bool(verb))


def steps(scenario: Scenario) -> Iterator[Step]:
    """A cluster's answer shows its pools, too."""
    seen: dict[str, Json] = {}
    waiting: dict[str, Step] = {}
    for exchange in scenario.exchanges:
        path, answer = target(exchange), exchange.response
        if is_change(exchange) and path in seen:
            waiting.setdefault(path, Step(seen[path], {}, [])).writes.append(exchange)
        elif exchange.method == "GET" and (is_cluster(answer) or is_pool(answer)):
            shown = {path: answer}
            shown |= {f"{path}/nodePools/{pool['name']}": pool for pool in answer.get("nodePools", [])}
            for place, resource in shown.items():
                # The recorded client reads an operation's outcome from the resource: the next look shows it.
                if place in waiting and resource != seen[place]:
                    waiting[place].after = resource
                    yield waiting.pop(place)
                seen[place] = resource
    for step in waiting.values():
        step.after = step.before
        yield step


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Values by dotted path; what is falsy is what a missing one means, lists are one value."""
    if isinstance(value, dict):
        return {
            k: v
            for key, item in value.items()
            for k, v in leaves(item, f"{path}.{key}" if path else key).items()
        }
    return {path: value} if value else {}


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(canonical, one)) == sorted(map(canonical, other))
    return bool(one == other)


def planned(step: Step, location: str) -> list[Change]:
    before, after = plain(step.before), plain(step.after)
    if is_cluster(before):
        # A pool's own changes are another step.
        return plan_cluster(
            {k: v for k, v in cluster_wishes(after).items() if k != "node_pools"}, before, "/v1/c"
        ).changes
    cluster = {"nodePools": [before], "currentNodeCount": before.get("initialNodeCount", 0)}
    return plan_pool(pool_wishes(after, location), cluster, "/v1/c").changes


def option_for(field: str, cluster: bool) -> Option | None:
    """The option whose request has the field."""
    for option in CLUSTER_OPTIONS if cluster else POOL_OPTIONS:
        at = option.request.at.removeprefix("update.") if option.request else ""
        if at and (field == at or field.startswith(f"{at}.")):
            return option
    return None


def test_each_recorded_update_is_planned(
    scenario: Scenario, out_of_scope: set[str], pytestconfig: pytest.Config
) -> None:
    for step in steps(scenario):
        changes = planned(step, location_of(scenario))
        ours = {field: value for change in changes for field, value in leaves(body_of(change)).items()}
        sent: dict[str, Any] = {}
        for write in step.writes:  # Of two that set the same, the later one counts.
            sent = {f: v for f, v in sent.items() if not_again(f, write)} | body_fields(write)
        check(sent, step, ours, out_of_scope)
        asked = {field.split(".")[0] for field in sent}
        for change in changes:
            more = {f.split(".")[0] for f in leaves(body_of(change))} - asked - set(DIFFERENCES)
            if more and not (more <= FOLLOWS and asked & FOLLOWS):
                # Google may change more than it was asked to; in what is known here it never does.
                out_of_scope.add(f"changed without being asked for: {change.field}")
                assert pytestconfig.getoption("--recorded") != VENDORED, (
                    f"planned beyond the recorded: {change}"
                )


def not_again(field: str, write: Exchange) -> bool:
    return field.split(".", maxsplit=1)[0] not in {other.split(".")[0] for other in body_fields(write)}


def body_of(change: Change) -> Json:
    body = change.body or {}
    return dict(body.get("update", body))


def body_fields(exchange: Exchange) -> dict[str, Any]:
    """What a recorded request sets, by the names of ours."""
    body = plain(exchange.request)
    found = {}
    for field, value in leaves(body.get("update", body)).items():
        first, dot, rest = field.partition(".")
        found[ELSEWHERE.get(first, first) + dot + rest] = value
    return found


def check(sent: dict[str, Any], step: Step, ours: dict[str, Any], out_of_scope: set[str]) -> None:
    """Each value that was sent is sent by us, or was there before, or is left out for a reason."""
    before = plain(step.before)
    for field, value in sent.items():
        if field in DIFFERENCES:
            continue
        option = option_for(field, is_cluster(before))
        inner = (
            field.removeprefix(option.request.at.removeprefix("update.")) if option and option.request else ""
        )
        if option is None or option.request is None or not in_scope(option.schema, inner.lstrip(".")):
            out_of_scope.add(f"request: {field}")
            continue
        there = look_up(before, option.path + inner)
        same = equal(value, ours[field]) if field in ours else equal(value, there)
        assert same, f"{field}: recorded {value}, ours {ours.get(field)}, before {there}"


def in_scope(schema: Schema, path: str) -> bool:
    """Whether an option has a field of the message that it stands for."""
    if not isinstance(schema, Record) or not path:
        return True
    return any(
        path == part.api
        or (path.startswith(f"{part.api}.") and in_scope(part.schema, path[len(part.api) + 1 :]))
        for part in schema.parts
    )


def test_a_field_in_an_options_message_is_in_scope_only_if_the_option_has_it() -> None:
    addons = next(option for option in CLUSTER_OPTIONS if option.name == "addons_config").schema
    assert in_scope(addons, "dnsCacheConfig.enabled")
    assert not in_scope(addons, "cloudRunConfig.disabled")


@pytest.mark.parametrize("reason", DIFFERENCES.values())
def test_differences_have_reasons(reason: str) -> None:
    assert len(reason) > 10

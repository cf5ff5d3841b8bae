"""The emulated GKE answers recorded requests as Google did: same status, same fields, same defaults.

Each scenario is replayed request by request. Compared are the paths of every field, and the values of all that
are no identity (a name, a link, a time, an address, a version). What differs on purpose is in ``DELIBERATE``; what
differs by a recording's age only if a newer recording shows it gone (``age``). Both are told at the end of the run.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from age import Age, unpublished
from recorded import VENDORED, Exchange, Scenario, scenarios
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parent.parent / "unit"))

from emulator import LIMITS, PROJECT, Emulator
from shapes import Difference, differences

from sandbox.gke.defaults import version_key
from sandbox.google.projects import project_number
from sandbox.releases import Channel

# Values that tell one thing from another, or say when and where: only that they are there is compared.
IDENTITIES = re.compile(
    r"(^|\.)(name|id|selfLink|targetLink|etag|labelFingerprint|startTime|endTime|createTime|endpoint|network|subnetwork"
    r"|publicEndpoint|privateEndpoint|clusterCaCertificate|resourceVersion|instanceGroupUrls|zone|location|locations"
    r"|clusterSecondaryRangeName|privateEndpointSubnetwork|podRange|nodeImageConfig\.image|version|currentMasterVersion|currentNodeVersion"
    r"|initialClusterVersion|\w*[cC]idr\w*)$"
)


@dataclass(frozen=True)
class Deliberate:
    """Where an answer is not like Google's, on purpose. ``seen``: a recording of Google's that shows the difference."""

    kind: str
    path: str
    reason: str
    seen: str

    def covers(self, difference: Difference) -> bool:
        return self.kind == difference.kind and bool(re.search(self.path, difference.path))


DELIBERATE = (
    Deliberate("value", r"^releaseChannel\.channel$",
               "by Google's calendar the oldest version is in STABLE only; here every channel has every version",
               "containernodepool-swap@2026-08-22-97e2f9"),
    Deliberate("value", r"^currentNodeCount$", "moves with each node that comes and goes; recorded while they did",
               "containernodepool-swap@2026-08-22-97e2f9"),
    Deliberate("extra", r"RangeUtilization$", "is shown at once here, by Google after a while",
               "containernodepool-swap@2026-08-22-97e2f9"),
    Deliberate("value", r"RangeUtilization$", "follows from the size of the range of pods, which is smaller here",
               "containernodepool-swap@2026-08-22-97e2f9"),
    Deliberate("value", r"^progress\.metrics\[\d\]\.intValue$",
               "the number of parts of a cluster's creation is Google's affair",
               "containercluster-additionaliprangesconfigs@2026-04-21-d640c7"),
    Deliberate("value", r"\.maxParallelImagePulls$", "2 or 3, as Google sees fit",
               "containernodepool-kubeletconfig@2026-08-22-cb2ca7"),
    Deliberate("missing", r"kubeletCertInfo\.", "nodes here have no TPM, and so no certificate from one",
               "containernodepool-swap@2026-08-22-97e2f9"),
    Deliberate("value", r"^status$", "an operation on a node pool is PENDING until it runs, RUNNING if that is at once",
               "mock-testdata-nodepool-crud@2025-09-19-668f06"),
    Deliberate("value", r"^enterpriseConfig\.clusterTier$", "ENTERPRISE by the fleet that a cluster is in; there are none here",
               "meshgkehubfeaturemembership@2024-07-11-6c8952"),
    Deliberate("missing", r"^error\.details", "places in Google's own code, and names of requests",
               "adoptcontrolplaneendpointsconfig-02@2025-08-13-ef8c99"),
)  # fmt: skip


# Told by Google's description of the API, not by a path.
UNPUBLISHED = Deliberate("missing", "$^", "is not in Google's published description of the API: for its own people",
                         "containercluster-additional-subnets@2026-04-07-1880c2")  # fmt: skip


@pytest.fixture(scope="session")
def age() -> Age:
    return Age(scenarios(VENDORED))


SCHEMAS = {"cluster": "Cluster", "nodePool": "NodePool", "operation": "Operation"}


def test_answers_have_the_real_ones_shape(
    scenario: Scenario, tmp_path: Path, age: Age, explained: dict[str, set[str]]
) -> None:
    if begins_elsewhere(scenario):
        pytest.skip("begins with a cluster that another recording made")
    replay = Replay(scenario, tmp_path)
    found: dict[str, None] = {}
    for exchange in (exchange for exchange in scenario.exchanges if exchange.is_gke):
        for difference in replay.differences(exchange):
            reason = _on_purpose(difference, exchange) or age.gone_in(scenario, exchange.kind, difference)
            if reason:
                explained[reason].add(difference.path)
            else:
                where = f"{exchange.method} {urlsplit(exchange.url).path}"
                theirs, ours = difference.theirs or "none", difference.ours or "none"
                found[
                    f"{where} -> {difference.kind} {difference.path}: Google has {theirs}, the emulator {ours}"
                ] = None
    assert not found, "\n".join(found)
    # Recordings of others may use what is not emulated; it is refused by its name, and that is where they end.
    assert not (replay.refused and scenario.name in {file.stem for file in VENDORED.rglob("*.jsonl")}), (
        replay.refused
    )
    assert not replay.emulator.app.broken, "\n".join(replay.emulator.app.broken)


@pytest.mark.parametrize("deliberate", (*DELIBERATE, UNPUBLISHED), ids=lambda one: f"{one.kind} {one.path}")
def test_each_deliberate_difference_is_seen_in_the_recording_it_names(
    deliberate: Deliberate, tmp_path: Path
) -> None:
    (scenario,) = (found for found in scenarios(VENDORED) if found.name == deliberate.seen)
    replay = Replay(scenario, tmp_path)
    found = [(d, e) for e in scenario.exchanges if e.is_gke for d in replay.differences(e)]
    assert any(_on_purpose(difference, exchange) == deliberate.reason for difference, exchange in found)


def begins_elsewhere(scenario: Scenario) -> bool:
    """Whether a cluster is there before any is made."""
    return next(e.method == "GET" for e in scenario.exchanges if e.is_gke and e.status == 200)


def _on_purpose(difference: Difference, exchange: Exchange) -> str:
    if difference.kind == "missing" and exchange.status == 200 and exchange.kind in SCHEMAS:
        inside = unpublished(SCHEMAS[exchange.kind], exchange.response)
        if any(f"{difference.path}.".startswith((f"{path}.", f"{path}[")) for path in inside):
            return UNPUBLISHED.reason
    return next((one.reason for one in DELIBERATE if one.covers(difference)), "")


class Replay:
    """Sends the requests of a scenario to an emulator of its own."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        place = replace(LIMITS, cpu_milli=10**9, any_machine=True, channels=_channels(scenario))
        self.emulator = Emulator(folder, place)
        token = {"Authorization": f"Bearer {self.emulator.token}"}
        self.http = TestClient(self.emulator.app, headers=token)
        self.refused = ""
        # Recordings call every operation the same. By the newest of a type in a place is told which one is meant.
        self.operations: list[dict[str, Any]] = []
        self.known: dict[str, Any] = {}

    def differences(self, exchange: Exchange) -> Iterator[Difference]:
        if self.refused:
            return
        path = self._own(urlsplit(exchange.url).path)
        if exchange.kind == "operation" and self.operations:
            path = f"{path.rpartition('/')[0]}/{self._operation(exchange)}"
        answer = self.http.request(exchange.method, path, json=self._request(exchange.request))
        if answer.status_code == 501:
            self.refused = answer.text
            return
        if answer.status_code != exchange.status:
            yield Difference("status", answer.text, str(exchange.status), str(answer.status_code))
            return
        ours = answer.json()
        if "operationType" in ours:
            self.operations += [ours] if exchange.method != "GET" else []
            done = self._wait(ours)
            ours = done if exchange.method == "GET" else ours
        if exchange.method == "GET" and "labelFingerprint" in ours:
            self.known = ours
        yield from compared(json.loads(self._own(json.dumps(exchange.response))), ours)

    def _operation(self, exchange: Exchange) -> str:
        """The name of the operation that is looked at: of those in this place the newest of the recorded type."""
        location = exchange.path.split("/")[5]
        here = [o for o in self.operations if f"/{location}/" in o["selfLink"]] or self.operations
        kind = exchange.response.get("operationType")
        return str(([o for o in here if o["operationType"] == kind] or here)[-1]["name"])

    def _wait(self, operation: dict[str, Any]) -> dict[str, Any]:
        path = urlsplit(operation["selfLink"]).path
        deadline = time.monotonic() + 20
        while operation["status"] != "DONE":
            assert time.monotonic() < deadline, operation
            operation = self.http.get(path).json()
        return operation

    def _own(self, text: str) -> str:
        """The recording's placeholders in our own words."""
        values = {"projectId": PROJECT, "projectNumber": project_number(PROJECT), "uniqueId": "abc123"}
        return re.sub(r"\$\{(\w+)\}", lambda m: values.get(m[1], m[1].lower()), text)

    def _request(self, request: Any) -> Any:
        if request is None:
            return None
        body = json.loads(self._own(json.dumps(request)))
        if "labelFingerprint" in body:
            body["labelFingerprint"] = self.known["labelFingerprint"]
        policy = body.get("maintenancePolicy", {})
        if "resourceVersion" in policy:
            policy["resourceVersion"] = self.known["maintenancePolicy"]["resourceVersion"]
        for holder in (body, body.get("update", {})):
            holder.pop("etag", None)
        return body


def compared(google: Any, ours: Any) -> Iterator[Difference]:
    """What is missing, what is too much, and which values are others."""
    found = list(differences(google, ours))
    for one in found:
        # An empty message is there where the other side has fields in it.
        empty = "{}" in (one.theirs, one.ours) and any(d.path.startswith(f"{one.path}.") for d in found)
        if not empty and (one.kind != "value" or not IDENTITIES.search(one.path)):
            yield one


def _channels(scenario: Scenario) -> dict[str, Channel]:
    """Every channel has the versions of the scenario's clusters, so that defaults that go with them can be compared."""
    found = [
        exchange.response["initialClusterVersion"]
        for exchange in scenario.exchanges
        if isinstance(exchange.response, dict) and "initialClusterVersion" in exchange.response
    ]
    if not found:
        return dict(LIMITS.channels)
    newest_first = tuple(sorted(set(found), key=version_key, reverse=True))
    return dict.fromkeys(LIMITS.channels, Channel(found[0], newest_first))

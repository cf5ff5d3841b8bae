"""The emulated GKE answers recorded requests as Google did: same status, same fields, same defaults.

Each scenario is replayed request by request. Compared are the paths of every field, and the values of all that
are no identity (a name, a link, a time, an address, a version). What differs on purpose is in ``DIFFERENCES``.
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

from recorded import VENDORED, Exchange, Scenario
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parent.parent / "unit"))

from emulator import LIMITS, PROJECT, Emulator
from shapes import differences, leaves

from sandbox.releases import Channel

# Values that tell one thing from another, or say when and where: only that they are there is compared.
IDENTITIES = re.compile(
    r"(^|\.)(name|id|selfLink|targetLink|etag|labelFingerprint|startTime|endTime|createTime|endpoint|network|subnetwork"
    r"|publicEndpoint|privateEndpoint|clusterCaCertificate|resourceVersion|instanceGroupUrls|zone|location|locations"
    r"|clusterSecondaryRangeName|podRange|nodeImageConfig\.image|version|currentMasterVersion|currentNodeVersion"
    r"|initialClusterVersion|\w*[cC]idr\w*)$"
)


@dataclass(frozen=True)
class Difference:
    """Where an answer is not like a recorded one, on purpose.

    ``only``: in what kind of recordings; ``theirs``: where Google's value is like this.
    """

    kind: str
    path: str
    reason: str
    only: str = ""
    theirs: str = ""

    def covers(self, kind: str, path: str, theirs: str, recording: set[str]) -> bool:
        return (
            self.kind == kind
            and bool(re.search(self.path, path) and re.search(self.theirs, theirs))
            and (not self.only or self.only in recording)
        )


OLDER, AUTOPILOT = "older", "autopilot"
ADDED = "Google has added the field since"
# Recordings of before the summer of 2026 lack some of these in each cluster.
NEWER_FIELDS = (
    "addonsConfig.dnsCacheConfig", "controlPlaneEgress", "ipAllocationPolicy.networkTierConfig", "master",
    "networkConfig.defaultSnatStatus", "privateCluster",
)  # fmt: skip
DIFFERENCES = (
    Difference("extra", r"^controlPlaneEgress\.|^master$|^privateCluster$|^addonsConfig\.dnsCacheConfig\.", ADDED, OLDER),
    Difference("extra", r"networkTierConfig\.networkTier$|defaultSnatStatus$|enableK8sCertsViaDns$", ADDED, OLDER),
    Difference("extra", r"nodeImageConfig\.|^nodePools\[\d+\]\.(selfLink|etag)$|^(etag|locations|zone)$", ADDED, OLDER),
    Difference("extra", r"^ipAllocationPolicy\.clusterSecondaryRangeName$", ADDED, OLDER),
    Difference("extra", r"autoscaling\.locationPolicy$", ADDED, OLDER),
    Difference("extra", r"^operationType$|^progress\.", "recorded without it", OLDER),
    Difference("extra", r"^nodePools\[[1-9]", "recorded before the cluster showed its further pools", OLDER),
    Difference("value", r"^status$", "an operation on a node pool is PENDING until it runs, RUNNING if that is at once"),
    Difference("missing", r"\.globalAccess$", "no longer shown when it is false", OLDER),
    Difference("value", r"^error\.(errors\[0\]\.)?message$", "a missing node pool is now told in other words", OLDER, "nodePool"),
    Difference("value", r"enableComponents$", "Google has added kinds of metrics since", OLDER, "DCGM"),
    Difference("value", r"^releaseChannel\.channel$", "by Google's calendar the oldest version is in STABLE only; "
               "here every channel has every version"),
    Difference("value", r"^currentNodeCount$", "moves with each node that comes and goes; recorded while they did, "
               "and one node a region by the recorder"),
    Difference("extra", r"RangeUtilization$", "is shown at once here, by Google after a while"),
    Difference("value", r"RangeUtilization$", "follows from the size of the range of pods, which is smaller here"),
    Difference("value", r"^progress\.metrics\[\d\]\.intValue$", "the number of parts of a cluster's creation is Google's affair"),
    Difference("value", r"\.maxParallelImagePulls$", "2 or 3, as Google sees fit"),
    Difference("missing", r"^addonsConfig\.parallelstoreCsiDriverConfig$|queuedProvisioning$", "shown while off only for a while", OLDER),
    Difference("extra", r"workloadMetadataConfig\.", "recorded without what Workload Identity brings with it", OLDER),
    *(
        Difference(kind, r"^(nodePools\[|nodeConfig\.|instanceGroupUrls|initialNodeCount|currentNodeCount)",
                   "an Autopilot cluster's pools and nodes are Google's own affair", AUTOPILOT)
        for kind in ("missing", "extra", "value")
    ),
    Difference("missing", r"kubeletCertInfo\.", "nodes here have no TPM, and so no certificate from one"),
)  # fmt: skip
# Values that Google took when they were recorded, and has renamed since.
RENAMED = {"OS_2022": "OS_VERSION_LTSC2022", "OS_2019": "OS_VERSION_LTSC2019"}


def test_answers_have_the_real_ones_shape(scenario: Scenario, tmp_path: Path) -> None:
    replay = Replay(scenario, tmp_path)
    found = [
        f"{exchange.method} {urlsplit(exchange.url).path} -> {line}"
        for exchange in scenario.exchanges
        if exchange.is_gke
        for line in replay.differences(exchange)
    ]
    assert not found, "\n".join(dict.fromkeys(found))
    # Recordings of others may use what is not emulated; it is refused by its name, and that is where they end.
    assert not (replay.refused and scenario.name in {file.stem for file in VENDORED.rglob("*.jsonl")}), (
        replay.refused
    )
    assert not replay.emulator.app.broken, "\n".join(replay.emulator.app.broken)


class Replay:
    """Sends the requests of a scenario to an emulator of its own."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.recording = _kinds(scenario)
        channels = dict.fromkeys(LIMITS.channels, Channel(_version(scenario), (_version(scenario),)))
        place = replace(LIMITS, cpu_milli=10**9, any_machine=True, channels=channels)
        self.emulator = Emulator(folder, place)
        token = {"Authorization": f"Bearer {self.emulator.token}"}
        self.http = TestClient(self.emulator.app, headers=token)
        self.refused = ""
        self.operation = "none"
        self.known: dict[str, Any] = {}

    def differences(self, exchange: Exchange) -> Iterator[str]:
        if self.refused:
            return
        path = self._own(urlsplit(exchange.url).path)
        body = self._request(exchange.request)
        answer = self.http.request(exchange.method, path, json=body)
        if answer.status_code == 501:
            self.refused = answer.text
            return
        if answer.status_code != exchange.status:
            yield f"status {answer.status_code}, Google's {exchange.status}: {answer.text}"
            return
        ours = answer.json()
        if exchange.method != "GET" and "selfLink" in ours:
            self.operation = ours["name"]
            self._wait(ours)
        elif "/operations/" in path:
            ours = self._wait(ours)
        if exchange.method == "GET" and "labelFingerprint" in ours:
            self.known = ours
        yield from compared(json.loads(self._own(json.dumps(exchange.response))), ours, self.recording)

    def _wait(self, operation: dict[str, Any]) -> dict[str, Any]:
        path = urlsplit(operation["selfLink"]).path
        path = re.sub(r"/projects/[^/]+/", f"/projects/{PROJECT}/", path)
        deadline = time.monotonic() + 20
        while operation["status"] != "DONE":
            assert time.monotonic() < deadline, operation
            operation = self.http.get(path).json()
        return operation

    def _own(self, text: str) -> str:
        """The recording's placeholders in our own words."""
        values = {"projectId": PROJECT, "uniqueId": "abc123", "operationID": self.operation}
        text = re.sub(r"\$\{(\w+)\}", lambda m: values.get(m[1], m[1].lower()), text)
        return re.sub(r"\b(?:" + "|".join(RENAMED) + r")\b", lambda m: RENAMED[m[0]], text)

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


def compared(google: Any, ours: Any, recording: set[str]) -> Iterator[str]:
    """What is missing, what is too much, and which values are others; without what differs on purpose."""
    for kind, path, theirs, mine in differences(google, ours):
        identity = kind == "value" and IDENTITIES.search(path)
        on_purpose = any(d.covers(kind, path, theirs, recording) for d in DIFFERENCES)
        if not identity and not on_purpose:
            yield f"{kind} {path}: Google has {theirs or 'none'}, the emulator {mine or 'none'}"


def _first_cluster(scenario: Scenario) -> dict[str, Any]:
    for exchange in scenario.exchanges:
        if isinstance(exchange.response, dict) and "initialClusterVersion" in exchange.response:
            return exchange.response
    return {}


def _version(scenario: Scenario) -> str:
    """The version of the scenario's first cluster, so that defaults that go with it can be compared.

    The recorder writes one and the same version into many recordings; what only 1.35 has tells these apart.
    """
    cluster = _first_cluster(scenario)
    if cluster.get("anonymousAuthenticationConfig", {}).get("mode") == "LIMITED":
        return "1.35.6-gke.1250000"
    return str(cluster.get("initialClusterVersion", LIMITS.channel("").default))


def _kinds(scenario: Scenario) -> set[str]:
    """Whether it was recorded before Google showed every field that it does now, and of which kind the cluster is."""
    cluster = _first_cluster(scenario)
    shown = [path for path, _ in leaves(cluster)]
    newer = all(any(path.startswith(field) for path in shown) for field in NEWER_FIELDS)
    autopilot = cluster.get("autopilot", {}).get("enabled")
    return ({OLDER} if not newer else set()) | ({AUTOPILOT} if autopilot else set())

"""Lets the idlest replicas go first when there are to be fewer: notes at each pod how much it has to do, as what its going costs.

Kubernetes takes, of the ready pods of a ReplicaSet, first the one of the least cost; one without a note costs 0.
https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost

Runs as a pod of its own, with nothing but Python's standard library. What a pod has under way is the gauge of its proxy,
averaged over a minute. Notes are few: none while the order is right, and at each look those that are most wrong. What can't
be read stays as it is.

Configured by environment variables:
  NAMESPACE, APP       whose pods: the namespace, and their label ``app``
  KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT    the API server, as Kubernetes sets them
  ACCOUNT              folder of the service account's token and the API server's authority
"""

from __future__ import annotations

import http.client
import json
import math
import os
import re
import signal
import socket
import ssl
import sys
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlencode

COST = "controller.kubernetes.io/pod-deletion-cost"
READ_SECONDS = 5.0
LOOK_READS = 3  # a look, every so many reads: as often as the HPA looks
AVERAGED_READS = 12
KNOWN_READS = 6  # of these; a pod of which less is known is left alone
CLEARLY = 2.0  # times as much to do: then the order matters
STEP = 1.5  # a cost is a logarithm of this base
OFF = 0.8  # steps that a note may be wrong. Two of this and the rounding fit between what differs clearly: log(2, 1.5) is 1.7
NOTES_MAX = 5  # at a look
PAGE = 50
POD_SECONDS, API_SECONDS = 2.0, 10.0
ANSWER_MAX = 4 * 2**20
PORT = 8404
UNDER_WAY = re.compile(
    rb'^haproxy_backend_current_sessions\{proxy="(?:rest|grpc)"[^}]*\} ([0-9.eE+]+)', re.MULTILINE
)


class Pod(NamedTuple):
    """``owner``: its ReplicaSet, within which costs are compared. ``cost``: as it is noted."""

    name: str
    address: str
    owner: str
    cost: int


class Refused(Exception):
    """An answer that is no success."""


def notes(pods: Sequence[Pod], under_way: Mapping[str, float]) -> dict[str, int]:
    """What is to be noted, by pod; ``under_way`` has the means of those of which enough is known. Pure."""
    wrong: dict[str, float] = {}
    for owner in {pod.owner for pod in pods}:
        known = [pod for pod in pods if pod.owner == owner and pod.name in under_way]
        if not _is_ordered(known, under_way):
            wrong |= {pod.name: abs(_steps(under_way[pod.name]) - pod.cost) for pod in known}
    most = sorted((name for name, off in wrong.items() if off > OFF), key=lambda name: (-wrong[name], name))
    return {name: round(_steps(under_way[name])) for name in most[:NOTES_MAX]}


def _is_ordered(pods: Sequence[Pod], under_way: Mapping[str, float]) -> bool:
    """Whether none that has clearly more to do than another would go before it, or as soon."""
    return not any(
        1 + under_way[busy.name] >= CLEARLY * (1 + under_way[idle.name]) and busy.cost <= idle.cost
        for busy in pods
        for idle in pods
    )


def _steps(under_way: float) -> float:
    return math.log(1 + under_way, STEP)


def mean(reads: Sequence[float | None]) -> float | None:
    """Of the last reads, of which some failed; None where too little is known."""
    known = [value for value in reads if value is not None]
    return sum(known) / len(known) if len(known) >= KNOWN_READS else None


def parse_pod(item: Mapping[str, Any]) -> Pod | None:
    """A pod of a list; None where it is no ready one of a ReplicaSet."""
    meta, status = item["metadata"], item.get("status", {})
    owners = [one["uid"] for one in meta.get("ownerReferences", []) if one.get("controller")]
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", []))
    if not owners or not ready or not status.get("podIP") or "deletionTimestamp" in meta:
        return None
    text = meta.get("annotations", {}).get(COST, "0")
    cost = int(text) if re.fullmatch(r"-?\d{1,10}", text) else 0
    return Pod(meta["name"], status["podIP"], owners[0], cost)


def read(address: str) -> float | None:
    """What a pod has under way; None where it does not say so in time."""
    until = time.monotonic() + POD_SECONDS
    answer = b""
    try:
        with socket.create_connection((address, PORT), POD_SECONDS) as connection:
            # By HTTP/1.0 the answer ends with the connection.
            connection.sendall(b"GET /metrics?scope=backend HTTP/1.0\r\n\r\n")
            while len(answer) < ANSWER_MAX:
                connection.settimeout(max(until - time.monotonic(), 0.001))
                if not (block := connection.recv(65536)):
                    break
                answer += block
    except OSError:
        return None
    status = answer[:16].split(b" ")
    found = UNDER_WAY.findall(answer)
    return sum(map(float, found)) if status[1:2] == [b"200"] and found else None


class Api:
    """The API server, with the pod's own account."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._host = environment["KUBERNETES_SERVICE_HOST"]
        self._port = int(environment["KUBERNETES_SERVICE_PORT"])
        self._account = Path(environment.get("ACCOUNT") or "/var/run/secrets/kubernetes.io/serviceaccount")
        self._pods = f"/api/v1/namespaces/{environment['NAMESPACE']}/pods"
        self._selector = f"app={environment['APP']},mlops.tfserving/track!=canary"
        self._context = ssl.create_default_context(cafile=str(self._account / "ca.crt"))

    def pods(self) -> list[Pod]:
        """Those that are ready. Raises OSError, HTTPException, ValueError, KeyError, Refused."""
        found: list[Pod | None] = []
        token = ""
        while True:
            query = {"labelSelector": self._selector, "limit": str(PAGE)}
            page = self._ask(
                "GET", f"{self._pods}?{urlencode(query | ({'continue': token} if token else {}))}"
            )
            found += map(parse_pod, page["items"])
            token = page["metadata"].get("continue", "")
            if not token:
                return [pod for pod in found if pod is not None]

    def note(self, name: str, cost: int) -> None:
        """Raises OSError, HTTPException, ValueError, Refused."""
        change = {"metadata": {"annotations": {COST: str(cost)}}}
        self._ask("PATCH", f"{self._pods}/{name}?fieldManager=mlops.tfserving-idlest", change)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        # The token is read anew each time: kubelets renew it.
        headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {(self._account / 'token').read_text()}",
            "Content-Type": "application/merge-patch+json",
            "User-Agent": "mlops.tfserving",
        }
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=API_SECONDS, context=self._context
        )
        try:
            connection.request(method, path, body=json.dumps(body) if body else None, headers=headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise Refused(f"the API server answers {answer.status} to {method} {path}: {text[:300]!r}")
        return dict(json.loads(text))


class Idlest:
    """What has been read, and what comes of it."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._pods: list[Pod] = []
        self._reads: dict[str, deque[float | None]] = defaultdict(lambda: deque(maxlen=AVERAGED_READS))

    def look(self) -> None:
        """Notes what is wrong in the order of the pods that there are now. Raises as the API's methods."""
        self._pods = self._api.pods()
        for gone in self._reads.keys() - {pod.name for pod in self._pods}:
            del self._reads[gone]
        means = {name: mean(reads) for name, reads in self._reads.items()}
        under_way = {name: value for name, value in means.items() if value is not None}
        for name, cost in notes(self._pods, under_way).items():
            self._api.note(name, cost)
            print(f"{name} has {under_way[name]:.1f} requests under way: cost {cost}", flush=True)

    def read(self, pool: ThreadPoolExecutor) -> None:
        """Asks every pod that was there at the last look."""
        values = pool.map(read, [pod.address for pod in self._pods])
        for pod, value in zip(self._pods, values, strict=True):
            self._reads[pod.name].append(value)


def _stop(*_unused: object) -> NoReturn:
    # As process 1 of a container Python would not end on SIGTERM of its own accord.
    os._exit(0)


def main() -> NoReturn:
    signal.signal(signal.SIGTERM, _stop)
    idlest, number = Idlest(Api(os.environ)), 0
    with ThreadPoolExecutor(8) as pool:
        while True:
            began = time.monotonic()
            if number % LOOK_READS == 0:
                try:
                    idlest.look()
                except (OSError, http.client.HTTPException, ValueError, KeyError, Refused) as error:
                    print(f"left as it is until the next look: {error}", file=sys.stderr, flush=True)
            idlest.read(pool)
            number += 1
            time.sleep(max(READ_SECONDS - (time.monotonic() - began), 0.1))


if __name__ == "__main__":
    main()

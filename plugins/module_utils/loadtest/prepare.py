"""What must be right before the first object of a load test is created: payload and model fit, nobody else loads it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from heapq import nlargest
from pathlib import Path
from typing import Any

from ..k8s.client import APPLY, KubeApi
from ..k8s.differences import delete
from ..k8s.objects import name_of
from ..model_server.errors import BadAnswer
from ..model_server.looks import looked
from ..model_server.pods import ready_pods
from ..model_server.rest import Servable
from ..model_server.runtime import TF_SERVING
from ..retry import TRANSIENT
from .locust import Locust
from .objects import seconds
from .payload import Body, PayloadError, Tensor, signatures

Json = dict[str, Any]

LABELS = {"app.kubernetes.io/name": "locust", "app.kubernetes.io/part-of": "mlops-tfserving"}
RUN_LABEL = "mlops.tfserving/run"
FIELD_MANAGER = "mlops.tfserving"

TRIAL_TIMEOUT = 60.0
TRIALS_MAX = 20
"""Bodies that are tried; of a larger folder the largest."""

LIMITS = {
    "the request is larger than": "serving_max_request_bytes",
    "nested deeper than": "serving_max_nesting",
}
"""The proxy's words for what it lets nobody send (roles/serving/vars), and the variable that says how much that is."""

YOUNG_SECONDS = 120.0
"""Objects without a running master may be a run that is just being started; after this time they are left over."""

SILENT_SECONDS = 60.0
"""A master that nobody has asked for so long has lost its driver."""


class PrepareError(Exception):
    """The load test can't begin; in words, with the way out."""


def read_payload(path: Path) -> dict[str, bytes]:
    """A file, or each file of a folder, by name. Hidden files and README are no payload."""
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith((".", "README")))
        return {file.name: file.read_bytes() for file in files}
    return {path.name: path.read_bytes()}


class Model:
    """A ready pod of the model server, through the API server's proxy."""

    def __init__(self, api: KubeApi, namespace: str, deployment: str, servable: Servable) -> None:
        pods = ready_pods(api, namespace, f"app={deployment}")
        if not pods:
            raise PrepareError(
                f"no pod of {deployment} in namespace {namespace} is ready: nothing can be asked. "
                "Look at playbooks/status.yml"
            )
        self._api, self._model, self._version = api, servable.model, servable.version
        self._base = (
            f"/api/v1/namespaces/{namespace}/pods/http:{name_of(pods[0])}:{TF_SERVING.rest_port}/proxy"
        )

    def signatures(self) -> dict[str, dict[str, Tensor]]:
        status, answer, text = self._ask("GET", TF_SERVING.metadata_path(self._model, self._version), None)
        if status != 200:
            raise PrepareError(f"model {self._model} can't be asked for its signatures: {status} {text}")
        return signatures(answer)

    def try_all(self, made: Sequence[Body]) -> None:
        """Sends bodies once each, before thousands of them are. Raises PayloadError in the server's words."""
        for body in nlargest(TRIALS_MAX, made, key=lambda body: len(body.content)):
            status, answer, text = self._ask(
                "POST", TF_SERVING.predict_path(self._model, self._version), body.content
            )
            if status != 200 or not ({"predictions", "outputs"} & set(answer)):
                limit = next((f". Raise {name}" for words, name in LIMITS.items() if words in text), "")
                raise PayloadError(f"{body.name}: the model answers {status}: {text}{limit}")

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, Json, str]:
        """Status, answer and its words: the last ones, where an answer that may pass has not."""
        said: list[tuple[int, Json, str]] = []

        def once() -> None:
            status, _unused, content = self._api.raw(
                method, self._base + path, body=body, headers={"content-type": "application/json"},
                timeout=TRIAL_TIMEOUT,
            )  # fmt: skip
            try:
                answer = json.loads(content)
            except ValueError:
                answer = None
            answer = answer if isinstance(answer, dict) else {}
            words = str(answer.get("error") or content[:200].decode("utf-8", "replace")).strip()
            said.append((status, answer, " ".join(words.split())[:300]))
            if status in TRANSIENT or (status == 200 and not answer):
                raise BadAnswer(words, passing=True)

        with suppress(BadAnswer):
            looked(once)
        return said[-1]


def config_maps(name: str, namespace: str, run: str, parts: Sequence[Sequence[Body]]) -> list[Json]:
    """The bodies as objects; files are numbered in the order of the bodies."""
    number, made = 0, []
    for index, part in enumerate(parts):
        data = {}
        for body in part:
            data[f"body-{number}"] = base64.b64encode(body.content).decode()
            number += 1
        made.append(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": f"{name}-payload-{index}",
                    "namespace": namespace,
                    "labels": {**LABELS, RUN_LABEL: run},
                },
                "binaryData": data,
            }
        )
    return made


def apply_all(api: KubeApi, objects: Sequence[Json]) -> None:
    for item in objects:
        meta = item["metadata"]
        api.patch(
            f"/api/v1/namespaces/{meta['namespace']}/configmaps/{meta['name']}"
            f"?fieldManager={FIELD_MANAGER}&force=true",
            item,
            content_type=APPLY,
        )


_PLACES = {"jobs": "/apis/batch/v1", "services": "/api/v1", "configmaps": "/api/v1"}


def objects_of_runs(api: KubeApi, namespace: str) -> dict[str, list[tuple[str, Json]]]:
    """(resource, object) of every load test in a namespace, by run."""
    selector = ",".join(f"{key}={value}" for key, value in LABELS.items())
    found: dict[str, list[tuple[str, Json]]] = {}
    for resource, base in _PLACES.items():
        answer = api.get(f"{base}/namespaces/{namespace}/{resource}", labelSelector=selector)
        for item in answer.get("items") or []:
            run = item["metadata"].get("labels", {}).get(RUN_LABEL)
            if run:
                found.setdefault(run, []).append((resource, item))
    return found


def leftovers(api: KubeApi, namespace: str, run: str, now: float) -> list[str]:
    """Runs that have lost their driver. Raises PrepareError when another run is under way."""
    found = []
    for other, objects in sorted(objects_of_runs(api, namespace).items()):
        if other == run:
            continue
        born = [seconds(item["metadata"].get("creationTimestamp")) or 0.0 for _unused, item in objects]
        young = now - max(born) < YOUNG_SECONDS
        active = any(
            resource == "jobs"
            and name_of(item).endswith("-master")
            and item.get("status", {}).get("active", 0)
            for resource, item in objects
        )
        stats = Locust(api, namespace, f"locust-{other}").poll(observer=True) if active else None
        driven = stats is not None and float(stats.get("driver_silent_s", SILENT_SECONDS)) < SILENT_SECONDS
        if driven or (young and (active or stats is None)):
            raise PrepareError(
                f"load test {other} is under way in namespace {namespace}: two at a time would measure each other. "
                "Wait until it has ended; a run whose playbook was killed counts as ended after two minutes."
            )
        found.append(other)
    return found


def remove(api: KubeApi, namespace: str, run: str) -> list[str]:
    """Everything that a run has in the cluster; the names of what was there."""
    gone = []
    for resource, item in objects_of_runs(api, namespace).get(run, []):
        path = f"{_PLACES[resource]}/namespaces/{namespace}/{resource}/{name_of(item)}"
        if api.get_or_none(path) is not None:
            delete(api, path, item)
            gone.append(f"{resource}/{name_of(item)}")
    return gone

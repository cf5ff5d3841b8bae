"""One unlucky answer changes nothing: whole playbooks, with a fault before each distinct request that may be asked twice.

Of two sites one is quiet, and before the other's requests faults come; both end with the same exit code, tasks and objects.
Within a round each playbook meets another kind of fault. `make test` has a round of the playbooks that make a site and remove it
(TRANSIENT=short); with TRANSIENT=all each playbook meets each kind, once and twice before each request: an hour or more.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from place import MODELS, Place
from way import GOOGLE, KUBERNETES

Json = dict[str, Any]
Outcome = list[Any]
"""Exit code, what became of each task, what is left in the cluster."""

KINDS = list(KUBERNETES)
ASKED = os.environ.get("TRANSIENT") or "0"
ROUNDS = (
    [(first, times) for times in (1, 2) for first in range(len(KINDS))]
    if ASKED == "all" else [(0 if ASKED == "short" else int(ASKED), 1)]
)  # fmt: skip
SECOND: Json = {"serving_golden": [{"name": "the version", "instances": [0], "expect": [2]}]}


@dataclass(frozen=True)
class Step:
    """A playbook, with variables of its own; ``{site}`` stands for the site's name, ``{folder}`` for a folder."""

    playbook: str
    variables: Json = field(default_factory=dict)
    code: int = 0


STEPS: tuple[Step, ...] = (
    Step(
        "cluster",
        {"cluster_existing_kubeconfig": "", "cluster_kubeconfig_path": "{folder}/{site}.kubeconfig"},
    ),
    Step("storage"),
    Step("serving"),
    Step("serving"),
    Step("autoscaling"),
    Step("monitoring", {"monitoring_enabled": True, "monitoring_source": "prometheus"}),
    Step("serving", {"serving_concurrency": 9}),
    Step("storage", {"storage_model_source": str(MODELS / "assets")}),
    Step("canary", {"canary_version": 2, **SECOND}),
    Step("rollback", code=2),  # a canary is no version that ran before
    Step("canary", {"canary_action": "promote", **SECOND}),
    Step("rollback"),
    Step("record_golden", {"serving_golden_file": "{folder}/{site}.json"}),
    Step("status"),
    Step("teardown"),
)
if ASKED == "short":
    STEPS = (*STEPS[:5], STEPS[-1])
WATCHED = (
    "/api/v1/namespaces/{site}/configmaps", "/api/v1/namespaces/{site}/services", "/api/v1/namespaces/{site}/serviceaccounts",
    "/apis/apps/v1/namespaces/{site}/deployments", "/apis/autoscaling/v2/namespaces/{site}/horizontalpodautoscalers",
    "/apis/policy/v1/namespaces/{site}/poddisruptionbudgets", "/apis/networking.k8s.io/v1/namespaces/{site}/networkpolicies",
)  # fmt: skip


def left(place: Place, site: str) -> list[tuple[str, Any]]:
    """What the site has in the cluster, with hashes, of which its namespace is a part, left out."""
    found = []
    for path in WATCHED:
        for item in place.client.get(path.format(site=site))["items"]:
            text = str({key: item[key] for key in ("spec", "data") if key in item})
            name = f"{path.rpartition('/')[2]}/{item['metadata']['name']}"
            found.append((bare(name, site), bare(re.sub(r"10\.0\.0\.\d+", "IP", text), site)))
    return sorted(found)


def bare(text: str, site: str) -> str:
    return re.sub(r"\b[0-9a-f]{8,16}\b", "HASH", text.replace(site, "SITE"))


def filled(variables: Json, site: str, folder: Path) -> Json:
    return {
        name: value.format(site=site, folder=folder) if isinstance(value, str) else value
        for name, value in variables.items()
    }


class Quiet:
    """What each step comes to with luck; made once."""

    def __init__(self) -> None:
        self.steps: list[Outcome] = []

    def step(self, place: Place, index: int) -> Outcome:
        if index == len(self.steps):
            *found, output = played(place, "quiet", STEPS[index])
            assert found[0] == STEPS[index].code, output[-6000:]
            self.steps.append(found)
        return self.steps[index]


QUIET = Quiet()


def played(place: Place, site: str, step: Step) -> tuple[int, list[list[str]], list[tuple[str, Any]], str]:
    variables = filled(step.variables, site, place.folder)
    code, tasks, output = place.play(site, f"playbooks/{step.playbook}.yml", variables)
    return code, tasks, left(place, site), output


@pytest.mark.parametrize(("first", "times"), ROUNDS)
def test_playbooks_end_as_they_do_with_luck(place: Place, first: int, times: int) -> None:
    site = f"unlucky-{first}-{times}"
    for index, step in enumerate(STEPS):
        place.kubernetes.begin("none", 0)
        place.google.begin("none", 0)
        expected = QUIET.step(place, index)
        kind = KINDS[(first + index) % len(KINDS)]
        place.kubernetes.begin(KUBERNETES[kind], times)
        place.google.begin(GOOGLE[kind], times)
        before = place.kubernetes.struck + place.google.struck
        *found, output = played(place, site, step)
        assert found == expected, f"{step.playbook} with {kind}, {times} times:\n{output[-6000:]}"
        assert kind == "lost" or place.kubernetes.struck + place.google.struck > before, "nothing was asked"

"""Asks every ready pod whether it serves the models as wanted, how, and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ..k8s.client import KubeApi
from ..k8s.errors import KubeError
from ..k8s.objects import Json, is_true, name_of
from .compare import differences, sentences
from .errors import BadAnswer
from .golden import Golden
from .latency import Latency, Limits, measure
from .looks import looked
from .rest import ModelServer, Servable
from .skew import Skew, skew, spread, version_skew

PARALLEL = 8
"""Pods asked at a time: enough for a large Deployment, little for the API server."""

Connect = Callable[[Json], AbstractContextManager[ModelServer]]
"""Makes a way to one pod's model server."""


@dataclass(frozen=True)
class Desired:
    """A model that each pod must serve, and what it is asked."""

    servable: Servable
    goldens: tuple[Golden, ...] = ()

    @property
    def title(self) -> str:
        """How messages name it."""
        found = self.servable
        if found.label is not None:
            return f"{found.model}/{found.label}"
        return found.model if found.version is None else f"{found.model}/{found.version}"


@dataclass(frozen=True)
class PodResult:
    """What one pod answered; `problems` is empty when all is well. `answers` by the wanted's and golden's names."""

    pod: str
    node: str
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    latency: Mapping[str, Latency] = field(default_factory=dict)
    answers: Mapping[tuple[str, str], Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "pod": self.pod,
            "node": self.node,
            "versions": dict(next(iter(self.versions.values()), {})),
            "models": {title: dict(states) for title, states in self.versions.items()},
            "ok": not self.problems,
            "problems": list(self.problems),
            "latency": {title: found.as_dict() for title, found in self.latency.items()},
        }


def ready_pods(api: KubeApi, namespace: str, selector: str) -> list[Json]:
    """Pods that take traffic: ready, and not on their way out."""
    pods = api.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)["items"]
    return [pod for pod in pods if takes_traffic(pod)]


def takes_traffic(pod: Json) -> bool:
    return is_true(pod, "Ready") and "deletionTimestamp" not in pod["metadata"]


def check_pods(
    connect: Connect,
    desired: Sequence[Desired],
    pods: Sequence[Json],
    limits: Limits | None = None,
    now: Callable[[], float] = time.perf_counter,
) -> list[PodResult]:
    """Asks all pods, a few at a time; one result a pod, in the order of their names.

    Latency is measured afterwards, one pod after the other, so that they do not slow each other down.
    """
    ordered = sorted(pods, key=name_of)
    with ThreadPoolExecutor(PARALLEL) as pool:
        results = list(pool.map(lambda pod: check_pod(connect, desired, pod), ordered))
    if limits is not None:
        results = [
            result if result.problems else _measured(connect, desired, pod, result, limits, now)
            for pod, result in zip(ordered, results, strict=True)
        ]
    return results


def check_pod(connect: Connect, desired: Sequence[Desired], pod: Json) -> PodResult:
    """The states of all models first; golden predictions only of one that is available."""
    versions: dict[str, Mapping[str, str]] = {}
    answers: dict[tuple[str, str], Any] = {}
    problems: list[str] = []
    try:
        with connect(pod) as server:
            for model in desired:
                prefix = f"{model.title}: " if len(desired) > 1 else ""
                for problem in _asked(server, model, versions, answers):
                    problems.append(prefix + problem)
    except KubeError as error:
        problems.append(error.message)
    node = str(pod["spec"].get("nodeName", ""))
    return PodResult(name_of(pod), node, versions, tuple(problems), {}, answers)


def _asked(
    server: ModelServer,
    model: Desired,
    versions: dict[str, Mapping[str, str]],
    answers: dict[tuple[str, str], Any],
) -> Iterator[str]:
    """Problems of one model on one pod; what it answered goes into `versions` and `answers`."""
    try:
        versions[model.title] = looked(lambda: server.versions(model.servable))
    except BadAnswer as error:
        yield str(error)
        return
    found = version_problems(versions[model.title], model.servable)
    yield from found
    for golden in () if found else model.goldens:
        try:
            answers[model.title, golden.name] = looked(_ask(server, model, golden))
        except BadAnswer as error:
            yield f"golden {golden.name}: {error}"
        else:
            yield from golden_problems(golden, answers[model.title, golden.name])


def version_problems(versions: Mapping[str, str], desired: Servable) -> list[str]:
    """What is wrong with the model's states: the wanted version (or any) must be AVAILABLE.

    With a label, `versions` are those that it points to.
    """
    states = ", ".join(f"{version} {state}" for version, state in sorted(versions.items())) or "none"
    if desired.version is None:
        return [] if "AVAILABLE" in versions.values() else [f"no version is available (has: {states})"]
    if desired.label is not None and str(desired.version) not in versions:
        return [f"label {desired.label} points to another version than {desired.version} ({states})"]
    state = versions.get(str(desired.version))
    return [] if state == "AVAILABLE" else [f"version {desired.version} is not available (has: {states})"]


def golden_problems(golden: Golden, answer: Any) -> list[str]:
    """How an answer differs from what is known, if it is."""
    problems = []
    outputs = _outputs(answer)
    unknown = sorted(set(golden.tolerances.by_output) - outputs) if outputs is not None else []
    if unknown:
        has = ", ".join(sorted(outputs or ()))
        problems.append(
            f"golden {golden.name}: tolerances name no output of the model: {', '.join(unknown)} (has: {has})"
        )
    if golden.known:
        found = sentences(differences(golden.expect, answer, golden.tolerances))
        problems += [f"golden {golden.name}: {difference}" for difference in found]
    return problems


def skews(desired: Sequence[Desired], results: Sequence[PodResult]) -> list[Skew]:
    """How pods differ from each other, in available versions and in answers."""
    found: list[Skew] = []
    for model in desired:
        states = {
            result.pod: result.versions[model.title] for result in results if model.title in result.versions
        }
        found += version_skew(model.title, states)
        for golden in model.goldens:
            found += skew(_subject(model, golden), _answers(model, golden, results), golden.tolerances)
    return found


def with_skew(
    desired: Sequence[Desired], results: Sequence[PodResult], found: Sequence[Skew]
) -> list[PodResult]:
    """The results, with a problem for each pod that differs where no answer is known to measure it by."""
    unknown = {_subject(model, golden) for model in desired for golden in model.goldens if not golden.known}
    return [
        replace(
            result,
            problems=(
                *result.problems,
                *(one.sentence for one in found if one.pod == result.pod and one.subject in unknown),
            ),
        )
        for result in results
    ]


def spreads(desired: Sequence[Desired], results: Sequence[PodResult]) -> dict[str, float]:
    """By how much the numbers of each golden's answers differ most between pods."""
    found = {
        _subject(model, golden): spread(answers)
        for model in desired
        for golden in model.goldens
        if len(answers := _answers(model, golden, results)) > 1
    }
    return {subject: off for subject, off in found.items() if off is not None}


def _measured(
    connect: Connect,
    desired: Sequence[Desired],
    pod: Json,
    result: PodResult,
    limits: Limits,
    now: Callable[[], float],
) -> PodResult:
    latency: dict[str, Latency] = {}
    problems: list[str] = []
    try:
        with connect(pod) as server:
            for model in desired:
                asks = [_ask(server, model, golden) for golden in model.goldens]
                if asks:
                    # As a whole: a pause within it would count as the model's.
                    measured = partial(measure, asks, _trip(server, model), limits.requests, now)
                    latency[model.title] = looked(measured)
                    prefix = f"{model.title}: " if len(desired) > 1 else ""
                    problems += [prefix + problem for problem in latency[model.title].problems(limits)]
    except (BadAnswer, KubeError) as error:
        problems.append(f"while its latency was measured: {error}")
    return replace(result, latency=latency, problems=(*result.problems, *problems))


def _ask(server: ModelServer, model: Desired, golden: Golden) -> Callable[[], Any]:
    return lambda: server.predict(model.servable, golden)


def _trip(server: ModelServer, model: Desired) -> Callable[[], object]:
    return lambda: server.versions(model.servable)


def _subject(model: Desired, golden: Golden) -> str:
    return f"golden {golden.name} of {model.title}"


def _answers(model: Desired, golden: Golden, results: Sequence[PodResult]) -> dict[str, Any]:
    key = model.title, golden.name
    return {result.pod: result.answers[key] for result in results if key in result.answers}


def _outputs(answer: Any) -> set[str] | None:
    """The names of the outputs in an answer; None where there is but one, without a name."""
    if isinstance(answer, list):
        answer = answer[0] if answer else None
    return set(answer) if isinstance(answer, dict) and set(answer) != {"b64"} else None

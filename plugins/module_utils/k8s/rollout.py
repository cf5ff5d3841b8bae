"""Follows a workload's rollout until it is done or known to be in vain."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

from ..retry import Clock
from .client import KubeApi
from .diagnosis import Snapshot, diagnose, settled, wants_nodes
from .errors import KubeError
from .listing import get_workload, pages
from .objects import Json, events_of, label_selector, last_change, warning_lines
from .verdicts import Failed, Ready, Verdict, Waiting
from .workloads import history_path

_COUNT = re.compile(r" \(\d+ times?\)")

POLL_SECONDS = 1.0
"""Between two polls; one is one request when all is well, four or five while pods are not ready."""

LOG_LINES = 20
"""Of a failed container's log, for the error message."""

PAGES = 10
"""Pages of a list that are read at most, lest a namespace full of events makes every poll slow."""


class RolloutFailed(Exception):
    """The rollout cannot succeed, or did not in time; `failed` says why."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.reason)
        self.failed = failed


def wait_for_rollout(
    api: KubeApi,
    kind: str,
    namespace: str,
    name: str,
    *,
    timeout: float,
    clock: Clock,
    say: Callable[[str], None],
) -> tuple[Json, str]:
    """Blocks until the workload is rolled out; returns it and its state in words.

    `say` gets a line whenever the state changes. Raises RolloutFailed (in vain, or `timeout` seconds are
    over) and KubeError (no such workload, no access). An API server that does not answer for a while (a
    control plane being resized) is waited for like everything else.
    """
    deadline = clock.now() + timeout
    first: Json | None = None
    said = ""
    while True:
        try:
            workload, verdict = poll(api, kind, namespace, name, clock.wall())
            first = first or workload
            verdict = _taken_over(kind, first, workload) or verdict
        except KubeError as error:
            if error.status == 404 and first is not None:
                raise RolloutFailed(_deleted(kind, name)) from error
            if 0 < error.status < 500 and error.status != 429:
                raise
            workload, verdict = {}, Waiting(error.message)
        if isinstance(verdict, Ready):
            return workload, verdict.text
        if isinstance(verdict, Failed):
            raise RolloutFailed(with_last_words(api, namespace, verdict))
        # A count that grows is no news.
        news = _COUNT.sub("", verdict.text)
        if news != said:
            said = news
            say(f"{name}: {verdict.text}")
        if clock.now() >= deadline:
            raise RolloutFailed(with_last_words(api, namespace, _out_of_time(verdict, timeout)))
        clock.sleep(POLL_SECONDS)


def poll(api: KubeApi, kind: str, namespace: str, name: str, now: float) -> tuple[Json, Verdict]:
    """One poll of the rollout: one request when it is done, more when its pods must be looked at."""
    workload = get_workload(api, kind, namespace, name)
    known = settled(kind, workload)
    if known is not None:
        return workload, known
    selector = label_selector(workload["spec"].get("selector") or {})
    history = history_path(kind, namespace)
    snapshot = Snapshot(
        kind,
        workload,
        now,
        history=() if history is None else listed(api, history, labelSelector=selector),
        pods=listed(api, f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector),
        events=listed(api, f"/api/v1/namespaces/{namespace}/events"),
    )
    if wants_nodes(snapshot):
        snapshot = replace(snapshot, nodes=_nodes(api))
    return workload, diagnose(snapshot)


def status_now(api: KubeApi, kind: str, namespace: str, name: str, now: float) -> str:
    """How the rollout stands, for a run that does not wait: in words, in vain or not there included."""
    try:
        _unused, verdict = poll(api, kind, namespace, name, now)
    except KubeError as error:
        if error.status != 404:
            raise
        return f"not waited for in check mode; there is no {kind} {name} yet"
    words = verdict.reason if isinstance(verdict, Failed) else verdict.text
    return f"not waited for in check mode; now: {words}"


def listed(api: KubeApi, path: str, **query: object) -> list[Json]:
    """All objects of a list, page by page; without those beyond the last page that is read."""
    return [found for page in islice(pages(api, path, **query), PAGES) for found in page]


def with_last_words(api: KubeApi, namespace: str, failed: Failed) -> Failed:
    """The failure with the end of the container's log and the pod's warnings, where they can be had."""
    if failed.pod is None:
        return failed
    words = [*failed.evidence]
    if failed.container is not None:
        lines = _log(api, namespace, failed.pod, failed.container, previous=failed.previous)
        words += [line for line in lines if line not in failed.evidence]
    try:
        events = listed(
            api, f"/api/v1/namespaces/{namespace}/events", fieldSelector=f"involvedObject.name={failed.pod}"
        )
    except KubeError:
        events = []
    about = events_of({"metadata": {"name": failed.pod}}, events)
    return replace(failed, evidence=(*words, *warning_lines(about)))


def _log(api: KubeApi, namespace: str, pod: str, container: str, *, previous: bool) -> tuple[str, ...]:
    """The last lines that a container wrote; of its life before where `previous` and there was one."""
    for life in ("true", None) if previous else (None,):
        try:
            status, _unused, content = api.raw(
                "GET",
                f"/api/v1/namespaces/{namespace}/pods/{pod}/log",
                query={"container": container, "tailLines": LOG_LINES, "previous": life},
            )
        except KubeError:
            return ()
        if status == 200:
            text = content.decode("utf-8", "replace")
            return tuple(line for line in text.splitlines() if line.strip())
    return ()


def _nodes(api: KubeApi) -> list[Json] | None:
    """The nodes, or None where this identity may not list them: then the scheduler's words must do."""
    try:
        return listed(api, "/api/v1/nodes")
    except KubeError as error:
        if error.status == 403:
            return None
        raise


def _taken_over(kind: str, first: Json, now: Json) -> Failed | None:
    """Whether what is being waited for is no more what it was when waiting began."""
    if first["metadata"].get("uid") != now["metadata"].get("uid"):
        return Failed(
            f"{kind} {now['metadata']['name']} was deleted and made anew while its rollout was waited for",
            (),
            "see who else deploys it, then run again",
        )
    if first["spec"].get("template") == now["spec"].get("template"):
        return None
    _unused, manager = last_change(now)
    return Failed(
        f"another rollout took over: the pod template of {kind} {now['metadata']['name']} was changed "
        + (f"by {manager} " if manager else "")
        + f"while the one before (generation {first['metadata'].get('generation', '?')}) was waited for; "
        f"it is at generation {now['metadata'].get('generation', '?')} now",
        (),
        "let one deployment at a time touch it; run again for the state you want",
    )


def _deleted(kind: str, name: str) -> Failed:
    return Failed(
        f"{kind} {name} was deleted while its rollout was waited for",
        (),
        "see who else deploys it, then run again",
    )


def _out_of_time(waiting: Waiting, timeout: float) -> Failed:
    return Failed(
        f"not rolled out within {timeout:.0f} s: {waiting.text}",
        (),
        waiting.hint or "look at what it waits for, or allow more time (timeout)",
        waiting.pod,
        waiting.container,
    )

"""Lists of the API, page by page, and single workloads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..retry import Clock, paged
from .client import KubeApi
from .errors import KubeError
from .objects import name_of
from .resources import Resources
from .workloads import workload_path

Json = dict[str, Any]

PAGE = 500
"""Objects in one answer of a list."""

POLL_SECONDS = 1.0


def pages(api: KubeApi, path: str, **query: object) -> Iterator[list[Json]]:
    """The objects of a list, each page asked for when it is taken. Raises KubeError."""

    def page(token: str | None) -> tuple[list[Json], str | None]:
        answer = api.get(path, **query, limit=PAGE, **({"continue": token} if token else {}))
        return answer["items"], (answer.get("metadata") or {}).get("continue")

    yield from paged(page, Clock(), lambda words: KubeError(0, "Endless", f"GET {path}: {words}"))


def read(api: KubeApi, params: Json) -> list[Json]:
    """The objects that the module k8s_objects_info is asked for. Raises KubeError."""
    api_version, kind, namespace, name = (params[key] for key in ("api_version", "kind", "namespace", "name"))
    resources = Resources(api)
    if name and resources.namespaced(api_version, kind) and not namespace:
        raise KubeError(0, "NoNamespace", f"name is {name}: say in which namespace, with namespace.")
    path = resources.path(api_version, kind, namespace, name)
    if name:
        found = api.get_or_none(path)
        return [] if found is None else [found]
    selector = ",".join(params["label_selectors"]) or None
    # A list's items don't say what they are.
    known = {"apiVersion": api_version, "kind": kind}
    return [{**known, **item} for page in pages(api, path, labelSelector=selector) for item in page]


def those_there(api: KubeApi, wanted: Iterable[Json], *, skip_forbidden: bool) -> list[Json]:
    """Of objects that manifests name, the ones that are there. Raises KubeError, also for those that may not be read, unless skipped.

    A kind that the server does not have any more took its objects along.
    """
    resources, found, forbidden = Resources(api), list[Json](), list[str]()
    for one in wanted:
        metadata = one["metadata"]
        try:
            path = resources.path(one["apiVersion"], one["kind"], metadata.get("namespace"), metadata["name"])
            there = api.get_or_none(path)
        except KubeError as error:
            if error.reason == "Forbidden":
                forbidden.append(f"{one['kind']} {metadata['name']}")
            elif error.reason != "NoKind":
                raise
            continue
        found += [] if there is None else [{"apiVersion": one["apiVersion"], "kind": one["kind"], **there}]
    if forbidden and not skip_forbidden:
        raise KubeError(
            403, "Forbidden",
            f"{', '.join(forbidden)} may not be read with this kubeconfig: run this as whoever may (docs/roles/ names the rights).",
        )  # fmt: skip
    return found


def awaited(api: KubeApi, params: Json, clock: Clock) -> list[Json]:
    """As `read`, once there are objects, each with the condition that is waited for, if any. Raises KubeError."""
    began, kind = clock.now(), params["condition"]
    while True:
        found = read(api, params)
        lacking = [(item, words) for item in found if (words := _lacks(item, kind)) is not None]
        if not kind or (found and not lacking):
            return found
        if clock.now() - began >= params["timeout"]:
            who = f"{params['kind']} {name_of(lacking[0][0])}" if lacking else params["kind"]
            words = lacking[0][1] if lacking else "there is none"
            raise KubeError(0, "Timeout", f"{who} is not {kind} after {params['timeout']} s: {words}.")
        clock.sleep(POLL_SECONDS)


def _lacks(item: Json, kind: str | None) -> str | None:
    """Why the object does not have the condition, in its own words; None where it has."""
    known = (item.get("status") or {}).get("conditions") or []
    condition: Json = next((one for one in known if one.get("type") == kind), {})
    if condition.get("status") == "True":
        return None
    words = " ".join(filter(None, (condition.get("reason"), condition.get("message"))))
    return words or "nothing is known of it yet"


def get_workload(api: KubeApi, kind: str, namespace: str, name: str) -> Json:
    """The workload; raises KubeError 404 in words when there is none."""
    found = api.get_or_none(workload_path(kind, namespace, name))
    if found is None:
        raise KubeError(
            404,
            "NotFound",
            f"no {kind} {name} in namespace {namespace}. Apply it first, or correct its name.",
        )
    return found

"""Lists of the API, page by page, and single workloads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .client import KubeApi
from .errors import KubeError
from .resources import Resources
from .workloads import workload_path

Json = dict[str, Any]

PAGE = 500
"""Objects in one answer of a list."""


def pages(api: KubeApi, path: str, **query: object) -> Iterator[list[Json]]:
    """The objects of a list, each page asked for when it is taken. Raises KubeError."""
    more: str | None = None
    while True:
        answer = api.get(path, **query, limit=PAGE, **({"continue": more} if more else {}))
        yield answer["items"]
        more = (answer.get("metadata") or {}).get("continue")
        if not more:
            return


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

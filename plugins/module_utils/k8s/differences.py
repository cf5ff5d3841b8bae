"""What a server-side apply of objects would change, told by the API server itself (`kubectl diff --server-side`).

https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from .client import APPLY, KubeApi
from .errors import KubeError
from .objects import made_here
from .resources import Resources

Json = dict[str, Any]

_ATTEMPTS = 5
"""How often an object is looked at that others change meanwhile."""

_BOOKKEEPING = ("managedFields", "resourceVersion", "generation")
"""Metadata that tells who wrote and how often, and nothing about what the object is."""


@dataclass(frozen=True)
class Difference:
    """An object as it is to be, as it is (None: it is not there), and as it would be.

    ``after`` is None where nobody can tell, since the object's namespace is not there either. ``left``: it stays as it is.
    """

    definition: Json
    before: Json | None
    after: Json | None
    left: bool = False

    @property
    def differs(self) -> bool:
        return self.before is None or self.after is None or _bare(self.before) != _bare(self.after)


def check(definitions: Sequence[Json]) -> None:
    """Refuses what is no object, before anything is asked. Raises KubeError."""
    for number, definition in enumerate(definitions, start=1):
        lacks = _lacking(definition)
        if lacks is not None:
            raise KubeError(0, "Definition", f"definition, object {number}: {lacks}.")


def pending(api: KubeApi, params: Json) -> Json:
    """The result of the module k8s_diff. Raises KubeError."""
    resources = Resources(api)
    found = [
        compare(
            api, resources, item, params["field_manager"], force=params["force_conflicts"],
            own=params["site"] if item["kind"] in params["own_kinds"] else None,
        )
        for item in params["definition"]
    ]  # fmt: skip
    return {
        "changed": False,
        "pending": [difference.definition for difference in found if difference.differs],
        "missing": [difference.definition for difference in found if difference.before is None],
        "objects": [difference.after for difference in found if difference.after is not None],
        "left": [difference.before for difference in found if difference.left],
    }


def _lacking(definition: Json) -> str | None:
    """What an object's definition lacks to be one; None for nothing."""
    metadata = definition.get("metadata")
    named = metadata if isinstance(metadata, Mapping) else {}
    needed = (definition.get("apiVersion"), definition.get("kind"), named.get("name"))
    if not all(isinstance(text, str) and text for text in needed):
        return "it needs apiVersion, kind and metadata.name, each a text"
    if not isinstance(named.get("namespace", ""), str | None):
        return "its metadata.namespace must be a text"
    return None


def compare(
    api: KubeApi, resources: Resources, definition: Json, manager: str, *, force: bool, own: str | None = None
) -> Difference:
    """Asks for the object and for a dry run. Raises KubeError in the API server's words where it would refuse.

    ``own``: what is there is left alone, unless it was made here for this site; an empty name is any site's.
    """
    path = _path(resources, definition)
    for _attempt in range(_ATTEMPTS):
        before = api.get_or_none(path)
        if before is not None and own is not None and not made_here(before, own):
            return Difference(definition, before, before, left=True)
        try:
            after = _applied(api, path, definition, manager, force=force, dryRun="All")
        except KubeError as error:
            if before is None and error.status == 404:
                return Difference(definition, None, None)
            raise
        # Otherwise somebody, such as an autoscaler, changed it between the two.
        if before is None or _version(before) == _version(after):
            break
    return Difference(definition, before, after)


def delete(api: KubeApi, path: str, found: Mapping[str, Any]) -> None:
    """Removes the very object that was found. Raises KubeError."""
    only = {"preconditions": {"uid": found["metadata"].get("uid")}}
    try:
        api.delete(path, {"propagationPolicy": "Background", **only})
    except KubeError as error:
        if error.status not in (404, 409):  # it is gone, and another may have its name
            raise


def _path(resources: Resources, definition: Json) -> str:
    version, kind, metadata = definition["apiVersion"], definition["kind"], definition["metadata"]
    if not metadata.get("namespace") and resources.namespaced(version, kind):
        words = f"{kind} {metadata['name']}: say in which namespace, with metadata.namespace."
        raise KubeError(0, "NoNamespace", words)
    return resources.path(version, kind, metadata.get("namespace"), metadata["name"])


def _applied(api: KubeApi, path: str, definition: Json, manager: str, *, force: bool, **query: str) -> Json:
    words = urlencode({"fieldManager": manager, "force": str(force).lower(), **query})
    return api.patch(f"{path}?{words}", definition, content_type=APPLY)


def _version(found: Mapping[str, Any]) -> Any:
    return found["metadata"].get("resourceVersion")


def _bare(found: Mapping[str, Any]) -> Json:
    metadata = {name: value for name, value in found["metadata"].items() if name not in _BOOKKEEPING}
    return {**{name: value for name, value in found.items() if name != "status"}, "metadata": metadata}

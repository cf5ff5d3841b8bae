"""An API server whose answers are set by the test, second by second of a clock that the test owns.

Paths and query parameters are the API's own; what is not set is 404, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock
from kube_objects import NOW, Json

Answer = Json | list[Json] | KubeError | Callable[[float], Any]


class ScriptedApi:
    """`answers` by path: an object, a list's items, an error, or a function of the seconds since the start."""

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = dict(answers)
        self.logs: dict[tuple[str, str, bool], str] = {}
        self.patches: list[tuple[str, Any, str]] = []
        self.requests: list[str] = []
        self.seconds = 0.0
        self.page = 0

    @property
    def clock(self) -> Clock:
        def sleep(seconds: float) -> None:
            assert seconds > 0
            self.seconds += seconds

        return Clock(lambda: self.seconds, sleep, lambda: NOW + self.seconds)

    def get(self, path: str, **query: object) -> Json:
        self.requests.append(path)
        found = self.answers.get(path)
        if callable(found):
            found = found(self.seconds)
        if found is None:
            raise KubeError(404, "NotFound", f"GET {path}: not found")
        if isinstance(found, KubeError):
            raise found
        if isinstance(found, list):
            return self._listed(found, query)
        return found

    def _listed(self, items: list[Json], query: Mapping[str, object]) -> Json:
        selected = str(query.get("fieldSelector", ""))
        if selected.startswith("involvedObject.name="):
            items = [item for item in items if item["involvedObject"]["name"] == selected.partition("=")[2]]
        if not self.page:
            return {"items": items, "metadata": {}}
        start = int(str(query.get("continue", 0)))
        more = {"continue": str(start + self.page)} if start + self.page < len(items) else {}
        return {"items": items[start : start + self.page], "metadata": more}

    def get_or_none(self, path: str, **query: object) -> Json | None:
        try:
            return self.get(path, **query)
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def patch(self, path: str, body: Any = None, *, content_type: str = "") -> Json:
        self.patches.append((path, body, content_type))
        found = self.answers.get(f"PATCH {path.partition('?')[0]}")
        if callable(found):
            found = found(self.seconds)
        if isinstance(found, KubeError):
            raise found
        return found if isinstance(found, dict) else {}

    def raw(self, method: str, path: str, *, query: Mapping[str, object] | None = None, **_: Any) -> Any:
        pod, words = path.split("/")[-2], query or {}
        text = self.logs.get((pod, str(words.get("container")), words.get("previous") == "true"))
        return (400, {}, b"") if text is None else (200, {}, text.encode())

    def post(self, path: str, body: Json | None = None, *, content_type: str = "") -> Json:
        raise NotImplementedError

    def delete(self, path: str, body: Json | None = None, *, content_type: str = "") -> Json:
        raise NotImplementedError

"""The models that are served, in one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..model_server.runtime import TF_SERVING
from .warmup import warmup_requests


def served_models(
    models: Sequence[Mapping[str, Any]], promoted: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The models in one form, with promoted versions in place of those listed. Takes only what `check_models` does.

    `asked` are the versions one by one, as mlops.tfserving.tfserving_model takes them; `places` where each is in the
    bucket and in the pod, and the path that is answered only when it is loaded; `warmup` the golden predictions as HTTP
    requests.
    """
    found = []
    for model in models:
        name, golden = model["name"], list(model.get("golden") or [])
        chosen = (promoted or {}).get(name)
        versions = sorted(int(version) for version in ([chosen] if chosen else model["versions"]))
        labels = model.get("labels") or {}
        found.append(
            {
                "name": name,
                "uri": model["uri"],
                "versions": versions,
                "labels": {str(label): int(chosen or version) for label, version in labels.items()},
                "golden": golden,
                "asked": [{"name": name, "version": version, "golden": golden} for version in versions],
                "places": [
                    {
                        "uri": f"{model['uri']}/{version}",
                        "folder": f"/models/{name}/{version}",
                        "answers": TF_SERVING.metadata_path(name, version),
                    }
                    for version in versions
                ],
                "warmup": warmup_requests(name, versions, golden),
            }
        )
    return found

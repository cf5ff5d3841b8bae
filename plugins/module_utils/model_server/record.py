"""Golden predictions as the model in production answers them now, to measure the next one by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .errors import GoldenError
from .golden import FORMAT
from .pods import Desired, PodResult
from .skew import Skew, majority


def document_of(
    desired: Sequence[Desired], results: Sequence[PodResult], apart: Sequence[Skew], now: float
) -> dict[str, Any]:
    """The file's content; raises GoldenError when pods disagree, since then there is no one answer."""
    if apart:
        lines = "\n  ".join(f"{one.pod}: {one.sentence}" for one in apart)
        raise GoldenError(f"nothing was recorded: the pods do not answer alike:\n  {lines}")
    models = []
    for model in desired:
        answers = {
            golden.name: {result.pod: result.answers[model.title, golden.name] for result in results}
            for golden in model.goldens
        }
        models.append(
            {
                "name": model.servable.model,
                "version": version_served(model, results[0]),
                "golden": [
                    golden.as_entry(answers[golden.name][majority(answers[golden.name], golden.tolerances)])
                    for golden in model.goldens
                ],
            }
        )
    recorded = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"format": FORMAT, "recorded_at": recorded, "models": models}


def version_served(model: Desired, result: PodResult) -> int:
    """The version that answers: the one asked for, else the latest that is available (TF Serving's choice)."""
    if model.servable.version is not None:
        return model.servable.version
    states = result.versions[model.title]
    return max(int(version) for version, state in states.items() if state == "AVAILABLE")


def summary(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a reader of a difference wants to see of a file: versions and answers, not pictures."""
    return {
        f"{model['name']} version {model['version']}": {
            golden["name"]: golden["expect"] for golden in model["golden"]
        }
        for model in (document or {"models": []})["models"]
    }

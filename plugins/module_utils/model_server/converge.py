"""What the module tfserving_model does: asks the pods, and records what they answer where that is wanted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ..k8s.client import KubeClient
from ..outcome import failure
from .check import Outcome, check, find_pods
from .connect import connect_by
from .errors import GoldenError
from .golden import read, says_the_same, write
from .options import desired_of, limits_of, refuse_nonsense
from .record import document_of, summary

Json = dict[str, Any]


def converge(api: KubeClient, params: Json, check_mode: bool) -> Json:
    """The module's result; raises KubeError."""
    try:
        outcome, more = _asked(api, params, check_mode=check_mode)
    except GoldenError as error:
        return failure(str(error), reason="Golden")
    if not outcome.bad:
        return {**more, **outcome.as_dict()}
    asked = params["models"] or [{"name": params["model"]}]
    what = " and ".join(dict.fromkeys(model["name"] for model in asked))
    found = f"{len(outcome.bad)} of {len(outcome.results)} pods do not serve {what} as expected:\n  {outcome.text}"
    return failure(found, **outcome.as_dict())


def _asked(api: KubeClient, params: Json, *, check_mode: bool) -> tuple[Outcome, Json]:
    """What the pods said, and what else is returned. Raises GoldenError and KubeError."""
    refuse_nonsense(params)
    path = None if params["golden_file"] is None else Path(params["golden_file"])
    recorded = params["state"] == "recorded"
    before = read(path) if path is not None and (path.exists() or not recorded) else None
    desired = desired_of(params, before)
    limits = limits_of(params, desired)
    pods = find_pods(api, params)
    outcome = check(
        api, connect_by(api, params), desired, pods, minimum=params["minimum_pods"], limits=limits
    )
    if not recorded or path is None or outcome.bad:
        return outcome, {"changed": False}
    after = document_of(desired, outcome.results, outcome.skew, time.time())
    changed = not says_the_same(before, after)
    if changed and not check_mode:
        write(path, after)
    kept = after if changed else before
    return outcome, {
        "changed": changed,
        "recorded": {model["name"]: model["version"] for model in after["models"]},
        "diff": {"before": summary(before), "after": summary(kept)},
    }

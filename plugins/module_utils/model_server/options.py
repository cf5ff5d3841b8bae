"""What the module tfserving_model is asked to do: from options to models, golden predictions and limits.

Pure. What makes no sense is refused before anything is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import GoldenError
from .golden import Golden, goldens_of, unique
from .latency import Limits
from .pods import Desired
from .rest import Servable
from .runtime import TF_SERVING

_GOLDEN: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "signature_name": {"type": "str", "default": "serving_default"},
        "instances": {"type": "list", "elements": "raw"},
        "inputs": {"type": "raw"},
        "expect": {"type": "raw"},
        "tolerance": {"type": "float", "default": 0.001},
        "relative_tolerance": {"type": "float", "default": 0.0},
        "tolerances": {"type": "dict", "default": {}},
    },
    "mutually_exclusive": [["instances", "inputs"]],
    "required_one_of": [["instances", "inputs"]],
}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["checked", "recorded"], "default": "checked"},
    "namespace": {"type": "str", "required": True},
    "deployment": {"type": "str"},
    "label_selector": {"type": "str"},
    "pod": {"type": "str"},
    "model": {"type": "str"},
    "version": {"type": "int"},
    "label": {"type": "str"},
    "golden": _GOLDEN,
    "models": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "version": {"type": "int"},
            "label": {"type": "str"},
            "golden": _GOLDEN,
        },
    },
    "golden_file": {"type": "path"},
    "latency": {
        "type": "dict",
        "options": {
            "requests": {"type": "int", "default": 20},
            "p50_ms": {"type": "float"},
            "p95_ms": {"type": "float"},
        },
    },
    "protocol": {"type": "str", "choices": ["rest", "grpc"], "default": "rest"},
    "port": {"type": "int", "default": TF_SERVING.rest_port},
    "grpc_port": {"type": "int", "default": TF_SERVING.grpc_port},
    "minimum_pods": {"type": "int", "default": 1},
    "timeout": {"type": "int", "default": 30},
}

PODS = ["deployment", "label_selector", "pod"]

RULES: dict[str, Any] = {
    "mutually_exclusive": [PODS, ["model", "models"]],
    "required_one_of": [PODS, ["model", "models"]],
    "required_if": [["state", "recorded", ["golden_file"]]],
}


def desired_of(params: Mapping[str, Any], document: Mapping[str, Any] | None) -> list[Desired]:
    """The models that are asked for, with the golden predictions of options and file together.

    `document` is the content of `golden_file`, if there is one. When predictions are recorded, the file only
    says what to ask where the options do not. Raises GoldenError.
    """
    if params["models"] is not None:
        entries: Sequence[Mapping[str, Any]] = params["models"]
    else:
        entries = [{**params, "name": params["model"]}]
    if not entries:
        raise GoldenError("`models` is empty: name at least one model")
    recorded = params["state"] == "recorded"
    found = [_desired(entry, document, str(params["golden_file"]), recorded=recorded) for entry in entries]
    titles = [model.title for model in found]
    if len(set(titles)) < len(titles):
        raise GoldenError(f"`models` names one twice: {', '.join(titles)}")
    if recorded:
        _refuse_unrecordable(found)
    return found


def limits_of(params: Mapping[str, Any], desired: Sequence[Desired]) -> Limits | None:
    """How latency is measured; raises GoldenError when nothing could be."""
    latency = params["latency"]
    if latency is None:
        return None
    if latency["requests"] < 1:
        raise GoldenError(f"`latency.requests` must be 1 or more, not {latency['requests']}")
    for name in ("p50_ms", "p95_ms"):
        if latency[name] is not None and not latency[name] > 0:
            raise GoldenError(f"`latency.{name}` must be more than 0 milliseconds, not {latency[name]:g}")
    if not any(model.goldens for model in desired):
        raise GoldenError("`latency` needs requests to measure: give `golden` or `golden_file`")
    return Limits(latency["requests"], latency["p50_ms"], latency["p95_ms"])


def refuse_nonsense(params: Mapping[str, Any]) -> None:
    """Raises GoldenError for numbers that no cluster could satisfy."""
    for name in ("port", "grpc_port"):
        if not 1 <= params[name] <= 65535:
            raise GoldenError(f"`{name}` must be a port from 1 to 65535, not {params[name]}")
    for name in ("minimum_pods", "timeout"):
        if params[name] < 1:
            raise GoldenError(f"`{name}` must be 1 or more, not {params[name]}")


def _desired(
    entry: Mapping[str, Any], document: Mapping[str, Any] | None, where: str, *, recorded: bool
) -> Desired:
    if entry["version"] is not None and entry["version"] < 0:
        raise GoldenError(f"model {entry['name']}: version {entry['version']} is negative")
    given = [Golden.of(option) for option in entry["golden"]]
    if document is not None and not (recorded and given):
        given = [*goldens_of(document, entry["name"], where), *given]
    servable = Servable(entry["name"], entry["version"], entry["label"])
    return Desired(servable, unique(given))


def _refuse_unrecordable(desired: Sequence[Desired]) -> None:
    names = [model.servable.model for model in desired]
    if len(set(names)) < len(names):
        raise GoldenError(
            "a file keeps golden predictions of one version a model: name each model once in `models`"
        )
    for model in desired:
        if not model.goldens:
            raise GoldenError(f"nothing to record of model {model.servable.model}: give `golden` with inputs")

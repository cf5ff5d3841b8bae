"""Which models to serve: what a configuration says, whether it is valid, and which versions it asks for.

Sources: tensorflow/serving, model_servers/server_core.cc and sources/storage_path/file_system_storage_path_source.cc.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .errors import Code, ServingError, invalid

PLATFORM = "tensorflow"
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class VersionPolicy:
    """``latest``: the ``count`` highest; ``specific``: those of ``versions`` that exist; ``all``."""

    kind: Literal["latest", "all", "specific"] = "latest"
    count: int = 1
    versions: frozenset[int] = frozenset()


@dataclass(frozen=True)
class ModelConfig:
    """One model. ``platform`` is empty when the configuration names none."""

    name: str
    base_path: str
    platform: str = PLATFORM
    policy: VersionPolicy = field(default_factory=VersionPolicy)
    labels: Mapping[str, int] = field(default_factory=dict)
    logs_requests: bool = False


def validate(models: Sequence[ModelConfig], current: Sequence[ModelConfig]) -> None:
    """Raises ``ServingError`` for a configuration that TF Serving refuses before it changes anything."""
    seen: set[str] = set()
    for model in models:
        if model.name in seen:
            raise invalid(f"Illegal to list model {model.name} multiple times in config list")
        seen.add(model.name)
    for model in models:
        if not model.base_path.startswith("/") and not re.match(r"[a-zA-Z][a-zA-Z0-9.]*://", model.base_path):
            raise invalid(
                f"Expected model {model.name} to have an absolute path or URI; "
                f"got base_path()={model.base_path}"
            )
    platforms = {model.name: _platform(model) for model in current}
    for model in models:
        if model.name in platforms and _platform(model) != platforms[model.name]:
            raise invalid(
                f"Illegal to change a model's platform. For model {model.name} platform was "
                f"{platforms[model.name]} and new platform requested is {model.platform}"
            )


def check_platforms(models: Iterable[ModelConfig]) -> None:
    """Raises ``ServingError`` for a model that no code here can serve."""
    for model in models:
        if _platform(model) != PLATFORM:
            raise invalid(f"Model {model.name} requests unsupported platform {model.platform}")


def _platform(model: ModelConfig) -> str:
    if not model.platform:
        raise invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            "ModelServerConfig::model_platform."
        )
    return model.platform


def checked_labels(
    models: Iterable[ModelConfig],
    available: Mapping[str, Iterable[int]],
    current: Mapping[str, Mapping[str, int]],
    *,
    allow_unavailable: bool,
) -> dict[str, dict[str, int]]:
    """The labels of each model. ``available``: the versions that answer now; ``current``: the labels so far.

    A label must point to a version that is available. ``allow_unavailable`` lifts this for a label that is new;
    moving one still needs an available version.
    """
    labels: dict[str, dict[str, int]] = {}
    for model in models:
        for label, version in sorted(model.labels.items()):
            moved = current.get(model.name, {}).get(label, version) != version
            if version not in set(available.get(model.name, ())) and (moved or not allow_unavailable):
                raise ServingError(
                    Code.FAILED_PRECONDITION,
                    f"Request to assign label to version {version} of model {model.name}, "
                    "which is not currently available for inference",
                )
            labels.setdefault(model.name, {})[label] = version
    return labels


def wanted_versions(children: Iterable[str], policy: VersionPolicy) -> dict[int, str]:
    """The versions that a policy chooses, each with its folder's name, from all names in the base path."""
    found = {
        int(child): child
        for child in sorted(children)
        if re.fullmatch(r"[+-]?[0-9]+", child) and int(child) in _INT64
    }
    if policy.kind == "all":
        return found
    if policy.kind == "specific":
        return {number: child for number, child in found.items() if number in policy.versions}
    newest = sorted(found, reverse=True)[: max(1, policy.count)]
    return {number: found[number] for number in newest}

"""The one kubeconfig, and its one context, that all tasks of a play use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..paths import absolute_path
from ..plain_yaml import read_yaml


def kubeconfig_path(given: Any) -> str:
    """The absolute path, or paths; of several with a ``:`` between them those that are there."""
    paths = [absolute_path(path) for path in str(given or "").split(os.pathsep)]
    # All of them where none is there, so that what reads them says so.
    return os.pathsep.join([path for path in paths if Path(path).exists()] or paths) if given else ""


def kubeconfig_context(paths: Any) -> str:
    """The current context, of several files the first one's that has one; empty where there is none."""
    for path in filter(None, str(paths or "").split(os.pathsep)):
        try:
            found = read_yaml(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            continue
        if isinstance(found, Mapping) and found.get("current-context"):
            return str(found["current-context"])
    return ""

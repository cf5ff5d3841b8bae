"""Documentation of options whose types and choices stand in their argument specs: only the words are added."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

Json = dict[str, Any]
_TOLD = ("type", "elements", "choices", "default", "required")


def words(text: str) -> Json:
    """Descriptions by dotted names of options, from YAML."""
    return dict(yaml.safe_load(text))


def documented(arguments: Mapping[str, Json], texts: Json, since: Mapping[str, str] | None = None) -> str:
    """Documentation as a fragment has it. Raises ``KeyError`` for an option without words.

    An option is described by its full dotted name (``autoscaling.enabled``), or by the end of it that is in ``texts``:
    a part that several options have in common is described once. ``since``: the version that an option came with, by its full
    name, where that is not its module's.
    """
    return json.dumps({"options": _options(arguments, texts, since or {}, "")})


def _options(arguments: Mapping[str, Json], texts: Json, since: Mapping[str, str], at: str) -> Json:
    found: Json = {}
    for name, spec in arguments.items():
        found[name] = {key: spec[key] for key in _TOLD if key in spec}
        found[name]["description"] = _description(f"{at}{name}", texts)
        if f"{at}{name}" in since:
            found[name]["version_added"] = since[f"{at}{name}"]
        if "options" in spec:
            found[name]["suboptions"] = _options(spec["options"], texts, since, f"{at}{name}.")
    return found


def _description(name: str, texts: Json) -> Any:
    shorter = name
    while shorter not in texts:
        _, dot, shorter = shorter.partition(".")
        if not dot:
            raise KeyError(name)
    return texts[shorter]

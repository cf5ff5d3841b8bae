"""Filters that only pass on what they are given: Ansible reads all filters to find one, which is to cost no imports."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def when_used(module: str, name: str) -> Callable[..., Any]:
    """What this module of module_utils, such as ``hpa.wanted``, has by this name; imported when it is called."""

    def passed_on(*given: Any, **named: Any) -> Any:
        return getattr(import_module(f"..module_utils.{module}", __package__), name)(*given, **named)

    return passed_on

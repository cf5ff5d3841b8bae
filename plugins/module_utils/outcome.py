"""A module's result as plain data, so that an action plugin can have it without the module's process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ansible.module_utils.basic import missing_required_lib

from .no_log import Module

Json = dict[str, Any]

Needed = Mapping[str, str | None]
"""Python packages that a module needs, and the error of their import, or None."""

Packages = Needed | Callable[[Json], Needed]
"""Of a module that always needs the same, or as its options want it."""


class Answer(Protocol):
    """What a module does: from checked options to its result, which holds ``failed`` where it failed."""

    def __call__(self, params: Json, *, check_mode: bool) -> Json: ...


def main(spec: Json, packages: Packages, answer: Answer) -> None:
    """The module in a process of its own: reads options, answers, ends."""
    module = Module(**spec)
    result = dict(
        missing(needed(packages, module.params))
        or negative(module.params)
        or answer(module.params, check_mode=module.check_mode)
    )
    for warning in result.pop("warnings", []):
        module.warn(warning)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def failure(message: str, **more: Any) -> Json:
    """The result of a module that fails."""
    return {"failed": True, "msg": message, **more}


def negative(params: Json) -> Json | None:
    """The failure of a module whose options have a time below zero: such options end with timeout or seconds."""
    for name, value in params.items():
        if name.endswith(("timeout", "_seconds")) and isinstance(value, int) and value < 0:
            return failure(f"`{name}` must be 0 seconds or more, not {value}.")
    return None


def needed(packages: Packages, params: Json) -> Needed:
    """Those for these options."""
    return packages if isinstance(packages, Mapping) else packages(params)


def missing(packages: Needed, reason: str | None = None) -> Json | None:
    """The failure, in one line, of a module whose Python lacks a package."""
    for name, error in packages.items():
        if error is not None:
            return failure(missing_required_lib(name, reason=reason), exception=error)
    return None

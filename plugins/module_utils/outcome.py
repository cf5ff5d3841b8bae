"""A module's result as plain data, so that an action plugin can have it without the module's process."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

Json = dict[str, Any]


def end(module: AnsibleModule, result: Json) -> None:
    """Ends the module with its result: a failure where that holds ``failed``, with the warnings it holds."""
    result = dict(result)
    for warning in result.pop("warnings", []):
        module.warn(warning)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def failure(message: str, **more: Any) -> Json:
    """The result of a module that fails."""
    return {"failed": True, "msg": message, **more}


def require(module: AnsibleModule, packages: dict[str, str | None]) -> None:
    """Fails the module in one line when a Python package is missing: names, and the import's error or None."""
    for name, error in packages.items():
        if error is not None:
            module.fail_json(msg=missing_required_lib(name), exception=error)

"""Options of modules in variables: their types, and what the modules' own checks say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..gcp.errors import BadInput


def typed(options: Mapping[str, Any], spec: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options with the types that a module's argument spec gives them, and what is wrong with them."""
    try:
        result = ArgumentSpecValidator(spec).validate(dict(options))
    except TypeError:  # Ansible looks into a number as if it were a dictionary.
        odd = [
            f"{name} is {value!r}"
            for name, value in options.items()
            if spec.get(name, {}).get("type") == "dict" and not isinstance(value, (Mapping, str))
        ]
        return {}, [f"{', '.join(odd) or 'a value'}, and has to be a dict"]
    return result.validated_parameters, result.error_messages


def refusals(check: Callable[[], Any]) -> list[str]:
    """What a module's own check says against its options; nothing where it is content."""
    try:
        check()
    except BadInput as error:
        return [str(error)]
    return []

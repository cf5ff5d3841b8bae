"""The module's options as the cluster role's variables give them: ``cluster_options``, under the named ones. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ..gcp.errors import BadInput
from .desired import CLUSTER_ARGUMENTS
from .schema import Json

_PREFIX = "cluster_"
_OTHERWISE_NAMED = {
    "initial_cluster_version": "cluster_version",
    "default_enable_private_nodes": "cluster_private_nodes",
}
_ONLY_NAMED = ("name", "node_pools")
"""Options whose variables always have a value, which would hide one in ``cluster_options``."""


def variable_of(option: str) -> str:
    """The variable that has an option's value, if there is such a variable."""
    return _OTHERWISE_NAMED.get(option, f"{_PREFIX}{option}")


def role_options(variables: Mapping[str, Any]) -> Json:
    """Options of ``gke_cluster``, those that are set. Unset are null and the empty text; false and empty lists are not.

    Raises ``BadInput`` for what is no option, with the nearest name.
    """
    more = variables.get("cluster_options")
    if more is None or more == "":
        more = {}
    if not isinstance(more, Mapping):
        raise BadInput(f"cluster_options is {more!r}, and has to be a dict: write {{shielded_nodes: true}}.")
    for name in more:
        _refuse_unknown(str(name), variables)
    named = {
        option: variables[variable_of(option)]
        for option in CLUSTER_ARGUMENTS
        if variable_of(option) in variables
    }
    return {
        name: value
        for options in (more, named)
        for name, value in options.items()
        if value is not None and value != ""
    }


def with_options(variables: Mapping[str, Any]) -> Json:
    """The variables, where those of options that are not set have what ``cluster_options`` says."""
    options = role_options(variables)
    return {
        **variables,
        **{variable_of(name): value for name, value in options.items() if variable_of(name) in variables},
    }


def _refuse_unknown(name: str, variables: Mapping[str, Any]) -> None:
    possible = [option for option in CLUSTER_ARGUMENTS if option not in _ONLY_NAMED]
    if name in possible:
        return
    own = next((one for one in (variable_of(name), name) if one in variables), None)
    if own:
        hint = f"Write {own}, which is a variable of its own."
    elif near := get_close_matches(name.removeprefix(_PREFIX), possible, 1):
        hint = f"Did you mean {near[0]}?"
    else:
        hint = "docs/gke.md has the options of clusters."
    raise BadInput(f"cluster_options has {name}, which is no option of mlops.tfserving.gke_cluster. {hint}")

"""The one judge of the variables: a role's own rules for that role, and all of them for preflight. Asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from .autoscaling import check_against_serving, check_autoscaling
from .cluster import check_cluster
from .loadtest import check_loadtest
from .monitoring import check_against_serving as check_monitoring_against_serving
from .monitoring import check_monitoring
from .reading import Variables
from .serving_access import check_access
from .serving_batching import check_batching
from .serving_guard import check_guard
from .serving_models import check_models, check_warmup
from .serving_pod import check_pods
from .serving_times import check_times
from .storage import check_storage

CHECKS: dict[str, tuple[Callable[[Variables], None], ...]] = {
    "cluster": (check_cluster,),
    "storage": (check_storage,),
    "serving": (
        check_models,
        check_access,
        check_pods,
        check_batching,
        check_times,
        check_guard,
        check_warmup,
    ),
    "autoscaling": (check_autoscaling,),
    "monitoring": (check_monitoring,),
    "loadtest": (check_loadtest,),
}
"""By role, in the order in which site.yml runs them."""


def judged(
    given: Mapping[str, Any],
    roles: Collection[str] = tuple(CHECKS),
    *,
    project: str = "",
    is_final: bool = True,
) -> Variables:
    """The variables with everything that is found wrong with them, and what is unreadable.

    ``given``: of these roles, by name, of the right types, and ``serving_model_bytes``, the model's size where it is
    known. ``is_final``: whether the roles before have run.
    """
    variables = Variables(given, project=project, is_final=is_final)
    for role in roles:
        for check in CHECKS[role]:
            check(variables)
    if {"serving", "autoscaling"} <= set(roles):
        check_against_serving(variables)
    if {"serving", "monitoring"} <= set(roles):
        check_monitoring_against_serving(variables)
    return variables

"""Every mistake in the serving role's variables that can be known before anything is asked or changed."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .reading import Problem, Variables
from .serving_access import check_access
from .serving_batching import check_batching
from .serving_models import check_models, check_warmup
from .serving_pod import check_pods
from .serving_times import check_times


def problems_of(given: Mapping[str, Any]) -> list[Problem]:
    """The mistakes in the role's variables, given by name; besides them `serving_model_bytes`, 0 if not known."""
    variables = Variables(given)
    for check in (check_models, check_access, check_pods, check_batching, check_times, check_warmup):
        check(variables)
    # A variable that two rules read is told once.
    return list({str(problem): problem for problem in variables.problems}.values())

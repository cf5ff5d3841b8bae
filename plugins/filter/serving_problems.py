"""The mistakes in the serving role's variables, in words."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.variables.check import problems_of

DOCUMENTATION = r"""
name: serving_problems
short_description: Every mistake in the variables of the serving role
version_added: 0.1.0
description:
  - Holds the variables against each other and against what TF Serving, HAProxy, Kubernetes and GKE take.
  - Asks nobody; what only the cluster or the model knows is checked later, by the gate.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: All variables of the role by name, and C(serving_model_bytes), the model's size where it is known.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse what cannot work
  ansible.builtin.fail:
    msg: "{{ serving_mistakes | join('\n') }}"
  when: serving_mistakes | length > 0
  vars:
    serving_mistakes: "{{ serving_variables | mlops.tfserving.serving_problems }}"
"""

RETURN = r"""
_value:
  description: One sentence for each mistake, with the variable, its value, the reason and the way out.
  type: list
  elements: str
"""


def serving_problems(variables: Any) -> list[str]:
    if not isinstance(variables, Mapping):
        raise AnsibleFilterError(
            f"serving_problems needs the variables by name, not {type(variables).__name__}"
        )
    return [str(problem) for problem in problems_of(variables)]


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"serving_problems": serving_problems}

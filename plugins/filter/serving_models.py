"""The models that the serving role serves, in one form."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.utils.unsafe_proxy import wrap_var

from ..module_utils.serving.models import served_models

DOCUMENTATION = r"""
name: serving_models
short_description: The models of the serving role in one form, with promoted versions in their place
version_added: 0.1.0
description:
  - Versions are whole numbers in ascending order; what an entry leaves out is there, and empty.
  - The labels of a model whose version was promoted lead to that version, so that no client loses its label.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: As the role's variable C(serving_models).
    type: list
    elements: dict
    required: true
  promoted:
    description: As the role's variable C(serving_promoted).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Say which versions are served
  ansible.builtin.debug:
    msg: "{{ serving_models | mlops.tfserving.serving_models({'resnet': 4}) }}"
"""

RETURN = r"""
_value:
  description: The models, each with C(name), C(uri), C(versions), C(labels), C(golden), and its versions one by one as
    C(asked) (for M(mlops.tfserving.tfserving_model)) and C(places) (C(uri), C(folder) in the pod, and C(answers), the
    path that answers when it is loaded); and its golden predictions as HTTP requests, C(warmup).
  type: list
  elements: dict
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"serving_models": _served}


def _served(*given: Any) -> list[dict[str, Any]]:
    """Warm-up requests are no templates, whatever they hold; older releases of Ansible have to be told."""
    return [{**model, "warmup": wrap_var(model["warmup"])} for model in served_models(*given)]

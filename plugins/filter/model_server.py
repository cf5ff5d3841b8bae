"""What templates know of the model server itself."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.model_server.runtime import RUNTIMES, as_data

DOCUMENTATION = r"""
name: model_server
short_description: Ports, paths, metrics and container of a model server
version_added: 0.2.0
description:
  - What is the same for every installation of a model server, so that templates need not repeat it.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: Which model server.
    type: str
    choices: [tfserving]
    required: true
"""

EXAMPLES = r"""
- name: Ask for the state of a model
  ansible.builtin.uri:
    url: "http://{{ address }}:{{ server.rest_port }}{{ server.models_path }}/image_classifier"
  vars:
    server: "{{ 'tfserving' | mlops.tfserving.model_server }}"
"""

RETURN = r"""
_value:
  description: >-
    Among others C(container), C(grpc_port) and C(rest_port) (for clients), C(models_path) (before a model's name) and
    C(metrics_path).
  type: dict
"""


def model_server(name: Any) -> dict[str, Any]:
    if name not in RUNTIMES:
        raise AnsibleFilterError(f"no model server is called {name!r}: there is {', '.join(RUNTIMES)}")
    return as_data(name)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"model_server": model_server}

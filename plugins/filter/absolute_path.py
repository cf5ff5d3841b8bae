"""Where a path leads that stands in a variable of the roles."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..module_utils.paths import absolute_path

DOCUMENTATION = r"""
name: absolute_path
short_description: A path of a variable, counted from the folder where Ansible was started
version_added: 0.1.0
description:
  - So paths in variables of the roles mean the same for every playbook, wherever it is. A module by itself would count
    them from the playbook's folder, which in an installed collection is the collection's.
  - C(~) and environment variables are replaced. What is empty, and what is in Cloud Storage (C(gs://…)), stays as it is.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _input:
    description: The path.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Look at the model that would be published
  mlops.tfserving.saved_model_info:
    path: "{{ storage_model_source | mlops.tfserving.absolute_path }}"
"""

RETURN = r"""
_value:
  description: The absolute path.
  type: str
"""


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"absolute_path": absolute_path}

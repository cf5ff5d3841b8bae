"""Runs mlops.tfserving.preflight on the controller, which has every variable of the roles, without another process."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.gcp.errors import GoogleError
from ..module_utils.no_log import secrets
from ..module_utils.preflight.check import ARGUMENTS, preflight
from ..plugin_utils import before_forks  # noqa: F401
from ..plugin_utils.role_variables import project_variables


class ActionModule(ActionBase):
    """Reads variables and project, judges both, and tells everything at once."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _unused, options = self.validate_argument_spec(ARGUMENTS)
        variables, findings = project_variables(self._templar, task_vars or {}, options)
        try:
            found = preflight(options, variables, findings)
        except GoogleError as error:
            raise AnsibleActionFail(str(error)) from None  # Ansible would say it twice
        found = remove_values(found, secrets(ARGUMENTS, options))
        for line in found.pop("lines"):
            if not self._task.no_log:
                Display().display(f"    {line}")
        return {**result, **found}

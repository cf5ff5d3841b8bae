"""Runs mlops.tfserving.tfserving_model on the controller without another process, where it would run there anyway."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase

from ..module_utils.k8s.client import KUBERNETES_IMPORT_ERROR, kube_argument_spec, kubeconfig_secrets
from ..module_utils.tfserving.options import ARGUMENTS, RULES
from ..modules.tfserving_model import answer


class ActionModule(ActionBase):
    """A process costs more than half a second, and most runs of a play ask a handful of pods."""

    _supports_check_mode = True
    _supports_async = True
    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._needs_a_process():
            return {**result, **self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)}
        _unused, options = self.validate_argument_spec({**kube_argument_spec(), **ARGUMENTS}, **RULES)
        # As a module gets them: plain values, and not Ansible's own kinds of text and number.
        params = json.loads(json.dumps(options))
        if params["golden_file"]:
            # Where a module of this play would look for it.
            params["golden_file"] = str(Path(self._loader.get_basedir()) / params["golden_file"])
        found = answer(params, check_mode=self._task.check_mode)
        return {**result, **remove_values(found, kubeconfig_secrets(params["kubeconfig"]))}

    def _needs_a_process(self) -> bool:
        """Another machine, another user, another environment, or another Python, which has what is needed."""
        return bool(
            self._connection.transport != "local"
            or self._play_context.become
            or self._task.async_val
            or any(self._task.environment or [])
            or self._task.args.get("protocol") == "grpc"
            or KUBERNETES_IMPORT_ERROR is not None
        )

"""Actions that find the cluster of a play by the cluster role's variables."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.utils.vars import load_extra_vars

from ..module_utils.k8s.kubeconfigs import kubeconfig_path
from ..module_utils.outcome import failure
from ..module_utils.paths import absolute_path
from .module_action import Json, ModuleAction
from .names import ROOT, defaults_of, errors_in, of_a_play

CONNECTION = {
    "name": "cluster_name", "location": "cluster_location", "api_endpoint": "cluster_api_endpoint",
    "kubeconfig_file": "cluster_kubeconfig_path", "kubeconfig_auth": "cluster_kubeconfig_auth",
    "kubeconfig_endpoint": "cluster_kubeconfig_endpoint", "existing_kubeconfig": "cluster_existing_kubeconfig",
    "existing_context": "cluster_existing_context",
}  # fmt: skip
"""Of the modules, by the role's variables."""


class ConnectingAction(ModuleAction):
    """Runs a module that has the options of ``module_utils/gke/connection.py``. What the task does not give of them are the
    cluster role's variables, as the play has them, over the role's defaults.

    Before, it refuses names of variables that nobody looks at, and an environment that leads elsewhere.
    """

    VARIABLES: Mapping[str, str] = CONNECTION
    """Options of the module, by the variables that they are of."""

    def run(self, tmp: Any = None, task_vars: Json | None = None) -> Json:
        variables = task_vars or {}
        if wrong := errors_in(of_a_play(variables, self._templar)):
            return failure("\n".join(wrong))
        self._task.args = {**self._of_the_play(variables), **self._task.args}
        found = super().run(tmp, task_vars)
        return {**found, **self._contradicted(found)}

    def _of_the_play(self, variables: Json) -> Json:
        is_whole = all(name in variables for name in self.VARIABLES.values() if name.startswith("cluster_"))
        there = {**({} if is_whole else defaults_of("cluster")), **variables}
        before = self._templar.available_variables
        self._templar.available_variables = {**there, "role_path": str(ROOT / "roles/cluster")}
        try:
            values = {
                option: self._templar.template(there[name])
                for option, name in self.VARIABLES.items()
                if name in there
            }
        finally:
            self._templar.available_variables = before
        # Counted from where Ansible was started.
        values["kubeconfig_file"] = absolute_path(values["kubeconfig_file"])
        values["existing_kubeconfig"] = kubeconfig_path(values["existing_kubeconfig"])
        return {name: value for name, value in values.items() if value not in ("", None)}

    def _contradicted(self, found: Mapping[str, Any]) -> Json:
        """The failure where an extra variable, which beats what a role finds, would lead other tasks to another cluster."""
        given = load_extra_vars(self._loader)
        for option in ("kubeconfig", "context"):
            name = f"cluster_{option}"
            if option in found and name in given and self._templar.template(given[name]) != found[option]:
                return failure(
                    f"{name} is {given[name]} by an extra variable (-e, of a job template, of a workflow), which beats what this "
                    "role found. To use a kubeconfig of your own, give cluster_existing_kubeconfig, and cluster_existing_context, "
                    "instead."
                )
        return {}

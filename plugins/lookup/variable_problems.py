"""What is wrong with the variables of a role, or of playbooks, in words."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: variable_problems
short_description: Everything that is wrong with the variables of a role, or of playbooks
version_added: 0.2.0
description:
  - Judges a role's variables by the rules that M(mlops.tfserving.preflight) has for them, too (C(docs/preflight.md)), and
    tells what is an error. What C(preflight_ignore) names is left out.
  - Asks nobody; what only the cluster or the model knows is checked later.
  - Runs within the templating of a task, and costs no process.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  _terms:
    description:
      - The role, V(cluster), V(storage), V(serving), V(autoscaling), V(monitoring) or V(loadtest).
      - V(playbooks) for names of variables, of all roles and playbooks, and for the variables that playbooks take of their own.
      - None for the same, and for the environment.
  facts:
    description: Names of other variables that the role's rules know, such as C(serving_model_bytes).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Refuse what cannot work
  ansible.builtin.fail:
    msg: "{{ autoscaling_problems | join('\n') }}"
  when: autoscaling_problems | length > 0
  vars:
    autoscaling_problems: "{{ query('mlops.tfserving.variable_problems', 'autoscaling') }}"
"""

RETURN = r"""
_raw:
  description: One line for each mistake, with the rule's name, the variable, its value, the reason and the way out.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils.variables.findings import Finding
from ..plugin_utils.names import errors_in, of_a_play

_PLAYBOOKS = "playbooks"


class LookupModule(LookupBase):
    """The lookup by its name."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        given = variables or {}
        if terms and terms != [_PLAYBOOKS]:
            return errors_in(self._of_roles(terms, given))
        return errors_in(of_a_play(given, self._templar, asks_a_cluster=not terms))

    def _of_roles(self, terms: list[str], given: Any) -> list[Finding]:
        from ..module_utils.variables.check import CHECKS  # noqa: PLC0415 - names are judged faster without the rules
        from ..plugin_utils.role_variables import role_findings  # noqa: PLC0415

        if others := set(terms) - set(CHECKS):
            raise AnsibleLookupError(f"variable_problems: there is no role {', '.join(map(str, others))}")
        facts = {name: self._templar.template(given[name]) for name in self.get_option("facts")}
        return [finding for role in terms for finding in role_findings(role, self._templar, given, **facts)]

#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Lets one run at a time change a namespace."""

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_lease
short_description: Let one run at a time change a namespace
version_added: 0.2.0
description:
  - Takes the Lease C(mlops-tfserving) of a namespace for the rest of the run, or waits for another run that has it.
  - A process in the background renews it every five seconds, and gives it back when the run has ended in whatever way. After
    the end of a whole machine it is free half a minute later.
  - A run that has it already is not asked again; only if nobody has renewed it for ten seconds, since that process died, another one
    is begun. Where the namespace does not exist there is nothing to hold.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.k8s_lease
  - mlops.tfserving.kubernetes
attributes:
  check_mode:
    support: full
    description: Takes nothing; warns where another run has it.
  diff_mode:
    support: none
    description: Changes nothing that lasts.
  idempotent:
    support: full
    description: Never counts as a change.
notes:
  - The identity in the kubeconfig must be allowed to get, create, update and delete C(leases) of C(coordination.k8s.io).
"""

OPTIONS = r"""
namespace: The namespace.
timeout: Seconds to wait for another run.
process: The process with whose end it is given back; that of the run unless set otherwise.
"""

EXAMPLES = r"""
- name: Let nobody else change this environment meanwhile
  mlops.tfserving.k8s_lease:
    namespace: tfserving
"""

RETURN = r"""
acquired:
  description: Whether this task took it, so that what was read before may be out of date.
  type: bool
  returned: success
holder:
  description: Who has it; empty for nobody.
  type: str
  returned: success
reason:
  description: Kubernetes' word for why, or C(Held).
  type: str
  returned: failure
"""

import os

from ..module_utils import outcome
from ..module_utils.background import in_background
from ..module_utils.k8s.lease import alive, hold, holder_of, keep
from ..module_utils.k8s.options import PACKAGES, Json, answered, client_from_params, module_spec
from ..module_utils.retry import Clock

SPEC = module_spec(
    namespace={"type": "str", "required": True},
    timeout={"type": "int", "default": 60},
    process={"type": "int"},
)


def answer(params: Json, *, check_mode: bool) -> Json:
    def work() -> Json:
        process = params["process"] or os.getppid()
        namespace, me = params["namespace"], holder_of(process)
        found = hold(
            client_from_params(params),
            namespace,
            me,
            timeout=params["timeout"],
            check_mode=check_mode,
            clock=Clock(),
        )
        if found.pop("keep"):
            in_background(
                lambda: keep(
                    lambda: client_from_params(params), namespace, me, lambda: alive(process), Clock()
                )
            )
        return found

    return answered(work)


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()

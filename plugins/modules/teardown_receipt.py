#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Writes down what a teardown removed and what it left."""

from __future__ import annotations

DOCUMENTATION = r"""
module: teardown_receipt
short_description: Write down what a teardown removed, and what is left
version_added: 0.2.0
description:
  - Writes C(receipt.json) and, for people, C(receipt.txt). It says what was there, what is gone, what is left and why, what
    removes that by hand, and what it would cost a month.
  - It is begun before anything is removed and finished at the end. A run that goes on with what another one began goes on
    with its receipt, too, so that both end in the same.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment: mlops.tfserving.options.teardown_receipt
attributes:
  check_mode:
    support: full
    description: Nothing is written.
  diff_mode:
    support: none
    description: The receipt is returned.
  idempotent:
    support: full
    description: A receipt is no change; that of a site where nothing is left to remove stays what it is, but for C(ended).
  action_group:
    support: full
    description: The groups whose C(module_defaults) reach it.
    membership: [mlops.tfserving.all]
seealso:
  - module: mlops.tfserving.site_leftovers_info
"""

OPTIONS = r"""
folder: The folder of the receipt; it is made.
state:
  - V(begun) before anything is removed, V(finished) after the last look.
  - V(planned) writes nothing, and takes what is O(going) for gone.
site: What is torn down, as C(project), C(cluster), C(location), C(namespace) and C(bucket).
resources: What M(mlops.tfserving.site_leftovers_info) found, before or at the end.
unread: What it could not look at.
prices: Whose prices it took.
objects: Objects of Kubernetes that are about to go, as V(KIND/NAME).
going: Parts of the site that would go, as in O(mlops.tfserving.site_leftovers_info#module:until_gone).
kept: Why a part of the site was left on purpose, by its name.
shared: Parts that other sites use, for which the receipt gives no command.
"""

EXAMPLES = r"""
- name: Write the receipt
  mlops.tfserving.teardown_receipt:
    folder: reports/teardown-cluster-1
    state: finished
    site: {project: my-project, cluster: cluster-1, location: us-central1-f, namespace: tfserving, bucket: my-models}
    resources: [] # as mlops.tfserving.site_leftovers_info found them, and so what follows
    unread: []
    prices: {currency: USD, date: "2026-09-27"}
    kept: {bucket: teardown_bucket is false}
"""

RETURN = r"""
receipt:
  description: What C(receipt.json) holds.
  type: dict
  returned: success
  contains:
    version: {type: int, description: Of this form.}
    site: {type: dict, description: As O(site).}
    began: {type: str, description: When the first run began that it is of; also C(ended).}
    finished: {type: bool, description: Whether there was a last look. What follows is there only then.}
    there: {type: list, elements: dict, description: What was there.}
    objects: {type: list, elements: str, description: As O(objects).}
    gone: {type: list, elements: str, description: What of it is gone.}
    not_known: {type: list, elements: str, description: What of it could not be looked for.}
    left: {type: list, elements: dict, description: "What is left, with C(reason), C(command) and C(month)."}
    not_looked_at: {type: list, elements: dict, description: As O(unread).}
    month: {type: float, description: What all that is left costs in a month.}
    unpriced: {type: list, elements: str, description: What of it is not in C(month).}
    prices: {type: dict, description: As O(prices).}
lines:
  description: The same in words.
  type: list
  elements: str
  returned: success
path:
  description: Path of C(receipt.json).
  type: str
  returned: success
"""

from ..module_utils import outcome
from ..module_utils.leftovers.site import PARTS, Json
from ..module_utils.leftovers.write import receipt

SPEC: Json = {
    "argument_spec": {
        "folder": {"type": "path", "required": True},
        "state": {"type": "str", "choices": ["planned", "begun", "finished"], "required": True},
        "site": {"type": "dict", "required": True},
        "resources": {"type": "list", "elements": "dict", "default": []},
        "unread": {"type": "list", "elements": "dict", "default": []},
        "prices": {"type": "dict", "default": {}},
        "objects": {"type": "list", "elements": "str", "default": []},
        "going": {"type": "list", "elements": "str", "choices": list(PARTS), "default": []},
        "kept": {"type": "dict", "default": {}},
        "shared": {"type": "list", "elements": "str", "choices": list(PARTS), "default": []},
    },
    "supports_check_mode": True,
}
PACKAGES: dict[str, str | None] = {}


def answer(params: Json, *, check_mode: bool) -> Json:
    return receipt(params, check_mode=check_mode)


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()

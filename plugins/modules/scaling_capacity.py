#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""From ramps of load on one replica to the rate that it carries within the limit."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scaling_capacity
short_description: What one replica carries within the limit, from load tests that ramp up until it breaks
version_added: 0.3.0
description:
  - Reads C(timeline.jsonl) and C(report.json) of the ramps so far, and says what the next one should be, or, when that is enough,
    what one replica carries, with a 95 % interval over the repeats.
  - The first ramp is coarse, from O(first) to O(last) by equal factors. Further ones go evenly through where the limit broke.
  - A run that is invalid proves nothing here either, nor one in which several replicas answered, or in which the proxy's limit for
    an address was what broke. See docs/tuning.md.
  - Writes C(capacity.json) and C(capacity.png) into O(reports_dir) at the end; asks and changes nothing else.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.scaling_capacity
attributes:
  check_mode:
    support: full
    description: Everything is computed and nothing is written.
  diff_mode:
    support: none
    description: Files of a measurement are not shown.
  idempotent:
    support: full
    description: The same timelines give the same results.
  action_group:
    support: full
    description: The groups whose C(module_defaults) reach it.
    membership: [mlops.tfserving.all]
requirements:
  - matplotlib (Python package)
"""

OPTIONS = r"""
runs: Folders of the ramps so far, in their order; none for the plan of the first one.
slo: The limit; the first line with a percentile and no condition, as V(p95_ms <= 300).
first: Requests a second at which the coarse ramp begins; nothing below is tried.
last: Requests a second at which it ends; nothing above is tried.
repeats: How many ramps after the coarse one the result is made of, at least.
within_percent: Half the interval's width, in percent of the result, at which that many are enough. Otherwise there are more, as long as
  there is time.
ramp_seconds: How long a ramp takes, if the limit does not break before.
minutes: How long all of it may take. A ramp that would not fit is not begun.
elapsed: Seconds since the first run was begun.
arrivals: Whether requests are due evenly, or at random as many users ask.
reports_dir: Where C(capacity.json) goes.
"""

EXAMPLES = r"""
- name: Which ramp comes first?
  mlops.tfserving.scaling_capacity:
    slo: ["p95_ms <= 300"]
    reports_dir: reports
  register: capacity
"""

RETURN = r"""
enough:
  description: Whether that was all.
  type: bool
  returned: success
shape:
  description: The next ramp, as C(loadtest_shape) of the loadtest role has it; empty when that was all.
  type: dict
  returned: success
seed:
  description: The next ramp's seed.
  type: int
  returned: success
lines:
  description: What the last run has shown, or, when that was all, each of them and what one replica carries.
  type: list
  elements: str
  returned: success
file:
  description: Path of C(capacity.json).
  type: str
  returned: when that was all
picture:
  description: Path of the picture.
  type: str
  returned: when that was all
capacity:
  description: What C(capacity.json) holds.
  type: dict
  returned: when that was all
  contains:
    deployment: {type: str, description: The Deployment that was loaded.}
    namespace: {type: str, description: Its namespace.}
    cluster: {type: str, description: "UID of the cluster's namespace kube-system; empty where the runs do not say."}
    cpu: {type: dict, description: "C(requests) and C(limits) of a replica's containers, in thousandths of a core."}
    request: {type: dict, description: "What was asked: model, protocol, signature, payload, locustfile."}
    limit: {type: dict, description: "The limit in C(words), its C(milliseconds), and the C(share) of the requests that has to be within."}
    arrivals: {type: str, description: How requests were due.}
    capacity:
      type: dict
      description: The result.
      contains:
        kind: {type: str, description: "V(at) the rate; V(at least), where the limit never broke; V(less than), where it was never kept."}
        rate: {type: float, description: Requests a second.}
        low: {type: float, description: The 95 % interval's lower end; null without two repeats.}
        high: {type: float, description: Its upper end.}
        repeats: {type: int, description: "Ramps that it is made of; 0 for the coarse one alone."}
    start_seconds: {type: float, description: "From the replica's node until it was ready, as Kubernetes says; null where it does not."}
    runs: {type: list, elements: dict, description: "Each ramp: its run, why it was C(refused), where it broke, and what was offered."}
    ended: {type: str, description: Why there were no more.}
"""

from ..module_utils import outcome
from ..module_utils.loadtest.schema import Json
from ..module_utils.scaling import carrying

PACKAGES = carrying.PACKAGES
SPEC: Json = {
    "argument_spec": {
        "runs": {"type": "list", "elements": "path", "default": []},
        "slo": {"type": "list", "elements": "str", "required": True},
        "first": {"type": "float", "default": 1.0},
        "last": {"type": "float", "default": 200.0},
        "repeats": {"type": "int", "default": 3},
        "within_percent": {"type": "float", "default": 3.0},
        "ramp_seconds": {"type": "int", "default": 90},
        "minutes": {"type": "float", "default": 10.0},
        "elapsed": {"type": "float", "default": 0.0},
        "arrivals": {"type": "str", "choices": ["even", "poisson"], "default": "even"},
        "reports_dir": {"type": "path", "required": True},
    },
    "supports_check_mode": True,
}


def answer(params: Json, *, check_mode: bool) -> Json:
    return carrying.answer(params, check_mode=check_mode)


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()

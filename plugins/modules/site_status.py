#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Shows on one screen how a site is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_status
short_description: Show on one screen how a site is
version_added: 0.3.0
description:
  - Finds the site's cluster as the role cluster does, judges the site as M(mlops.tfserving.site_status_info), and shows health,
    cluster, nodes, pods and their versions, cost, autoscaler, the endpoint's address and the last load test. It is the whole of
    C(playbooks/status.yml).
  - It runs on the controller. Options that the task does not give are variables, as the play has them; those of the role cluster
    have the role's defaults.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.site_status
  - mlops.tfserving.gcp
  - mlops.tfserving.info
"""

OPTIONS = r"""
namespace: The site's namespace; C(serving_namespace).
app: Name of the model server's Deployment and Service; C(serving_name).
model: The model in the address that is shown; C(serving_model_name).
models: All models, of which the first is shown instead; C(serving_models).
prices: Are merged into the price table; C(preflight_prices).
pools: Node pools, for the boot disks, which no node tells in full; C(cluster_node_pools).
reports: The folder of the load tests' reports; C(loadtest_reports_dir).
file: A file for machines, which gets RV(ignore:summary) as JSON; C(status_file).
start_seconds: How long a replica may take to come; later it counts as degraded; C(status_start).
watch_seconds: For how long to look again, and show a line for each change; 0 looks once. The last look counts; C(status_watch).
refresh_seconds: Seconds between two looks; C(status_refresh).
"""

EXAMPLES = r"""
- name: See how the site is
  mlops.tfserving.site_status:
    project: my-project
    name: cluster-1
    location: us-central1-f
    kubeconfig_file: ~/.kube/cluster-1.yml
"""

RETURN = r"""
screen:
  description: The lines that are shown.
  type: list
  elements: str
  returned: success
summary:
  description: As of M(mlops.tfserving.site_status_info).
  type: dict
  returned: success
line:
  description: The health in a line.
  type: str
  returned: success
kubeconfig:
  description: The path of the kubeconfig by which the cluster was reached; empty where there is no cluster.
  type: str
  returned: success
context:
  description: Name of the context in it.
  type: str
  returned: success
"""

from ..module_utils import outcome
from ..module_utils.gke.connection import ARGUMENTS, Json, answered, packages
from ..module_utils.status.site import site_status

SPEC = {
    "argument_spec": {
        **ARGUMENTS,
        "namespace": {"type": "str", "default": "tfserving"},
        "app": {"type": "str", "default": "image-classifier"},
        "model": {"type": "str", "default": "image_classifier"},
        "models": {"type": "list", "elements": "dict", "default": []},
        "prices": {"type": "dict", "default": {}},
        "pools": {"type": "list", "elements": "dict", "default": []},
        "reports": {"type": "path", "default": "reports"},
        "file": {"type": "path"},
        "start_seconds": {"type": "int", "default": 300},
        "watch_seconds": {"type": "int", "default": 0},
        "refresh_seconds": {"type": "int", "default": 5},
    },
    "supports_check_mode": True,
}

PACKAGES = packages


def answer(params: Json, *, check_mode: bool) -> Json:
    return answered(params, lambda: site_status(params))


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()

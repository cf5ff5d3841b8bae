#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Looks in a project of Google's for what is a site's."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_leftovers_info
short_description: Look in a Google Cloud project for what is, or was, a site's
version_added: 0.2.0
description:
  - Looks in GKE, Compute Engine (instances, disks, forwarding rules, target pools, backend services, addresses, firewall
    rules, network endpoint groups), IAM and Cloud Storage for everything that a site has or left behind.
  - It is known by this collection's label, and by what GKE and its controllers give to all that they make for a cluster,
    labels, tags of nodes, names and descriptions. What could be another cluster's is returned with C(sure=false).
  - What this account may not read is returned as C(unread), and fails nothing.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.site_leftovers_info
  - mlops.tfserving.gcp
  - mlops.tfserving.info
seealso:
  - module: mlops.tfserving.teardown_receipt
"""

OPTIONS = r"""
cluster: The cluster's name. Empty where it is nobody's to remove; then only load balancers of O(app)'s Services are looked for.
location: Its zone or region.
namespace: The site's namespace in it.
app: Name of the model server's Deployment and Service.
bucket: Name of the bucket of models.
accounts: E-mails of service accounts that were made for the project.
addresses: Names of addresses that were reserved for it.
until_gone:
  - Parts of the site that are on their way out. As long as there is something of them, it looks again.
  - V(cluster) is the cluster with its nodes and firewall rules, V(service) what Services and routes have, V(volume) the
    disks of claims, V(bucket) the bucket and who was let into it, V(project) what was made once for the project.
timeout: Seconds until it stops looking again.
prices: Prices that are better known than those of C(plugins/module_utils/preflight/prices.py), in its form.
api_endpoint: Where all of Google's APIs are, if they are not at Google's. Falls back to E(GCP_API_ENDPOINT).
gke_api_endpoint: Where the GKE API is. Falls back to E(GKE_API_ENDPOINT), and then to O(api_endpoint).
storage_api_endpoint: Where the Cloud Storage API is. Falls back to E(GCS_API_ENDPOINT), and then to O(api_endpoint).
"""

EXAMPLES = r"""
- name: See what the site left behind
  mlops.tfserving.site_leftovers_info:
    project: my-project
    cluster: cluster-1
    location: us-central1-f
    namespace: tfserving
    app: image-classifier
    bucket: my-models
  register: left
"""

RETURN = r"""
resources:
  description: What is there.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description: What it is, in gcloud's words.
      type: str
    name:
      description: Its name; of a binding role and member.
      type: str
    place:
      description: Its zone or region, or V(global); of a binding its bucket.
      type: str
    of:
      description: The part of the site, as in O(until_gone).
      type: str
    why:
      description: By what it was known.
      type: str
    sure:
      description: Whether it is no other cluster's.
      type: bool
    month:
      description: What it costs in a month by the table of prices; null for what the table does not have.
      type: float
    id:
      description: Google's number for it, where it has one.
      type: str
unread:
  description: What could not be looked at, as C(what), with the C(kinds) of resources that this leaves unknown, C(reason) and C(hint).
  type: list
  elements: dict
  returned: success
prices:
  description: Whose prices they are, as C(currency), C(date), C(region) and C(source).
  type: dict
  returned: success
"""

from ..module_utils import outcome
from ..module_utils.gcp.options import Json, answered, module_spec
from ..module_utils.gcp.packages import PACKAGES
from ..module_utils.leftovers.look import look
from ..module_utils.leftovers.site import PARTS

SPEC = module_spec(
    ("", "GCP_API_ENDPOINT"),
    cluster={"type": "str", "default": ""},
    location={"type": "str", "default": ""},
    namespace={"type": "str", "default": ""},
    app={"type": "str", "default": ""},
    bucket={"type": "str", "default": ""},
    accounts={"type": "list", "elements": "str", "default": []},
    addresses={"type": "list", "elements": "str", "default": []},
    until_gone={"type": "list", "elements": "str", "choices": list(PARTS), "default": []},
    timeout={"type": "int", "default": 0},
    prices={"type": "dict", "default": {}},
    gke_api_endpoint={"type": "str", "default": ""},
    storage_api_endpoint={"type": "str", "default": ""},
)


def answer(params: Json, *, check_mode: bool) -> Json:
    return answered(params, lambda: look(params))


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()

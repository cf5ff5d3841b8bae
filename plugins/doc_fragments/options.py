"""The options of each module, as Ansible documents them: types, choices and defaults are those of its argument spec,
the words those of its OPTIONS, and here what several modules have in common.
"""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

from types import ModuleType

from ..module_utils.gke.connection import DOCUMENTED
from ..module_utils.preflight.check import ARGUMENTS
from ..modules import (
    cluster_connection,
    gcs_bucket,
    gcs_saved_model,
    gke_cluster,
    gke_cluster_info,
    gke_node_pool,
    k8s_diff,
    k8s_lease,
    k8s_objects_info,
    k8s_rollout,
    k8s_teardown,
    locust_prepare,
    locust_run,
    preflight,
    saved_model_info,
    scaling_capacity,
    scaling_report,
    scaling_whatif,
    site_leftovers_info,
    site_status,
    site_status_info,
    teardown_receipt,
    tfserving_model,
    tfserving_refusals_info,
)
from ..plugin_utils.option_docs import Json, documented, words

_GOOGLE = words(r"""
project: The Google Cloud project. Falls back to E(GCP_PROJECT).
auth_kind: Which credentials are used. Falls back to E(GCP_AUTH_KIND).
service_account_file: Path of a service account's key file. Falls back to E(GCP_SERVICE_ACCOUNT_FILE).
service_account_contents:
  - The key file's contents, as text or as a dictionary. Falls back to E(GCP_SERVICE_ACCOUNT_CONTENTS).
  - It goes before O(service_account_file).
service_account_email: Which account of the machine is used. Falls back to E(GCP_SERVICE_ACCOUNT_EMAIL).
access_token: A token that exists, for O(auth_kind=accesstoken). Falls back to E(GCP_ACCESS_TOKEN).
external_account_file:
  - Path of a credential configuration of Workload Identity Federation, for O(auth_kind=externalaccount).
  - Falls back to E(GCP_EXTERNAL_ACCOUNT_FILE).
  - With O(auth_kind=application) E(GOOGLE_APPLICATION_CREDENTIALS) may name one, too.
scopes: OAuth scopes that are asked for. Falls back to E(GCP_SCOPES).
impersonate_service_account:
  - E-mail of a service account to act as, with the credentials of any kind, which need
    C(roles/iam.serviceAccountTokenCreator) on it.
  - Falls back to E(GCP_IMPERSONATE_SERVICE_ACCOUNT) and E(GOOGLE_IMPERSONATE_SERVICE_ACCOUNT).
impersonate_service_account_delegates: Service accounts in between, each with C(roles/iam.serviceAccountTokenCreator) on
  the next, the last on O(impersonate_service_account).
impersonate_service_account_lifetime: Seconds that such a token lives; more than 3600, up to 43200, where an
  organization policy allows it.
iam_credentials_endpoint: Where the IAM Credentials API is, which O(impersonate_service_account) asks. Falls back to
  E(IAM_CREDENTIALS_API_ENDPOINT).
""")
_STORAGE = _GOOGLE | {"api_endpoint": "Where the Cloud Storage API is. Falls back to E(GCS_API_ENDPOINT)."}
_GKE = _GOOGLE | words(r"""
api_endpoint: Where the GKE API is. Falls back to E(GKE_API_ENDPOINT).
kubeconfig_file:
  - Where to write a kubeconfig, with mode 0600, also in check mode, since reading needs it.
  - In a file that exists, the cluster, the user and the context with this cluster's names are replaced or added, and all
    others stay. A file that is no kubeconfig is refused. When the cluster is removed, they are, too.
  - The token in it is new each time, which does not count as a change.
kubeconfig_current_context:
  - Whether the cluster's context becomes the current one of O(kubeconfig_file).
  - Otherwise it does so only in a file without a current context.
kubeconfig_auth:
  - V(token) puts an access token into the kubeconfig, which is good for an hour at most.
  - V(exec) has C(gke-gcloud-auth-plugin) asked for one each time; that must be installed where it is used.
kubeconfig_endpoint: Which of the control plane's endpoints the kubeconfig names.
""")
_CONNECTION = _GKE | DOCUMENTED
_POOL = words(gke_node_pool.OPTIONS)
_KUBERNETES = words(r"""
kubeconfig:
  - The kubeconfig of the cluster, as a path or as a dictionary.
  - Without it E(K8S_AUTH_KUBECONFIG), then the cluster of the pod that Ansible runs in, then E(KUBECONFIG), then
    C(~/.kube/config) is taken, as by modules of kubernetes.core.
  - Other variables C(K8S_AUTH_…) that lead kubernetes.core to a cluster are refused, since both are used together.
context: Name of the context in the kubeconfig; its current one if unset.
""")


_NEWER: dict[ModuleType, dict[str, tuple[str, ...]]] = {
    gcs_bucket: {"0.2.0": ("model_path", "own_only"), "0.3.0": ("more_model_paths", "removes", "site")},
    gcs_saved_model: {"0.2.0": ("tags",)},
    gke_cluster: {"0.2.0": ("node_pools.create_pod_range", "own_only"), "0.3.0": ("adopt",)},
    gke_cluster_info: {"0.2.0": ("process",)},
    gke_node_pool: {"0.2.0": ("create_pod_range",), "0.3.0": ("adopt",)},
    k8s_diff: {"0.3.0": ("own_kinds", "site")},
    k8s_objects_info: {"0.2.0": ("condition", "timeout"), "0.3.0": ("objects", "skip_forbidden")},
    k8s_rollout: {"0.2.0": ("hold_hpa",)},
    locust_prepare: {"0.2.0": ("locustfile", "token_renewed")},
    locust_run: {"0.2.0": ("billing", "environment", "locustfile", "slo"), "0.3.0": ("stop_when_broken",)},
    saved_model_info: {"0.2.0": ("tags",)},
    teardown_receipt: {"0.3.0": ("shared",)},
    scaling_report: {"0.2.0": ("billing",)},
    scaling_whatif: {"0.3.0": ("pools",)},
}
"""Options that came after their modules, by version."""


def _of(module: ModuleType, common: Json) -> str:
    since = {name: version for version, names in _NEWER.get(module, {}).items() for name in names}
    return documented(module.SPEC["argument_spec"], common | words(module.OPTIONS), since)


class ModuleDocFragment:
    CLUSTER_CONNECTION: str = _of(cluster_connection, _CONNECTION)
    GCS_BUCKET: str = _of(gcs_bucket, _STORAGE)
    GCS_SAVED_MODEL: str = _of(gcs_saved_model, _STORAGE)
    GKE_CLUSTER: str = _of(
        gke_cluster, _GKE | _POOL | {f"node_pools.{name}": text for name, text in _POOL.items()}
    )
    GKE_CLUSTER_INFO: str = _of(gke_cluster_info, _GKE)
    GKE_NODE_POOL: str = _of(gke_node_pool, _GKE)
    K8S_DIFF: str = _of(k8s_diff, _KUBERNETES)
    K8S_LEASE: str = _of(k8s_lease, _KUBERNETES)
    K8S_OBJECTS_INFO: str = _of(k8s_objects_info, _KUBERNETES)
    K8S_ROLLOUT: str = _of(k8s_rollout, _KUBERNETES)
    K8S_TEARDOWN: str = _of(k8s_teardown, _KUBERNETES)
    LOCUST_PREPARE: str = _of(locust_prepare, _KUBERNETES)
    LOCUST_RUN: str = _of(locust_run, _KUBERNETES)
    PREFLIGHT: str = documented(ARGUMENTS, _GOOGLE | words(preflight.OPTIONS))
    SAVED_MODEL_INFO: str = _of(saved_model_info, {})
    SCALING_CAPACITY: str = _of(scaling_capacity, {})
    SCALING_REPORT: str = _of(scaling_report, {})
    SCALING_WHATIF: str = _of(scaling_whatif, {})
    SITE_LEFTOVERS_INFO: str = _of(site_leftovers_info, _GOOGLE)
    SITE_STATUS: str = _of(site_status, _CONNECTION)
    SITE_STATUS_INFO: str = _of(site_status_info, _KUBERNETES)
    TEARDOWN_RECEIPT: str = _of(teardown_receipt, {})
    TFSERVING_MODEL: str = _of(tfserving_model, _KUBERNETES)
    TFSERVING_REFUSALS_INFO: str = _of(tfserving_refusals_info, _KUBERNETES)

"""Options of every module of this collection that asks Google."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  project:
    description: The Google Cloud project. Falls back to E(GCP_PROJECT).
    type: str
  auth_kind:
    description: Which credentials are used. Falls back to E(GCP_AUTH_KIND).
    type: str
    choices: [application, machineaccount, serviceaccount, accesstoken, externalaccount]
    default: application
  service_account_file:
    description: Path of a service account's key file. Falls back to E(GCP_SERVICE_ACCOUNT_FILE).
    type: path
  service_account_contents:
    description:
      - The key file's contents, as text or as a dictionary. Falls back to E(GCP_SERVICE_ACCOUNT_CONTENTS).
      - It goes before O(service_account_file).
    type: jsonarg
  service_account_email:
    description: Which account of the machine is used. Falls back to E(GCP_SERVICE_ACCOUNT_EMAIL).
    type: str
  access_token:
    description: A token that exists, for O(auth_kind=accesstoken). Falls back to E(GCP_ACCESS_TOKEN).
    type: str
  external_account_file:
    description:
      - Path of a credential configuration of Workload Identity Federation, for O(auth_kind=externalaccount).
      - Falls back to E(GCP_EXTERNAL_ACCOUNT_FILE).
      - With O(auth_kind=application) E(GOOGLE_APPLICATION_CREDENTIALS) may name one, too.
    type: path
  scopes:
    description: OAuth scopes that are asked for. Falls back to E(GCP_SCOPES).
    type: list
    elements: str
    default: [https://www.googleapis.com/auth/cloud-platform]
  impersonate_service_account:
    description:
      - E-mail of a service account to act as, with the credentials of any kind, which need
        C(roles/iam.serviceAccountTokenCreator) on it.
      - Falls back to E(GCP_IMPERSONATE_SERVICE_ACCOUNT) and E(GOOGLE_IMPERSONATE_SERVICE_ACCOUNT).
    type: str
  impersonate_service_account_delegates:
    description: >-
      Service accounts in between, each with C(roles/iam.serviceAccountTokenCreator) on the next, the last on
      O(impersonate_service_account).
    type: list
    elements: str
    default: []
  impersonate_service_account_lifetime:
    description: Seconds that such a token lives; more than 3600, up to 43200, where an organization policy allows it.
    type: int
    default: 3600
  iam_credentials_endpoint:
    description: >-
      Where the IAM Credentials API is, which O(impersonate_service_account) asks. Falls back to
      E(IAM_CREDENTIALS_API_ENDPOINT).
    type: str
    default: https://iamcredentials.googleapis.com
requirements:
  - google-auth (Python package)
  - requests (Python package)
"""

    GKE = r"""
options:
  api_endpoint:
    description: Where the GKE API is. Falls back to E(GKE_API_ENDPOINT).
    type: str
    default: https://container.googleapis.com
"""

    KUBECONFIG = r"""
options:
  kubeconfig_file:
    description:
      - Where to write a kubeconfig, with mode 0600, also in check mode, since reading needs it.
      - In a file that exists, the cluster, the user and the context with this cluster's names are replaced or added,
        and all others stay. A file that is no kubeconfig is refused. When the cluster is removed, they are, too.
      - The token in it is new each time, which does not count as a change.
    type: path
  kubeconfig_current_context:
    description:
      - Whether the cluster's context becomes the current one of O(kubeconfig_file).
      - Otherwise it does so only in a file without a current context.
    type: bool
    default: false
  kubeconfig_auth:
    description:
      - V(token) puts an access token into the kubeconfig, which is good for an hour at most.
      - V(exec) has C(gke-gcloud-auth-plugin) asked for one each time; that must be installed where it is used.
    type: str
    choices: [token, exec]
    default: token
  kubeconfig_endpoint:
    description: Which of the control plane's endpoints the kubeconfig names.
    type: str
    choices: [ip, dns, private]
    default: ip
"""

    GCS = r"""
options:
  api_endpoint:
    description: Where the Cloud Storage API is. Falls back to E(GCS_API_ENDPOINT).
    type: str
    default: https://storage.googleapis.com
"""

    PLANNED = r"""
attributes:
  check_mode:
    support: full
    description: The plan is made and shown, and nothing is changed.
  diff_mode:
    support: full
    description: Shows what is there before and after.
  idempotent:
    support: full
    description: A second run changes nothing.
  action_group:
    support: full
    description: The groups whose C(module_defaults) reach it.
    membership: [mlops.tfserving.all, mlops.tfserving.gcp]
"""

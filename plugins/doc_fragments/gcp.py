"""Options of every module of this collection that asks Google."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

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
    choices: [application, machineaccount, serviceaccount, accesstoken]
    default: application
  service_account_file:
    description: Path of a service account's key file. Falls back to E(GCP_SERVICE_ACCOUNT_FILE).
    type: path
  service_account_contents:
    description: The key file's contents. Falls back to E(GCP_SERVICE_ACCOUNT_CONTENTS).
    type: jsonarg
  service_account_email:
    description: Which account of the machine is used. Falls back to E(GCP_SERVICE_ACCOUNT_EMAIL).
    type: str
  access_token:
    description: A token that exists, for O(auth_kind=accesstoken). Falls back to E(GCP_ACCESS_TOKEN).
    type: str
  scopes:
    description: OAuth scopes that are asked for.
    type: list
    elements: str
    default: [https://www.googleapis.com/auth/cloud-platform]
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
    description: In the action group C(mlops.tfserving.gcp).
"""

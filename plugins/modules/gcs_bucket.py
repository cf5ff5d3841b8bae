#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Creates, updates and removes a Cloud Storage bucket."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcs_bucket
short_description: Converge a Cloud Storage bucket
version_added: 0.1.0
description:
  - Creates a bucket, private unless asked otherwise, changes what differs, or removes it.
  - An option that is not given is not managed.
author: The mlops.tfserving developers (!UNKNOWN)
options:
  state:
    description: Whether the bucket is to exist.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: The bucket's name, unique in the whole world.
    type: str
    required: true
  location:
    description: Where a new bucket is. It can't be changed.
    type: str
  storage_class:
    description: Default storage class of its objects.
    type: str
    choices: [STANDARD, NEARLINE, COLDLINE, ARCHIVE]
  labels:
    description: Labels; all others are removed, but for C(made-by=mlops-tfserving), which buckets have that were created here.
    type: dict
  versioning:
    description: Whether replaced and deleted objects are kept.
    type: bool
  uniform_bucket_level_access:
    description: Whether access is a matter of the bucket alone. A new bucket has it unless set otherwise.
    type: bool
  public_access_prevention:
    description: Whether nobody can make it public. A new bucket has it enforced unless set otherwise.
    type: str
    choices: [enforced, inherited]
  soft_delete_seconds:
    description: How long deleted objects can be restored; 0 is off.
    type: int
  lifecycle_rules:
    description:
      - What happens to objects by themselves. All other rules are removed, with an empty list every rule.
      - A rule takes the objects for which all its conditions hold; it needs at least one.
      - Beware of rules that delete models which are served.
    type: list
    elements: dict
    suboptions:
      action:
        description: What is done.
        type: str
        required: true
        choices: [Delete, SetStorageClass, AbortIncompleteMultipartUpload]
      storage_class:
        description: The new class, for V(SetStorageClass).
        type: str
        choices: [STANDARD, NEARLINE, COLDLINE, ARCHIVE]
      age:
        description: Days since the object was created.
        type: int
      created_before:
        description: A date such as C(2026-01-31).
        type: str
      custom_time_before:
        description: A date.
        type: str
      days_since_custom_time:
        description: Days since the object's custom time.
        type: int
      days_since_noncurrent_time:
        description: Days since the object was replaced or deleted.
        type: int
      is_live:
        description: Whether it is the current version, or a replaced one.
        type: bool
      matches_prefix:
        description: Beginnings of names.
        type: list
        elements: str
      matches_storage_class:
        description: Storage classes.
        type: list
        elements: str
      matches_suffix:
        description: Endings of names.
        type: list
        elements: str
      noncurrent_time_before:
        description: A date.
        type: str
      num_newer_versions:
        description: How many newer versions there are at least.
        type: int
  iam_members:
    description:
      - Who has which role on the bucket. Roles that are not named here stay as they are, and so do bindings with
        conditions.
      - The policy is changed under its etag, so that nothing of what others change meanwhile is lost.
    type: list
    elements: dict
    suboptions:
      role:
        description: The role, such as C(roles/storage.objectViewer).
        type: str
        required: true
      members:
        description: Members in Google's form, such as C(serviceAccount:NAME@PROJECT.iam.gserviceaccount.com).
        type: list
        elements: str
        default: []
      workload_identities:
        description:
          - Kubernetes service accounts that have the role by Workload Identity, without any Google service account.
            The cluster must have Workload Identity.
        type: list
        elements: dict
        default: []
        suboptions:
          namespace:
            description: The namespace.
            type: str
            required: true
          service_account:
            description: The service account's name in it.
            type: str
            required: true
          project:
            description: The cluster's project; O(project) if unset.
            type: str
          project_number:
            description: The number of the cluster's project; needed where that is not the bucket's project.
            type: str
  iam_members_exclusive:
    description: Whether nobody else may have the roles named in O(iam_members); else members are only added.
    type: bool
    default: false
  force:
    description: With O(state=absent), delete the objects in the bucket, too.
    type: bool
    default: false
  own_only:
    description:
      - With O(state=absent), leave what this collection did not make. A bucket that this module created has the label
        C(made-by=mlops-tfserving); one without it stays, also with O(force).
      - Give the label to a bucket of your own, and it counts as made here.
    type: bool
    default: false
  model_path:
    description:
      - With O(own_only), the folder of a model whose published versions go. What else the bucket holds stays, and the
        bucket with it, unless O(force) says otherwise of a bucket that was made here.
      - Published is what a version's manifest names and nobody changed.
    type: str
extends_documentation_fragment:
  - mlops.tfserving.gcp
  - mlops.tfserving.gcp.gcs
  - mlops.tfserving.gcp.planned
"""

EXAMPLES = r"""
- name: A bucket for models
  mlops.tfserving.gcs_bucket:
    project: my-project
    name: my-project-models
    location: us-central1
    labels:
      team: ml
    soft_delete_seconds: 604800
    lifecycle_rules:
      - {action: AbortIncompleteMultipartUpload, age: 7}
    iam_members:
      - role: roles/storage.objectViewer
        workload_identities:
          - {namespace: tfserving, service_account: image-classifier}

- name: Nobody but the release pipeline writes models
  mlops.tfserving.gcs_bucket:
    project: my-project
    name: my-project-models
    iam_members:
      - role: roles/storage.objectAdmin
        members: [serviceAccount:release@my-project.iam.gserviceaccount.com]
    iam_members_exclusive: true
"""

RETURN = r"""
bucket:
  description: The bucket as the API shows it; empty when it does not exist.
  type: dict
  returned: success
iam:
  description:
    - Members that were asked for by role, in Google's form. In the answer of a run that makes the bucket the
      project's number is C(PROJECT_NUMBER).
  type: dict
  returned: with state present
  sample: {"roles/storage.objectViewer": ["serviceAccount:models@my-project.iam.gserviceaccount.com"]}
objects_removed:
  description: How many objects were deleted, or would be.
  type: int
  returned: with state absent
kept:
  description: Why the bucket stays, with O(own_only); empty when it does not.
  type: str
  returned: with state absent
"""

from ..module_utils import outcome
from ..module_utils.gcp.options import GCS_ENDPOINT, PACKAGES, Json, answered, argument_spec
from ..module_utils.gcp.rest import connect
from ..module_utils.gcs.converge import absent, check, present
from ..module_utils.gcs.iam import GRANT_ARGUMENTS
from ..module_utils.gcs.storage import Storage

CLASSES = ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"]


def rule_options() -> Json:
    strings = {"type": "list", "elements": "str"}
    return {
        "action": {
            "type": "str",
            "required": True,
            "choices": ["Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"],
        },
        "storage_class": {"type": "str", "choices": CLASSES},
        "age": {"type": "int"},
        "created_before": {"type": "str"},
        "custom_time_before": {"type": "str"},
        "days_since_custom_time": {"type": "int"},
        "days_since_noncurrent_time": {"type": "int"},
        "is_live": {"type": "bool"},
        "matches_prefix": strings,
        "matches_storage_class": strings,
        "matches_suffix": strings,
        "noncurrent_time_before": {"type": "str"},
        "num_newer_versions": {"type": "int"},
    }


SPEC: Json = {
    "argument_spec": argument_spec(
        GCS_ENDPOINT,
        state={"type": "str", "choices": ["present", "absent"], "default": "present"},
        name={"type": "str", "required": True},
        location={"type": "str"},
        storage_class={"type": "str", "choices": CLASSES},
        labels={"type": "dict"},
        versioning={"type": "bool"},
        uniform_bucket_level_access={"type": "bool"},
        public_access_prevention={"type": "str", "choices": ["enforced", "inherited"]},
        soft_delete_seconds={"type": "int"},
        lifecycle_rules={"type": "list", "elements": "dict", "options": rule_options()},
        iam_members={"type": "list", "elements": "dict", "options": GRANT_ARGUMENTS},
        iam_members_exclusive={"type": "bool", "default": False},
        force={"type": "bool", "default": False},
        own_only={"type": "bool", "default": False},
        model_path={"type": "str"},
    ),
    "supports_check_mode": True,
}


def answer(params: Json, *, check_mode: bool) -> Json:
    def work() -> Json:
        check(params)
        converge = present if params["state"] == "present" else absent
        return converge(Storage(connect(params)), params, check_mode)

    return answered(params, work)


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()

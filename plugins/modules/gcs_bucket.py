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
extends_documentation_fragment:
  - mlops.tfserving.options.gcs_bucket
  - mlops.tfserving.gcp
  - mlops.tfserving.gcp.planned
"""

OPTIONS = r"""
state: Whether the bucket is to exist.
name: The bucket's name, unique in the whole world.
location: Where a new bucket is. It can't be changed.
storage_class: Default storage class of its objects.
labels: Labels; all others are removed, but for C(made-by=mlops-tfserving), which buckets have that were created here.
versioning: Whether replaced and deleted objects are kept.
uniform_bucket_level_access: Whether access is a matter of the bucket alone. A new bucket has it unless set otherwise.
public_access_prevention: Whether nobody can make it public. A new bucket has it enforced unless set otherwise.
soft_delete_seconds: How long deleted objects can be restored; 0 is off.
lifecycle_rules:
  - What happens to objects by themselves. All other rules are removed, with an empty list every rule.
  - A rule takes the objects for which all its conditions hold; it needs at least one.
  - Beware of rules that delete models which are served.
lifecycle_rules.action: What is done.
lifecycle_rules.storage_class: The new class, for V(SetStorageClass).
lifecycle_rules.age: Days since the object was created.
lifecycle_rules.created_before: A date such as C(2026-01-31).
lifecycle_rules.custom_time_before: A date.
lifecycle_rules.days_since_custom_time: Days since the object's custom time.
lifecycle_rules.days_since_noncurrent_time: Days since the object was replaced or deleted.
lifecycle_rules.is_live: Whether it is the current version, or a replaced one.
lifecycle_rules.matches_prefix: Beginnings of names.
lifecycle_rules.matches_storage_class: Storage classes.
lifecycle_rules.matches_suffix: Endings of names.
lifecycle_rules.noncurrent_time_before: A date.
lifecycle_rules.num_newer_versions: How many newer versions there are at least.
iam_members:
  - Who has which role on the bucket. Roles that are not named here stay as they are, and so do bindings with conditions.
  - The policy is changed under its etag, so that nothing of what others change meanwhile is lost.
iam_members.role: The role, such as C(roles/storage.objectViewer).
iam_members.members: Members in Google's form, such as C(serviceAccount:NAME@PROJECT.iam.gserviceaccount.com).
iam_members.workload_identities: Kubernetes service accounts that have the role by Workload Identity, without any Google
  service account. The cluster must have Workload Identity.
iam_members.workload_identities.namespace: The namespace.
iam_members.workload_identities.service_account: The service account's name in it.
iam_members.workload_identities.project: The cluster's project; O(project) if unset.
iam_members.workload_identities.project_number: The number of the cluster's project; needed where that is not the
  bucket's project.
iam_members_exclusive: Whether nobody else may have the roles named in O(iam_members); else members are only added.
force: With O(state=absent), delete the objects in the bucket, too.
own_only:
  - With O(state=present), a bucket that was made here is private unless O(uniform_bucket_level_access) and
    O(public_access_prevention) say otherwise. One of others keeps these where they are not given, with a warning that tells what
    they are, and its labels beside those of O(labels).
  - With O(state=absent), leave what this collection did not make. A bucket that this module created has the label
    C(made-by=mlops-tfserving); one without it stays, also with O(force).
  - Give the label to a bucket of your own, and it counts as made here.
model_path:
  - With O(own_only), the folder of a model whose published versions go. What else the bucket holds stays, and the bucket
    with it, unless O(force) says otherwise of a bucket that was made here.
  - Published is what a version's manifest names and nobody changed.
  - Otherwise, with O(site), the folder that the site uses.
more_model_paths: Folders of other models in the bucket that the site uses, too, for its labels.
removes:
  - With O(state=absent) and O(own_only), what of this site's goes. V(versions) is the published versions below O(model_path),
    and the bucket if it holds nothing else; V(bucket) the bucket, if it holds nothing.
  - V(label) is nothing but the labels of O(site), whatever else is said.
site:
  - What a site is called among those that share the bucket, as C(PROJECT/LOCATION/CLUSTER/NAMESPACE/NAME). The bucket gets a
    label that says so for the model below O(model_path), beside whatever O(labels) has.
  - With O(state=absent) and O(own_only) neither the model's versions nor the bucket go while another site has such a label
    for them, also with O(force). This site's label goes.
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
shared_with:
  description: Other sites that use the model below O(model_path), by the bucket's labels; with O(state=absent) those that use the
    bucket.
  type: list
  elements: str
  returned: with O(site)
kept:
  description: Why the bucket stays, with O(own_only); empty when it does not.
  type: str
  returned: with state absent
"""

from ..module_utils import outcome
from ..module_utils.gcp.options import GCS_ENDPOINT, Json, answered, module_spec
from ..module_utils.gcp.packages import PACKAGES
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


SPEC = module_spec(
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
    site={"type": "str"},
    more_model_paths={"type": "list", "elements": "str", "default": []},
    removes={"type": "str", "choices": ["versions", "bucket", "label"], "default": "versions"},
)


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

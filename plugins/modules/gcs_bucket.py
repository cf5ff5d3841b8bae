#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

"""Creates, updates and removes a Cloud Storage bucket."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcs_bucket
short_description: Converge a Cloud Storage bucket
version_added: 0.1.0
description:
  - Creates a bucket, private unless asked otherwise, changes what differs, or removes it.
  - An option that is not given is not managed.
author: The mlops.tfserving developers
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
    description: Labels; all others are removed.
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
  force:
    description: With O(state=absent), delete the objects in the bucket, too.
    type: bool
    default: false
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
"""

RETURN = r"""
bucket:
  description: The bucket as the API shows it; empty when it does not exist.
  type: dict
  returned: success
objects_removed:
  description: How many objects were deleted with the bucket, or would be.
  type: int
  returned: with state absent
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.gcp.errors import ApiError, BadInput
from ..module_utils.gcp.options import GCS_ENDPOINT, Json, argument_spec, run
from ..module_utils.gcp.rest import connect
from ..module_utils.gcs import bucket as plan
from ..module_utils.gcs.storage import Storage


def current_bucket(storage: Storage, name: str) -> Json | None:
    try:
        return storage.bucket(name)
    except ApiError as error:
        if error.status == 403:
            raise BadInput(
                f"bucket {name} exists and this account may not see it: it belongs to another project (choose another "
                "name), or the account lacks storage.buckets.get."
            ) from error
        raise


def present(storage: Storage, params: Json, check_mode: bool) -> Json:
    name = params["name"]
    current = current_bucket(storage, name)
    if current is None:
        body = plan.creation(params)
        if not check_mode:
            try:
                current = storage.create_bucket(params["project"], body)
            except ApiError as error:
                if error.status == 409:
                    raise BadInput(f"bucket {name} belongs to somebody else: choose another name.") from error
                raise
        return {"changed": True, "bucket": current or {}, "diff": {"before": {}, "after": body}}
    body = plan.patch(params, current)
    diff = {"before": plan.before(body, current), "after": body}
    if body and not check_mode:
        current = storage.patch_bucket(name, body, current["metageneration"])
    return {"changed": bool(body), "bucket": current, "diff": diff}


def absent(storage: Storage, params: Json, check_mode: bool) -> Json:
    name = params["name"]
    current = current_bucket(storage, name)
    if current is None:
        return {"changed": False, "bucket": {}, "objects_removed": 0, "diff": {"before": {}, "after": {}}}
    objects = list(storage.objects(name, "", versions=bool(current.get("versioning", {}).get("enabled"))))
    if objects and not params["force"]:
        raise BadInput(f"bucket {name} holds {len(objects)} objects: set force: true to delete them with it.")
    if not check_mode:
        for item in objects:
            storage.delete(name, item["name"], item["generation"])
        storage.delete_bucket(name)
    diff = {"before": {"name": name, "objects": [item["name"] for item in objects]}, "after": {}}
    return {"changed": True, "bucket": {}, "objects_removed": len(objects), "diff": diff}


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(
            GCS_ENDPOINT,
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            name={"type": "str", "required": True},
            location={"type": "str"},
            storage_class={"type": "str", "choices": ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"]},
            labels={"type": "dict"},
            versioning={"type": "bool"},
            uniform_bucket_level_access={"type": "bool"},
            public_access_prevention={"type": "str", "choices": ["enforced", "inherited"]},
            soft_delete_seconds={"type": "int"},
            force={"type": "bool", "default": False},
        ),
        supports_check_mode=True,
    )

    def work() -> Json:
        params = module.params
        plan.check(params)
        storage = Storage(connect(params))
        return (present if params["state"] == "present" else absent)(storage, params, module.check_mode)

    run(module, work)


if __name__ == "__main__":
    main()

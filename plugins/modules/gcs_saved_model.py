#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

"""Publishes, lists and removes versions of a model in a bucket."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcs_saved_model
short_description: Publish a version of a TensorFlow SavedModel to Cloud Storage
version_added: 0.1.0
description:
  - Uploads a SavedModel as C(gs://BUCKET/PATH/VERSION), so that no reader ever takes half a version for a whole one.
    Data comes first, then a manifest with the hashes of every file, then C(saved_model.pb).
  - Every object is created under the condition that it does not exist, and its checksum is compared.
  - The same content again is no change. Other content under a published number is refused. What an interrupted
    run left is completed.
author: The mlops.tfserving developers
options:
  state:
    description:
      - V(present) publishes O(source).
      - V(absent) removes O(version), C(saved_model.pb) first.
      - V(listed) only lists the versions.
    type: str
    choices: [present, absent, listed]
    default: present
  bucket:
    description: The bucket.
    type: str
    required: true
  path:
    description: The model's path in the bucket.
    type: str
    required: true
  model:
    description: The model's name, for the manifest. The last part of O(path) if unset.
    type: str
  version:
    description:
      - The version's number.
      - Without it the number that has this content already, or else the next free one.
    type: int
  source:
    description: The folder of the SavedModel.
    type: path
extends_documentation_fragment:
  - mlops.tfserving.gcp
  - mlops.tfserving.gcp.gcs
  - mlops.tfserving.gcp.planned
requirements:
  - google-crc32c (Python package)
"""

EXAMPLES = r"""
- name: Publish the model
  mlops.tfserving.gcs_saved_model:
    project: my-project
    bucket: my-project-models
    path: models/image_classifier
    source: /models/image_classifier/1
  register: published
"""

RETURN = r"""
version:
  description: The version's number.
  type: int
  returned: with state present
uri:
  description: Where the version is.
  type: str
  returned: with state present
  sample: gs://my-project-models/models/image_classifier/1
manifest:
  description: What the version consists of.
  type: dict
  returned: with state present
versions:
  description: Every version in the bucket, the oldest first.
  type: list
  elements: dict
  returned: with state listed
  sample: [{"version": 1, "complete": true, "size": 18900000, "digest": "ab12", "created": "2026-01-01T00:00:00Z"}]
"""

import datetime
import getpass
import json
import socket
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..module_utils.gcp.errors import BadInput
from ..module_utils.gcp.options import GCS_ENDPOINT, Json, argument_spec, run
from ..module_utils.gcp.rest import connect
from ..module_utils.gcs.manifest import MANIFEST, SAVED_MODEL, digest, manifest, read_model
from ..module_utils.gcs.publish import Refused, Version, group, parse_manifest, plan
from ..module_utils.gcs.storage import CRC32C_IMPORT_ERROR, Storage, crc32c
from ..module_utils.progress import progress

LARGE = 32 * 2**20


def versions_of(storage: Storage, bucket: str, path: str) -> dict[int, Version]:
    if storage.bucket(bucket) is None:
        return {}
    found = {}
    for number, objects in group(storage.objects(bucket, f"{path}/"), path).items():
        text = storage.read(bucket, f"{path}/{number}/{MANIFEST}") if MANIFEST in objects else None
        found[number] = Version(number, objects, parse_manifest(text))
    return found


def present(storage: Storage, params: Json, check_mode: bool) -> Json:
    bucket, path = params["bucket"], params["path"]
    files = read_model(params["source"])
    versions = versions_of(storage, bucket, path)
    try:
        todo = plan(files, digest(files), versions, params["version"])
    except Refused as error:
        raise BadInput(f"gs://{bucket}/{path}: {error}.") from None
    prefix = f"{path}/{todo.version}"
    result: Json = {"changed": todo.changed, "version": todo.version, "uri": f"gs://{bucket}/{prefix}"}
    if not todo.changed:
        return {**result, "manifest": versions[todo.version].manifest, "diff": {"before": "", "after": ""}}
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    creator = f"{getpass.getuser()}@{socket.gethostname()}"
    content = manifest(
        params["model"] or path.rpartition("/")[2], todo.version, files, created=now, creator=creator
    )
    before = "".join(f"{prefix}/{name}\n" for name in todo.remove)
    after = "".join(f"{prefix}/{name}\n" for name in todo.upload)
    result |= {"manifest": content, "diff": {"before": before, "after": after}}
    if check_mode:
        return result
    by_path = {file.path: file for file in files}
    for name in todo.remove:
        storage.delete(bucket, f"{prefix}/{name}")
    total, done = sum(by_path[name].size for name in todo.upload if name in by_path), 0
    for name in todo.upload:
        target = f"{prefix}/{name}"
        if name == MANIFEST:
            text = json.dumps(content, indent=1).encode()
            storage.upload(bucket, target, text, crc32c(text), content_type="application/json")
            continue

        def tell(sent: int, name: str = name, done: int = done) -> None:
            if total > LARGE:
                progress(f"{name}: {(done + sent) / 2**20:.0f} of {total / 2**20:.0f} MiB")

        storage.upload(
            bucket, target, Path(params["source"]).expanduser() / name, by_path[name].crc32c, progress=tell
        )
        done += by_path[name].size
    return result


def absent(storage: Storage, params: Json, check_mode: bool) -> Json:
    if params["version"] is None:
        raise BadInput("state=absent needs version.")
    version = versions_of(storage, params["bucket"], params["path"]).get(params["version"])
    objects = sorted(version.objects if version else {}, key=lambda path: (path != SAVED_MODEL, path))
    names = [f"{params['path']}/{params['version']}/{path}" for path in objects]
    if not check_mode:
        for name in names:
            storage.delete(params["bucket"], name)
    return {"changed": bool(names), "diff": {"before": "".join(f"{name}\n" for name in names), "after": ""}}


def listed(storage: Storage, params: Json) -> Json:
    found = []
    for number, version in sorted(versions_of(storage, params["bucket"], params["path"]).items()):
        found.append(
            {
                "version": number,
                "complete": version.complete,
                "size": sum(int(item["size"]) for item in version.objects.values()),
                "digest": version.digest,
                "created": (version.manifest or {}).get("created"),
            }
        )
    return {"changed": False, "versions": found}


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(
            GCS_ENDPOINT,
            state={"type": "str", "choices": ["present", "absent", "listed"], "default": "present"},
            bucket={"type": "str", "required": True},
            path={"type": "str", "required": True},
            model={"type": "str"},
            version={"type": "int"},
            source={"type": "path"},
        ),
        required_if=[("state", "present", ["source"]), ("state", "absent", ["version"])],
        supports_check_mode=True,
    )
    if CRC32C_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("google-crc32c"), exception=CRC32C_IMPORT_ERROR)

    def work() -> Json:
        params = {**module.params, "path": module.params["path"].strip("/")}
        if params["version"] is not None and params["version"] < 1:
            raise BadInput(f"version {params['version']}: versions are numbered from 1.")
        storage = Storage(connect(params))
        if params["state"] == "listed":
            return listed(storage, params)
        return (present if params["state"] == "present" else absent)(storage, params, module.check_mode)

    run(module, work)


if __name__ == "__main__":
    main()

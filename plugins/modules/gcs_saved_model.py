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
  - Puts a SavedModel at C(gs://BUCKET/PATH/VERSION), so that no reader ever takes half a version for a whole one.
    Data comes first, then a manifest with the hashes of every file, then C(saved_model.pb). Every object is created
    under the condition that it does not exist, and its checksum is compared. Nothing is ever replaced.
  - The same content again is no change. Other content under a published number is refused. What an interrupted
    run left is completed by the next one, byte by byte where that run was on this machine.
  - Of two publishers of the same number one wins, and the other is told so; nobody gets a mixture. The protocol is
    in C(docs/publishing.md).
  - A model that TF Serving would not load is refused, see M(mlops.tfserving.saved_model_info).
author: The mlops.tfserving developers (!UNKNOWN)
options:
  state:
    description:
      - V(present) publishes O(source).
      - V(absent) removes O(version), C(saved_model.pb) first.
      - V(pruned) removes all but the newest O(keep) complete versions and those in O(in_use), and attempts that were
        abandoned for more than 7 days. What others put beside the versions stays.
      - V(listed) only lists the versions.
    type: str
    choices: [present, absent, pruned, listed]
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
      - Without it the number that has this content already, or was begun with it, or else the next free one.
    type: int
  source:
    description:
      - The folder of the SavedModel.
      - Or an archive that holds one (C(.tar.gz), C(.tgz), C(.tar), C(.zip)), at its top or in a folder. Only files and
        folders are taken from it; with links, devices or names that lead out of it, it is refused.
      - Or C(gs://BUCKET/PATH/VERSION), from where it is copied within Cloud Storage. If there is a manifest, its
        hashes are compared and taken over. Else the version is verified by the MD5 that Cloud Storage knows.
    type: path
  archive_size_max:
    description: Bytes of an archive's files together, above which it is refused.
    type: int
    default: 21474836480
  require_loadable:
    description:
      - Whether a SavedModel is refused for which TF Serving would fail.
      - Turn it off for a model whose variables are set by other means than restoring.
    type: bool
    default: true
  keep:
    description: With O(state=pruned), how many of the newest complete versions stay. At least 1.
    type: int
  in_use:
    description: Numbers of versions that are served, or may be returned to. They are never removed.
    type: list
    elements: int
    default: []
  force:
    description: With O(state=absent), remove a version that somebody began to publish, too.
    type: bool
    default: false
extends_documentation_fragment:
  - mlops.tfserving.gcp
  - mlops.tfserving.gcp.gcs
  - mlops.tfserving.gcp.planned
requirements:
  - google-crc32c (Python package)
  - protobuf (Python package)
"""

EXAMPLES = r"""
- name: Publish the model
  mlops.tfserving.gcs_saved_model:
    project: my-project
    bucket: my-project-models
    path: models/image_classifier
    source: /models/image_classifier/1
  register: published

- name: Take version 7 over from the team that trains it
  mlops.tfserving.gcs_saved_model:
    project: my-project
    bucket: my-project-models
    path: models/image_classifier
    source: gs://research-models/efficientnet/42
    version: 7

- name: Keep the newest three, and what is served
  mlops.tfserving.gcs_saved_model:
    project: my-project
    bucket: my-project-models
    path: models/image_classifier
    state: pruned
    keep: 3
    in_use: [4]
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
  description: What the version consists of, with sha256, crc32c and size of every file, and the signatures.
  type: dict
  returned: with state present
created:
  description: Names of the objects that were created, or would be, in this order.
  type: list
  elements: str
  returned: with state present
removed:
  description: Names of the objects that were removed, or would be, in this order.
  type: list
  elements: str
  returned: with states absent and pruned
removed_versions:
  description: Numbers of the versions that were removed, or would be.
  type: list
  elements: int
  returned: with state pruned
versions:
  description:
    - Every version in the bucket, the oldest first.
    - C(state) is C(complete), C(unfinished) (somebody began to publish it), C(damaged) (not what its
      manifest says) or C(unmanaged) (without manifest); C(problems) says what is wrong.
  type: list
  elements: dict
  returned: with state listed
  sample:
    - version: 1
      state: complete
      complete: true
      problems: []
      size: 18900000
      digest: ab12
      created: "2026-01-01T00:00:00Z"
      creator: ci@builder
"""

import datetime
import getpass
import os
import socket
import tempfile
from pathlib import Path

from ..module_utils.gcp.errors import BadInput
from ..module_utils.gcp.options import GCS_ENDPOINT, Json, answered, argument_spec
from ..module_utils.gcp.options import PACKAGES as GOOGLE_PACKAGES
from ..module_utils.gcp.rest import connect
from ..module_utils.gcs.manifest import make_manifest
from ..module_utils.gcs.publish import Version, plan, prunable
from ..module_utils.gcs.publisher import Model
from ..module_utils.gcs.source import Folder, Prefix, Source, is_prefix
from ..module_utils.gcs.storage import Storage
from ..module_utils.no_log import Module
from ..module_utils.outcome import end, require
from ..module_utils.progress import progress
from ..module_utils.saved_model.archive import is_archive, unpack
from ..module_utils.saved_model.checksum import CRC32C_IMPORT_ERROR
from ..module_utils.saved_model.errors import InvalidModel
from ..module_utils.saved_model.files import MANIFEST
from ..module_utils.saved_model.messages import PROTOBUF_IMPORT_ERROR


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def creator() -> str:
    """Who publishes. A container may run as a user that has no name."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def open_source(storage: Storage, params: Json, scratch: str) -> Source:
    source = params["source"]
    if is_prefix(source):
        return Prefix(storage, source)
    if is_archive(source) and not Path(source).is_dir():
        try:
            return Folder(str(unpack(Path(source), Path(scratch), params["archive_size_max"])), source)
        except InvalidModel as error:
            raise BadInput(f"{error}.") from error
    return Folder(source)


def lines(names: list[str]) -> str:
    return "".join(f"{name}\n" for name in names)


def present(storage: Storage, model: Model, params: Json, check_mode: bool) -> Json:
    bucket, path = params["bucket"], params["path"]
    with tempfile.TemporaryDirectory(prefix="saved-model-") as scratch:
        source = open_source(storage, params, scratch)
        versions = model.versions(lenient=check_mode)
        todo = plan(source.files, versions, params["version"], now=now())
        current = versions.get(todo.version, Version(todo.version))
        prefix = f"{path}/{todo.version}"
        created = [f"{prefix}/{name}" for name in todo.upload]
        there = sorted(f"{prefix}/{name}" for name in current.objects)
        claim = [f"{path}/.publishing/{todo.version}.json"] if todo.release else []
        result: Json = {
            "changed": todo.changed, "version": todo.version, "uri": f"gs://{bucket}/{prefix}", "created": created,
            "manifest": current.manifest,
            "diff": {"before": lines(there + claim), "after": lines(sorted(there + created))},
        }  # fmt: skip
        if not todo.changed:
            return result
        info = source.inspect() if todo.upload else None
        if info is not None and not info.loadable and params["require_loadable"]:
            raise BadInput(f"source {source.name} can't be served: {'; '.join(info.problems)}.")
        manifest = current.manifest or make_manifest(
            params["model"] or path.rpartition("/")[2], todo.version, source.files, info,
            created=now().isoformat(timespec="seconds").replace("+00:00", "Z"),
            creator=creator(), source=source.name,
        )  # fmt: skip
        if not check_mode:
            progress(f"version {todo.version} of gs://{bucket}/{path}: {len(created)} objects to create")
            manifest = model.publish(source, todo, manifest, current)
        return result | {"manifest": manifest}


def absent(model: Model, params: Json, check_mode: bool) -> Json:
    number = params["version"]
    if number in params["in_use"]:
        raise BadInput(f"version {number} of {model} is in use: serve another one first.")
    version = model.versions(lenient=True).get(number)
    if version is not None and version.state == "unfinished" and not params["force"]:
        raise BadInput(
            f"version {number} of {model} is being published by {version.claim}. Wait for it to end; if that publisher "
            "is gone for good, set force: true."
        )
    names = model.names(version) if version else []
    if version is not None and not check_mode:
        model.remove(version)
    return {"changed": bool(names), "removed": names, "diff": {"before": lines(names), "after": ""}}


def pruned(model: Model, params: Json, check_mode: bool) -> Json:
    versions = model.versions(lenient=True)
    old, abandoned = prunable(versions, params["keep"], params["in_use"], now=now())
    going = sorted(old + abandoned)
    names = [name for number in going for name in model.names(versions[number])]
    if not check_mode:
        for number in going:
            progress(f"removing version {number} of {model}")
            model.remove(versions[number])
    return {
        "changed": bool(names),
        "removed": names,
        "removed_versions": going,
        "diff": {"before": lines(names), "after": ""},
    }


def listed(model: Model) -> Json:
    return {
        "changed": False,
        "versions": [
            {
                "version": number,
                "state": version.state,
                "complete": version.complete,
                "problems": version.problems,
                "size": sum(int(o["size"]) for path, o in version.objects.items() if path != MANIFEST),
                "digest": version.digest,
                "created": (version.manifest or {}).get("created"),
                "creator": (version.manifest or {}).get("creator"),
            }
            for number, version in sorted(model.versions(lenient=True).items())
        ],
    }


def check(params: Json) -> None:
    """Refuses what can't be meant, before anything is asked."""
    needed = {"present": "source", "absent": "version", "pruned": "keep"}.get(params["state"])
    if needed is not None and params[needed] in (None, ""):
        raise BadInput(f"state={params['state']} needs {needed}.")
    if params["version"] is not None and not 1 <= params["version"] < 2**63:
        raise BadInput(f"version {params['version']}: versions are numbered from 1.")
    if params["keep"] is not None and params["keep"] < 1:
        raise BadInput(f"keep {params['keep']}: at least the newest version stays.")
    parts = params["path"].split("/")
    if any(part in ("", ".", "..") for part in parts) or any(ord(c) < 32 for c in params["path"]):
        raise BadInput(
            f"path {params['path']!r}: a model's path is folders' names with slashes between them."
        )
    if parts[-1].isdigit():
        raise BadInput(
            f"path {params['path']!r} ends with a number, which TF Serving would take for a version: the path is the "
            "model's folder, and the version's number is the option version."
        )


SPEC: Json = {
    "argument_spec": argument_spec(
        GCS_ENDPOINT,
        state={"type": "str", "choices": ["present", "absent", "pruned", "listed"], "default": "present"},
        bucket={"type": "str", "required": True},
        path={"type": "str", "required": True},
        model={"type": "str"},
        version={"type": "int"},
        source={"type": "path"},
        archive_size_max={"type": "int", "default": 20 * 2**30},
        require_loadable={"type": "bool", "default": True},
        keep={"type": "int"},
        in_use={"type": "list", "elements": "int", "default": []},
        force={"type": "bool", "default": False},
    ),
    "supports_check_mode": True,
}

PACKAGES = {**GOOGLE_PACKAGES, "google-crc32c": CRC32C_IMPORT_ERROR, "protobuf": PROTOBUF_IMPORT_ERROR}


def answer(params: Json, *, check_mode: bool) -> Json:
    params = {**params, "path": params["path"].strip("/")}

    def work() -> Json:
        check(params)
        storage = Storage(connect(params))
        model = Model(storage, params["bucket"], params["path"], progress)
        if params["state"] == "present":
            return present(storage, model, params, check_mode)
        if params["state"] == "listed":
            return listed(model)
        return (absent if params["state"] == "absent" else pruned)(model, params, check_mode)

    return answered(params, work)


def main() -> None:
    module = Module(**SPEC)
    require(module, PACKAGES)
    end(module, answer(module.params, check_mode=module.check_mode))


if __name__ == "__main__":
    main()

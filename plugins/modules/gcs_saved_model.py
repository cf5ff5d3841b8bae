#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Publishes, lists and removes versions of a model in a bucket."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gcs_saved_model
short_description: Publish a version of a TensorFlow SavedModel to Cloud Storage
version_added: 0.1.0
description:
  - Puts a SavedModel at C(gs://BUCKET/PATH/VERSION), so that no reader ever takes half a version for a whole one.
    Data comes first, then a manifest with the hashes of every file, then C(saved_model.pb) (or C(saved_model.pbtxt)). Every object is created
    under the condition that it does not exist, and its checksum is compared. Nothing is ever replaced.
  - The same content again is no change. Other content under a published number is refused. What an interrupted
    run left is completed by the next one, byte by byte where that run was on this machine.
  - Of two publishers of the same number one wins, and the other is told so; nobody gets a mixture. The protocol is
    in C(docs/publishing.md).
  - A bucket that keeps what is created in it, by a retention policy without versioning or by a default hold, is refused before
    anything is written to it.
  - A model that TF Serving would not load is refused, see M(mlops.tfserving.saved_model_info).
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.gcs_saved_model
  - mlops.tfserving.gcp
  - mlops.tfserving.gcp.planned
requirements:
  - google-crc32c (Python package)
  - protobuf (Python package)
"""

OPTIONS = r"""
state:
  - V(present) publishes O(source).
  - V(absent) removes O(version), C(saved_model.pb) first.
  - V(pruned) removes all but the newest O(keep) complete versions and those in O(in_use), and attempts that were
    abandoned for more than 7 days. What others put beside the versions stays.
  - V(listed) only lists the versions.
bucket: The bucket.
path: The model's path in the bucket.
model: The model's name, for the manifest. The last part of O(path) if unset.
version:
  - The version's number.
  - Without it the number that has this content already, or was begun with it, or else the next free one.
source:
  - The folder of the SavedModel.
  - Or an archive that holds one (C(.tar), C(.tar.gz), C(.tar.bz2), C(.tar.xz), C(.zip)), at its top or in a folder. Only
    files, folders and hard links are taken from it; with other links, devices or names that lead out of it, it is refused.
  - Or C(gs://BUCKET/PATH/VERSION), from where it is copied within Cloud Storage. If there is a manifest, its hashes are
    compared and taken over. Else the version is verified by the MD5 that Cloud Storage knows.
tags: The tags of the graph that is served, by which the SavedModel is looked at; the flag C(--saved_model_tags) of TF Serving.
archive_size_max: Bytes of an archive's files together, above which it is refused.
require_loadable:
  - Whether a SavedModel is refused for which TF Serving would fail.
  - Turn it off for a model whose variables are set by other means than restoring.
keep: With O(state=pruned), how many of the newest complete versions stay. At least 1.
in_use: Numbers of versions that are served, or may be returned to. They are never removed.
force: With O(state=absent), remove a version that somebody began to publish, too.
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
left_out:
  description: Files and folders that lie there and are not taken for a part of the model, such as C(.DS_Store) and C(.git).
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
    - C(state) is C(complete), C(unfinished) (somebody began to publish or remove it), C(damaged) (not what its
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

from ..module_utils import outcome
from ..module_utils.gcp import packages
from ..module_utils.gcp.options import GCS_ENDPOINT, Json, answered, module_spec
from ..module_utils.gcs import saved_model
from ..module_utils.saved_model.info import PACKAGES as READERS

SPEC = module_spec(
    GCS_ENDPOINT,
    state={"type": "str", "choices": ["present", "absent", "pruned", "listed"], "default": "present"},
    bucket={"type": "str", "required": True},
    path={"type": "str", "required": True},
    model={"type": "str"},
    version={"type": "int"},
    source={"type": "path"},
    tags={"type": "list", "elements": "str", "default": ["serve"]},
    archive_size_max={"type": "int", "default": 20 * 2**30},
    require_loadable={"type": "bool", "default": True},
    keep={"type": "int"},
    in_use={"type": "list", "elements": "int", "default": []},
    force={"type": "bool", "default": False},
)

PACKAGES = {**packages.PACKAGES, **READERS}


def answer(params: Json, *, check_mode: bool) -> Json:
    return answered(params, lambda: saved_model.converge(params, check_mode))


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()

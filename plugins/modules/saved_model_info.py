#!/usr/bin/python
# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

"""Tells what a SavedModel is, and whether TF Serving would load it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: saved_model_info
short_description: Read a TensorFlow SavedModel without TensorFlow
version_added: 0.1.0
description:
  - Reads signatures, tags, variables, assets, size and hashes of a SavedModel in a folder.
  - Says whether TF Serving would load it and answer, as far as that can be told without TensorFlow. Every data file
    of the variables is there and as long as the index says; every variable that the graph restores is in the index;
    the checksums of all variables match; no asset is missing; the warm-up requests are complete; and no signature
    uses a variable that is never restored, as those of Keras 3 models do that were saved by
    C(tf.saved_model.save). TensorFlow 2 itself loads such a model, and TF Serving answers every request with an
    error.
  - So are operations that TF Serving's own build lacks, lookup tables that nothing fills, and parts that jax2tf lowered for
    other platforms than the CPU, or wrote in a form that TensorFlow does not read. Known are the operations of TensorFlow 2.21,
    TF Text and Decision Forests. Too little memory is found by starting it only.
  - A model of any size is read in a few megabytes of memory.
author: The mlops.tfserving developers (!UNKNOWN)
extends_documentation_fragment:
  - mlops.tfserving.options.saved_model_info
  - mlops.tfserving.info
attributes:
  action_group:
    support: full
    description: The groups whose C(module_defaults) reach it.
    membership: [mlops.tfserving.all]
requirements:
  - google-crc32c (Python package)
  - protobuf (Python package)
"""

OPTIONS = r"""
path: The folder, which holds C(saved_model.pb), or C(saved_model.pbtxt).
tags: The tags of the graph that is served; the flag C(--saved_model_tags) of TF Serving.
"""

EXAMPLES = r"""
- name: Look at the model
  mlops.tfserving.saved_model_info:
    path: /models/image_classifier/1
  register: model

- name: Stop at one that cannot be served
  ansible.builtin.assert:
    that: model.loadable
    fail_msg: "{{ model.problems | join('; ') }}"
"""

RETURN = r"""
loadable:
  description: Whether nothing was found for which TF Serving would fail.
  type: bool
  returned: success
problems:
  description: Why it would fail, one sentence each.
  type: list
  elements: str
  returned: success
warnings_found:
  description: What works and may surprise, one sentence each.
  type: list
  elements: str
  returned: success
signatures:
  description: Signatures by name.
  type: dict
  returned: success
  sample:
    serving_default:
      method_name: tensorflow/serving/predict
      inputs: {x: {name: "serving_default_x:0", dtype: float32, shape: [null, 224, 224, 3]}}
      outputs: {scores: {name: "StatefulPartitionedCall:0", dtype: float32, shape: [null, 1000]}}
tags:
  description: Tags of the graph.
  type: list
  elements: str
  returned: success
  sample: [serve]
tensorflow_version:
  description: Version of TensorFlow that wrote it.
  type: str
  returned: success
  sample: 2.21.0
variables:
  description: How many variables there are, their bytes, and in how many data files.
  type: dict
  returned: success
  sample: {count: 103, size: 18584992, shards: 1}
assets:
  description: Names of the assets that the graph reads.
  type: list
  elements: str
  returned: success
warmup_records:
  description: How many requests TF Serving sends the model before it is ready.
  type: int
  returned: success
left_out:
  description: Files and folders that lie there and are not taken for a part of the model, such as C(.DS_Store) and C(.git).
  type: list
  elements: str
  returned: success
size:
  description: Bytes of all files.
  type: int
  returned: success
sha256:
  description: One hash for the whole content, the C(digest) of a published version's manifest.
  type: str
  returned: success
files:
  description: Every file with path, size in bytes and hashes.
  type: list
  elements: dict
  returned: success
  sample: [{path: saved_model.pb, size: 61000, sha256: "9f86d0…", crc32c: "yZRlqg=="}]
"""

from ..module_utils import outcome
from ..module_utils.saved_model.info import PACKAGES, Json, read

SPEC: Json = {
    "argument_spec": {
        "path": {"type": "path", "required": True},
        "tags": {"type": "list", "elements": "str", "default": ["serve"]},
    },
    "supports_check_mode": True,
}


def answer(params: Json, *, check_mode: bool) -> Json:
    return read(params["path"], params["tags"])


def main() -> None:
    outcome.main(SPEC, PACKAGES, answer)


if __name__ == "__main__":
    main()

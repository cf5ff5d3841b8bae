#!/usr/bin/env bash
# SPDX-FileCopyrightText: The mlops.tfserving developers
# SPDX-License-Identifier: Apache-2.0
#
# A jax2tf model that was lowered for GPUs loads on a CPU, and answers each request with NOT_FOUND.
#
# Good guess:   a SavedModel is portable: what was exported for GPUs runs on a CPU, more slowly, or does not load.
# What happens: its one operation, XlaCallModule, holds code for the platforms it was lowered for. Loading in a session says
#               nothing. Each request fails with NOT_FOUND: "The current platform CPU is not among the platforms required by
#               the module: [CUDA]". native_serialization_platforms=["cpu", "cuda"] makes one that runs on both.
# Seen with:    jax 0.10.2, tensorflow-cpu 2.21.0.
# Matters when: a model is exported on the training machine and served on CPU nodes. TF Serving says AVAILABLE, and its 404 is
#               that of a model it does not have.

set -euo pipefail
sed '1,4d;/^$/q;s/^# \{0,1\}//' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
"$work/bin/pip" install --quiet --no-compile jax==0.10.2 tensorflow-cpu==2.21.0 || exit 2
cd "$work"
JAX_PLATFORMS=cpu TF_CPP_MIN_LOG_LEVEL=3 timeout 300 "$work/bin/python" - 2>errors <<'PY' || { code=$?; tail -n 3 errors; exit $code; }
import sys

import jax
import tensorflow as tf
from jax.experimental import jax2tf

v1 = tf.compat.v1
print("jax", jax.__version__, "tensorflow", tf.__version__)
seen = {}
for platforms in (["cuda"], ["cpu", "cuda"]):
    module = tf.Module()
    converted = jax2tf.convert(lambda x: x * 2, native_serialization_platforms=platforms)
    module.f = tf.function(converted, autograph=False, input_signature=[tf.TensorSpec((1,), tf.float32, name="x")])
    folder = "-".join(platforms)
    tf.saved_model.save(module, folder, signatures=module.f)
    with tf.Graph().as_default(), v1.Session() as session:
        signature = v1.saved_model.loader.load(session, ["serve"], folder).signature_def["serving_default"]
        (x,), (y,) = signature.inputs.values(), signature.outputs.values()
        try:
            seen[folder] = str(session.run(y.name, {x.name: [3.0]}))
        except tf.errors.NotFoundError as error:
            seen[folder] = next(line for line in str(error).splitlines() if "platform" in line)
    print(f"lowered for {platforms}: loads; a request: {seen[folder]}")
expected = "CPU is not among the platforms" in seen["cuda"] and seen["cpu-cuda"] == "[6.]"
sys.exit(0 if expected else "CHANGED")
PY

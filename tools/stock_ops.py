"""Writes plugins/module_utils/saved_model/stock_ops.py: the operations that TF Serving's own build has.

Run with ``pip install tensorflow-cpu==2.21.0 && pip install --no-deps tensorflow-text==2.21.1``.
"""

import textwrap
from pathlib import Path

import tensorflow as tf
import tensorflow_text  # noqa: F401 (it registers its operations)
from tensorflow.core.framework.op_def_pb2 import OpList
from tensorflow.python.client import pywrap_tf_session

TARGET = Path(__file__).resolve().parents[1] / "plugins/module_utils/saved_model/stock_ops.py"
# tensorflow_decision_forests/tensorflow/ops/inference of 1.12.0.
FORESTS = (
    "SimpleMLCreateModelResource", "SimpleMLInferenceLeafIndexOpWithHandle", "SimpleMLInferenceOp",
    "SimpleMLInferenceOpWithHandle", "SimpleMLLoadModelFromPath", "SimpleMLLoadModelFromPathWithHandle",
)  # fmt: skip

known = OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
# Those that begin with _ are TensorFlow's own business; whoever reads the list lets them pass.
names = sorted({op.name for op in known.op if op.name[0] != "_"}.union(FORESTS))
TARGET.write_text(f'''"""Operations of TensorFlow {tf.__version__} and of what TF Serving links besides (model_servers/BUILD): TF Text, Decision Forests.

Made by tools/stock_ops.py.
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

STOCK = frozenset(
    """
{textwrap.fill(" ".join(names), 158, break_long_words=False, break_on_hyphens=False)}
""".split()  # noqa: SIM905
)
''')

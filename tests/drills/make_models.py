"""Makes the small models of the drills, with TensorFlow: ``python3 make_models.py FOLDER``.

All have one signature, ``serving_default``: ``x`` float32 [batch] -> ``y`` float32 [batch]. They are committed, since
the tests' environment has no TensorFlow; run this in the image of the model server to make them anew.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import tensorflow as tf


class Line(tf.Module):
    """y = slope * x + 1, after some pointless multiplications."""

    def __init__(self, slope: float, work: int = 0) -> None:
        super().__init__()
        self.slope = tf.Variable(slope, trainable=False)
        self._work = work

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])
    def answer(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        y = x * self.slope + 1.0
        if self._work:
            square = tf.eye(128) + tf.reduce_sum(x) * 0.0
            product = tf.while_loop(
                lambda i, _: i < self._work, lambda i, m: (i + 1, tf.linalg.matmul(m, square)), (0, square)
            )[1]
            y += tf.reduce_sum(product) * 0.0
        return {"y": y}


def main(folder: Path) -> None:
    models = {
        "good": Line(2.0),
        "better": Line(2.0, work=1),
        "wrong": Line(3.0),
        "slow": Line(2.0, work=1000),
    }
    for name, module in models.items():
        target = folder / name
        shutil.rmtree(target, ignore_errors=True)
        tf.saved_model.save(module, str(target), signatures={"serving_default": module.answer})
    # Complete for anybody who looks at its files, and no model for TF Serving: the graph is cut off.
    shutil.rmtree(folder / "broken", ignore_errors=True)
    shutil.copytree(folder / "good", folder / "broken")
    graph = folder / "broken" / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])


if __name__ == "__main__":
    main(Path(sys.argv[1]))

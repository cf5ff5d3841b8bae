"""Exports EfficientNet-Lite0 with its ImageNet weights as a SavedModel with the lab's two signatures.

Run with TensorFlow: ``python3 export.py CHECKPOINT LABELS_JSON PICTURE TARGET``. A ``tf.Module`` that tracks
plain variables gives a model that loads in a V1 session, which is how TF Serving loads, and holds each weight
once. Batch normalisation is folded into the convolutions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
from weights import read_checkpoint

SIZE = 224
TOP = 5
# The share of the shorter side that is kept, as in the evaluation of the published weights.
CROP = 0.875
# kernel, stride, expansion, output channels, repeats; https://arxiv.org/abs/1905.11946, table 1, "lite" variant
BLOCKS = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
EPSILON = 1e-3


class EfficientNetLite0(tf.Module):
    """The network and its two ways in."""

    def __init__(self, tensors: dict[str, np.ndarray], labels: list[str]) -> None:
        super().__init__()
        self._tensors = tensors
        self._used: set[str] = set()
        self.stem = self._convolution("_conv_stem", "_bn0")
        self.blocks = []
        number = 0
        for _, _, expansion, _, repeats in BLOCKS:
            for _ in range(repeats):
                self.blocks.append(self._block(f"_blocks.{number}.", expansion))
                number += 1
        self.head = self._convolution("_conv_head", "_bn1")
        self.weight = tf.Variable(self._take("_fc.weight").T, trainable=False)
        self.bias = tf.Variable(self._take("_fc.bias"), trainable=False)
        self.labels = tf.Variable(tf.constant(labels), trainable=False)
        left = {name for name in tensors if "num_batches" not in name} - self._used
        if left:
            raise SystemExit(f"tensors of the checkpoint that the network has no place for: {sorted(left)}")
        del self._tensors

    def _take(self, name: str) -> np.ndarray:
        self._used.add(name)
        return self._tensors[name]

    def _convolution(self, name: str, norm: str, *, depthwise: bool = False) -> list[tf.Variable]:
        """Kernel and bias of a convolution with its batch normalisation folded in."""
        scale = self._take(f"{norm}.weight") / np.sqrt(self._take(f"{norm}.running_var") + EPSILON)
        bias = self._take(f"{norm}.bias") - self._take(f"{norm}.running_mean") * scale
        kernel = self._take(f"{name}.weight") * scale[:, None, None, None]
        kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        return [tf.Variable(kernel, trainable=False), tf.Variable(bias, trainable=False)]

    def _block(self, prefix: str, expansion: int) -> list[list[tf.Variable]]:
        parts = [self._convolution(f"{prefix}_expand_conv", f"{prefix}_bn0")] if expansion != 1 else []
        parts.append(self._convolution(f"{prefix}_depthwise_conv", f"{prefix}_bn1", depthwise=True))
        parts.append(self._convolution(f"{prefix}_project_conv", f"{prefix}_bn2"))
        return parts

    def scores(self, pixels: tf.Tensor) -> tf.Tensor:
        """Class probabilities, float32 [batch, 1000], of pixels in 0..255, float32 [batch, 224, 224, 3]."""
        x = tf.nn.relu6(_conv((pixels - 127.0) / 128.0, self.stem, 2))
        parts = iter(self.blocks)
        for _, first_stride, expansion, _, repeats in BLOCKS:
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                *expand, depthwise, project = next(parts)
                y = tf.nn.relu6(_conv(x, expand[0], 1)) if expansion != 1 else x
                y = _conv(tf.nn.relu6(_depthwise(y, depthwise, stride)), project, 1)
                x = x + y if stride == 1 and x.shape[-1] == y.shape[-1] else y
        x = tf.reduce_mean(tf.nn.relu6(_conv(x, self.head, 1)), axis=(1, 2))
        return tf.nn.softmax(tf.linalg.matmul(x, self.weight) + self.bias)

    @tf.function(input_signature=[tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32, name="x")])
    def serving_default(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scores": self.scores(x * 255.0)}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="raw_images")])
    def serving_preprocess(self, raw_images: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.device("/cpu:0"):
            spec = tf.TensorSpec((SIZE, SIZE, 3), tf.float32)
            pixels = tf.map_fn(_decode, raw_images, fn_output_signature=spec)
        probabilities, classes = tf.math.top_k(self.scores(pixels), TOP)
        return {"labels": tf.gather(self.labels, classes), "probabilities": probabilities}


def _conv(x: tf.Tensor, part: list[tf.Variable], stride: int) -> tf.Tensor:
    return tf.nn.bias_add(tf.nn.conv2d(x, part[0], stride, "SAME"), part[1])


def _depthwise(x: tf.Tensor, part: list[tf.Variable], stride: int) -> tf.Tensor:
    y = tf.nn.depthwise_conv2d(x, part[0], [1, stride, stride, 1], "SAME")
    return tf.nn.bias_add(y, part[1])


def _decode(encoded: tf.Tensor) -> tf.Tensor:
    """The centre of an encoded picture (JPEG, PNG, GIF or BMP), 0..255, float32 [224, 224, 3]."""
    picture = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    height, width = tf.shape(picture)[0], tf.shape(picture)[1]
    side = tf.cast(tf.cast(tf.minimum(height, width), tf.float32) * CROP, tf.int32)
    centre = tf.image.crop_to_bounding_box(picture, (height - side) // 2, (width - side) // 2, side, side)
    resized = tf.image.resize(centre, (SIZE, SIZE), tf.image.ResizeMethod.BICUBIC, antialias=True)
    return tf.ensure_shape(tf.clip_by_value(resized, 0.0, 255.0), (SIZE, SIZE, 3))


def write_warmup(target: Path, picture: bytes) -> None:
    """One request that TF Serving sends the model before it is ready."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "image_classifier"
    request.model_spec.signature_name = "serving_preprocess"
    request.inputs["raw_images"].CopyFrom(tf.make_tensor_proto([picture]))
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    folder = target / "assets.extra"
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
        writer.write(log.SerializeToString())


def main(checkpoint: str, labels: str, picture: str, target: str) -> None:
    module = EfficientNetLite0(read_checkpoint(Path(checkpoint)), json.loads(Path(labels).read_text()))
    signatures = {
        "serving_default": module.serving_default,
        "serving_preprocess": module.serving_preprocess,
    }
    tf.saved_model.save(module, target, signatures=signatures)
    write_warmup(Path(target), Path(picture).read_bytes())


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Makes the small SavedModels of these tests, by TensorFlow and Keras themselves.

Run with TensorFlow: ``pip install tensorflow-cpu==2.21.0 cramjam==2.14.0`` (it brings Keras 3.15), ``python make_models.py``.
What it writes to ``models/`` is committed, so that the tests need no TensorFlow. It also says of each model
whether it loads in a V1 session and answers, which is how TF Serving loads: the tests' ground truth.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cramjam
import google_crc32c
import jax.numpy as jax_numpy
import keras
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2

MODELS = Path(__file__).resolve().parent / "models"


class Scale(tf.Module):
    """y = x * weight + bias, and the same for numbers given as text."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = tf.Variable(tf.constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), name="weight")
        self.bias = tf.Variable([0.5, 0.25, 0.125], name="bias")

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])
    def scale(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x @ self.weight + self.bias}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="text")])
    def length(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"length": tf.strings.length(text), "sum": tf.reduce_sum(self.bias)}


class Lookup(tf.Module):
    """Words to numbers, by a table that is read from an asset."""

    def __init__(self, vocabulary: Path) -> None:
        super().__init__()
        self.offset = tf.Variable(tf.constant(10, tf.int64))
        source = tf.lookup.TextFileInitializer(
            str(vocabulary), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER,
        )  # fmt: skip
        self.table = tf.lookup.StaticHashTable(source, -1)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="word")])
    def find(self, word: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"number": self.table.lookup(word) + self.offset}


def network() -> Any:
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)])


def good(target: str) -> None:
    module = Scale()
    tf.saved_model.save(
        module, target, signatures={"serving_default": module.scale, "lengths": module.length}
    )


def keras_saved(target: str) -> None:
    tf.saved_model.save(network(), target)


def keras_exported(target: str) -> None:
    network().export(target, verbose=False)


def assets(target: str) -> None:
    vocabulary = Path("words.txt")  # its name becomes part of the model: no folder in it
    vocabulary.write_text("ant\nbee\ncat\n")
    module = Lookup(vocabulary)
    tf.saved_model.save(module, target, signatures=module.find)


def sharded(target: str) -> None:
    module = Scale()
    callback = tf.train.experimental.MaxShardSizePolicy(32)
    options = tf.saved_model.SaveOptions(experimental_sharding_callback=callback)
    tf.saved_model.save(module, target, signatures=module.scale, options=options)


def snappy(target: str) -> None:
    """An index that is compressed, as that of TF Serving's own half_plus_two: other writers of tables do so."""
    module = Scale()
    module.more = [tf.Variable(tf.zeros((3,)), name=f"more_{number}") for number in range(40)]
    tf.saved_model.save(module, target, signatures=module.scale)
    index = Path(target) / "variables/variables.index"
    index.write_bytes(compressed(index.read_bytes()))


def compressed(table: bytes) -> bytes:
    """The table with each of its blocks compressed by snappy, and the places in its index block that follow from it."""
    made = b""

    def block(at: int, size: int, old: bytes = b"") -> bytes:
        nonlocal made
        content = bytes(cramjam.snappy.compress_raw(old or table[at : at + size])) + b"\1"
        place = varint(len(made)) + varint(len(content) - 1)
        value = google_crc32c.value(content)
        masked = ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF
        made += content + masked.to_bytes(4, "little")
        return place

    places = [number for _unused, number in zip(range(4), numbers(table[-48:]), strict=False)]
    pairs = []
    for key, value in raw_pairs(table[places[2] : places[2] + places[3]]):
        pairs.append((key, block(*list(numbers(value))[:2])))
    meta = block(*places[:2])
    rows = b"".join(b"\0" + varint(len(k)) + varint(len(v)) + k + v for k, v in pairs)
    index = block(0, 0, rows + b"\0\0\0\0" + (1).to_bytes(4, "little"))
    return made + (meta + index).ljust(40, b"\0") + table[-8:]


def jax(target: str) -> None:
    """A function of JAX, which needs ``pip install jax==0.10.2``."""
    from jax import config
    from jax.experimental import jax2tf

    # The model would name the files of the machine that it was made on.
    config.update("jax_traceback_in_locations_limit", 0)
    module = tf.Module()
    spec = tf.TensorSpec((1, 2), tf.float32, name="x")
    converted = jax2tf.convert(lambda x: {"y": jax_numpy.tanh(x)}, with_gradient=False)
    module.f = tf.function(converted, autograph=False, input_signature=[spec])
    tf.saved_model.save(module, target, signatures=module.f)


def varint(number: int) -> bytes:
    low = number & 0x7F
    return bytes([low | 0x80]) + varint(number >> 7) if number > 0x7F else bytes([low])


def numbers(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0


def raw_pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Of a block whose keys share nothing, as an index block's at its restarts."""
    at, end = 0, len(block) - 4 * (int.from_bytes(block[-4:], "little") + 1)
    while at < end:
        shared, key, value = block[at : at + 3]
        if shared or max(key, value) > 0x7F:
            raise ValueError("longer or shared keys are not needed here")
        at += 3 + key + value
        yield block[at - key - value : at - value], block[at - value : at]


def frozen(target: str) -> None:
    """No variables at all: a constant, in the way of TensorFlow 1."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None, 2), name="x")
        y = tf.multiply(x, tf.constant([2.0, 3.0]), name="y")
        tf.compat.v1.saved_model.simple_save(session, target, {"x": x}, {"y": y})


def version1(target: str) -> None:
    """TensorFlow 1's builder, reference variables, one of them in two slices."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, (None, 4), name="x")
        parts = v1.get_variable(
            "kernel", (4, 2), initializer=v1.ones_initializer(), use_resource=False,
            partitioner=v1.fixed_size_partitioner(2),
        )  # fmt: skip
        bias = v1.get_variable("bias", (2,), initializer=v1.zeros_initializer(), use_resource=False)
        y = tf.add(tf.matmul(x, tf.convert_to_tensor(parts)), bias, name="y")
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, target, {"x": x}, {"y": y})


def loads(target: str) -> str:
    """Empty if every signature's outputs can be computed in a V1 session, or why not."""
    samples = {tf.string: "bee", tf.float32: 1.0}
    try:
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            model = tf.compat.v1.saved_model.loader.load(session, ["serve"], target)
            for name, signature in model.signature_def.items():
                if name == "__saved_model_init_op":
                    continue
                feed = {}
                for info in signature.inputs.values():
                    shape = [max(d.size, 1) for d in info.tensor_shape.dim]
                    sample = samples[tf.dtypes.as_dtype(info.dtype)]
                    feed[info.name] = tf.make_ndarray(tf.make_tensor_proto(sample, shape=shape))
                session.run([info.name for info in signature.outputs.values()], feed)
    except tf.errors.OpError as error:
        return str(error.message).splitlines()[0]
    return ""


def as_text(source: Path, target: Path) -> None:
    """The same model with its graph as text."""
    shutil.copytree(source, target)
    graph = saved_model_pb2.SavedModel.FromString((target / "saved_model.pb").read_bytes())
    (target / "saved_model.pb").unlink()
    (target / "saved_model.pbtxt").write_text(text_format.MessageToString(graph))


def main() -> None:
    shutil.rmtree(MODELS, ignore_errors=True)
    MODELS.mkdir()
    answers = {}
    os.chdir(tempfile.mkdtemp())
    for make in (good, keras_saved, keras_exported, assets, sharded, snappy, jax, frozen, version1):
        target = str(MODELS / make.__name__)
        make(make.__name__)
        shutil.copytree(make.__name__, target)
        (Path(target) / "fingerprint.pb").unlink(missing_ok=True)
        answers[make.__name__] = loads(target)
    for name in ("assets", "jax", "version1"):
        as_text(MODELS / name, MODELS / f"{name}_text")
        answers[f"{name}_text"] = loads(str(MODELS / f"{name}_text"))
    (MODELS / "loads.json").write_text(json.dumps(answers, indent=1) + "\n")
    print(json.dumps(answers, indent=1))


if __name__ == "__main__":
    main()

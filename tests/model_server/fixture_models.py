"""Small SavedModels with everything that a request can ask of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

v1 = tf.compat.v1
signature_def = v1.saved_model.signature_def_utils


def _save(path: Path, session: Any, signatures: dict[str, Any]) -> None:
    builder = v1.saved_model.Builder(str(path))
    builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
    builder.save()


def _infos(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: v1.saved_model.build_tensor_info(tensor) for name, tensor in tensors.items()}


def _predict(inputs: dict[str, Any], outputs: dict[str, Any]) -> Any:
    return signature_def.build_signature_def(_infos(inputs), _infos(outputs), "tensorflow/serving/predict")


def half_plus(path: Path, addend: float = 2.0) -> Path:
    """y = x / 2 + ``addend``: to predict, to classify and to regress, as in TF Serving's own examples."""
    with tf.Graph().as_default(), v1.Session() as session:
        half = v1.Variable(0.5, name="half")
        examples = v1.placeholder(tf.string, [None], name="tf_example")
        features = v1.parse_example(examples, {"x": v1.FixedLenFeature([1], tf.float32)})
        x = tf.identity(features["x"], name="x")
        y = tf.add(x * half, addend, name="y")
        plain = v1.placeholder(tf.float32, [None], name="plain")
        labels = tf.tile(tf.constant([["half", "same"]]), [tf.shape(x)[0], 1])
        scores = tf.concat([y, x], axis=1)
        session.run(v1.global_variables_initializer())
        classify = signature_def.classification_signature_def
        _save(
            path,
            session,
            {
                "serving_default": _predict({"x": plain}, {"y": plain * half + addend}),
                "regress_x_to_y": signature_def.regression_signature_def(examples, y),
                "classify_x_to_y": classify(examples, labels, scores),
                "classify_scores": classify(examples, None, scores),
                "two_outputs": _predict({"x": plain}, {"y": plain * half, "same": tf.identity(plain)}),
            },
        )
    return path


def every_type(path: Path) -> Path:
    """Hands its inputs back: signatures for one type each, several inputs, bytes and shapes."""
    with tf.Graph().as_default(), v1.Session() as session:
        signatures = {}
        for name in ("float32", "float64", "int32", "int64", "uint8", "bool", "string", "float16"):
            x = v1.placeholder(name, None, name=f"in_{name}")
            signatures[name] = _predict({"x": x}, {"y": tf.identity(x)})
        a, b = v1.placeholder(tf.int64, [None]), v1.placeholder(tf.string, [None])
        signatures["several"] = _predict(
            {"a": a, "b": b}, {"a": tf.identity(a), "b": tf.identity(b), "b_bytes": tf.identity(b)}
        )
        rows = v1.placeholder(tf.float32, [None, None])
        signatures["rows"] = _predict({"x": rows}, {"y": tf.identity(rows)})
        signatures["sum"] = _predict({"x": rows}, {"y": tf.reduce_sum(rows)})
        _save(path, session, signatures)
    return path


def gate(path: Path) -> Path:
    """Waits, without any work, until somebody opens: each call of ``open`` lets one run of the model go on."""
    with tf.Graph().as_default(), v1.Session() as session:
        queue = v1.FIFOQueue(10_000, tf.float32, shapes=[])
        x = v1.placeholder(tf.float32, [None])
        passed = x + queue.dequeue()
        one = v1.placeholder(tf.float32, [None])
        with tf.control_dependencies([queue.enqueue(0.0)]):
            opened = tf.identity(one)
        _save(
            path,
            session,
            {
                "serving_default": _predict({"x": x}, {"y": passed}),
                "open": _predict({"x": one}, {"y": opened}),
            },
        )
    return path


def warm_up(path: Path, logs: list[Any]) -> None:
    """Records that are replayed while the model loads."""
    folder = path / "assets.extra"
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
        for log in logs:
            writer.write(log if isinstance(log, bytes) else log.SerializeToString())

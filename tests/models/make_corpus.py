"""Makes SavedModels in every way there is, with the TensorFlow that runs this, and asks it for its verdict on each.

    python make_corpus.py FOLDER

A model's verdict is that of a V1 session with the tag serve, which is how TF Serving loads: empty if every signature
answers, or TensorFlow's words. What a version of TensorFlow can't make is left out, and named at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

v1 = tf.compat.v1
Maker = Callable[[str], None]
LAYERS: dict[str, Callable[[], list[Any]]] = {
    "dense": lambda: [keras.layers.Dense(3, "relu"), keras.layers.Dense(2)],
    "normalized": lambda: [
        keras.layers.Dense(3),
        keras.layers.BatchNormalization(),
        keras.layers.LayerNormalization(),
    ],
    "dropout": lambda: [keras.layers.Dropout(0.5), keras.layers.GaussianNoise(0.1), keras.layers.Dense(2)],
    "convolution": lambda: [
        keras.layers.Reshape((2, 2, 1)),
        keras.layers.Conv2D(2, 2),
        keras.layers.Flatten(),
    ],
    "recurrent": lambda: [keras.layers.Reshape((2, 2)), keras.layers.LSTM(3), keras.layers.Dense(1)],
    "gated": lambda: [keras.layers.Reshape((2, 2)), keras.layers.Bidirectional(keras.layers.GRU(2))],
    "augmented": lambda: [keras.layers.Reshape((2, 2, 1)), keras.layers.RandomFlip(), keras.layers.Flatten()],
    "bfloat16": lambda: [keras.layers.Dense(3, dtype="bfloat16"), keras.layers.Dense(2, dtype="float32")],
}


def shaped(shape: Any, kind: Any = tf.float32, name: str = "x") -> Any:
    return tf.TensorSpec(shape, kind, name=name)


def module(function: Callable[..., Any], *inputs: Any, **tracked: Any) -> tuple[Any, Any]:
    """A module that holds what is tracked, and its one function."""
    made = tf.Module()
    for name, value in tracked.items():
        setattr(made, name, value)
    made.f = tf.function(function, input_signature=list(inputs))
    return made, made.f


def saved(target: str, function: Callable[..., Any], *inputs: Any, **tracked: Any) -> None:
    made, signature = module(function, *inputs, **tracked)
    tf.saved_model.save(made, target, signatures=signature)


def keras_ways() -> Iterator[tuple[str, Maker]]:
    for name, layers in LAYERS.items():

        def built(layers: Callable[[], list[Any]] = layers) -> Any:
            model = keras.Sequential([keras.Input((4,)), *layers()])
            model(np.ones((1, 4), "float32"))
            return model

        yield f"keras_{name}_export", lambda target, built=built: built().export(target)
        yield f"keras_{name}_save", lambda target, built=built: tf.saved_model.save(built(), target)
    yield "keras_compiled_export", lambda target: trained().export(target)
    yield "keras_compiled_save", lambda target: tf.saved_model.save(trained(), target)
    yield "keras_text_export", lambda target: text().export(target)


def trained() -> Any:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(np.ones((4, 4), "float32"), np.ones((4, 1), "float32"), verbose=0)
    return model


def text() -> Any:
    words = keras.layers.TextVectorization(max_tokens=8, output_sequence_length=3)
    words.adapt(["ant bee", "bee cat"])
    return keras.Sequential([keras.Input((1,), dtype="string"), words, keras.layers.Embedding(8, 2)])


def module_ways() -> Iterator[tuple[str, Maker]]:
    x = shaped((None, 2))
    for kind in (
        tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int8, tf.uint8, tf.int16, tf.int32, tf.int64, tf.uint32,
        tf.complex64, tf.bool,
    ):  # fmt: skip
        variable = tf.Variable(tf.cast([1, 0], kind))
        yield (
            f"variable_{kind.name}",
            lambda target, v=variable: saved(target, lambda x: {"y": tf.cast(v, tf.float32) + x}, x, v=v),
        )
    texts = tf.Variable(["a", "b"])
    yield (
        "variable_string",
        lambda target: saved(target, lambda x: {"y": texts + tf.strings.as_string(x)}, x, v=texts),
    )
    yield "no_variables", lambda target: saved(target, lambda x: {"y": x * 2}, x)
    yield "no_signature", lambda target: tf.saved_model.save(module(lambda x: {"y": x}, x)[0], target)
    yield "unknown_rank", lambda target: saved(target, lambda x: {"y": x + 1}, shaped(None))
    yield "scalar", lambda target: saved(target, lambda x: {"y": x + 1}, shaped(()))
    yield (
        "ragged_inside",
        lambda target: saved(
            target, lambda x: {"y": tf.strings.split(x).to_tensor("")}, shaped((None,), tf.string)
        ),
    )
    yield (
        "sparse_inside",
        lambda target: saved(target, lambda x: {"y": tf.sparse.to_dense(tf.sparse.from_dense(x))}, x),
    )
    yield (
        "branches",
        lambda target: saved(
            target, lambda x: {"y": tf.cond(tf.reduce_sum(x) > 0, lambda: x + 1, lambda: x - 1)}, x
        ),
    )
    yield (
        "loop",
        lambda target: saved(
            target,
            lambda x: {"y": tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 2), (0, x))[1]},
            x,
        ),
    )
    yield (
        "switch",
        lambda target: saved(
            target, lambda x: {"y": tf.switch_case(tf.size(x) % 2, [lambda: x + 1, lambda: x - 1])}, x
        ),
    )
    yield "map", lambda target: saved(target, lambda x: {"y": tf.map_fn(lambda row: row * 2, x)}, x)
    yield (
        "image",
        lambda target: saved(
            target,
            lambda x: {"y": tf.map_fn(lambda row: tf.io.decode_raw(row, tf.uint8), x, tf.uint8)},
            shaped((1,), tf.string),
        ),
    )
    yield (
        "example",
        lambda target: saved(
            target,
            lambda x: tf.io.parse_example(x, {"a": tf.io.FixedLenFeature([], tf.float32, 0.0)}),
            shaped((None,), tf.string),
        ),
    )
    yield (
        "xla",
        lambda target: saved(target, tf.function(lambda x: {"y": tf.nn.relu(x)}, jit_compile=True), x),
    )
    yield "untracked", untracked
    yield "table_of_constants", lambda target: table(target, constants())
    yield "table_of_a_file", lambda target: table(target, file_of_words())
    yield "mutable_table", mutable_table
    yield "many_variables", many


def untracked(target: str) -> None:
    """A variable that a function holds and the module does not: TensorFlow refuses to save it."""
    lost = tf.Variable([1.0, 2.0])
    saved(target, lambda x: {"y": x + lost}, shaped((None, 2)))


def constants() -> Any:
    return tf.lookup.KeyValueTensorInitializer(["ant", "bee"], tf.constant([1, 2], tf.int64))


def file_of_words() -> Any:
    Path("words.txt").write_text("ant\nbee\n")
    whole, line = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
    return tf.lookup.TextFileInitializer("words.txt", tf.string, whole, tf.int64, line)


def table(target: str, source: Any) -> None:
    words = tf.lookup.StaticHashTable(source, -1)
    saved(target, lambda x: {"y": words.lookup(x)}, shaped((None,), tf.string), words=words)


def mutable_table(target: str) -> None:
    words = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    words.insert(["ant"], tf.constant([1], tf.int64))
    saved(target, lambda x: {"y": words.lookup(x)}, shaped((None,), tf.string), words=words)


def many(target: str) -> None:
    numbers = [tf.Variable(float(number)) for number in range(300)]
    saved(target, lambda x: {"y": x + tf.add_n(numbers)}, shaped((None, 2)), numbers=numbers)


def builder_ways() -> Iterator[tuple[str, Maker]]:
    for resource in (True, False):
        for parts in (1, 3):
            yield (
                f"builder_{'resource' if resource else 'reference'}_{parts}",
                lambda target, r=resource, p=parts: built_v1(target, resource=r, parts=p),
            )
    yield "builder_two_tags", lambda target: built_v1(target, tags=[["serve"], ["serve", "gpu"]])
    yield "builder_gpu_alone", lambda target: built_v1(target, tags=[["serve", "gpu"]])
    yield "builder_main_op", lambda target: built_v1(target, table=True)
    yield "builder_table_forgotten", lambda target: built_v1(target, table=True, forget=True)
    yield "builder_not_saved", lambda target: built_v1(target, saver="half")
    yield "builder_training", lambda target: built_v1(target, tags=[["train"]])


def built_v1(
    target: str, *, resource: bool = True, parts: int = 1, tags: Any = (("serve",),), table: bool = False,
    forget: bool = False, saver: str = "",
) -> None:  # fmt: skip
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, (None, 6), name="x")
        slices = v1.fixed_size_partitioner(parts) if parts > 1 else None
        ones = v1.ones_initializer()
        kernel = v1.get_variable(
            "kernel", (6, 2), initializer=ones, use_resource=resource, partitioner=slices
        )
        bias = v1.get_variable("bias", (2,), initializer=ones, use_resource=resource)
        outputs = {"y": tf.matmul(x, tf.convert_to_tensor(kernel)) + bias}
        if table:
            words = v1.lookup.StaticHashTable(constants(), -1)
            outputs["n"] = words.lookup(tf.strings.as_string(x[:, 0]))
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        signature = v1.saved_model.predict_signature_def({"x": x}, outputs)
        builder = v1.saved_model.Builder(target)
        for number, names in enumerate(tags):
            if number:
                builder.add_meta_graph(list(names), {"serving_default": signature})
                continue
            builder.add_meta_graph_and_variables(
                session, list(names), {"serving_default": signature},
                main_op=v1.tables_initializer() if table and not forget else None,
                saver=v1.train.Saver([bias]) if saver else None,
            )  # fmt: skip
        builder.save()


def jax_ways() -> Iterator[tuple[str, Maker]]:
    for name, platforms, shapes in (
        ("jax", None, None), ("jax_any_batch", None, ["(b, 4)"]), ("jax_cuda", ["cuda"], None), ("jax_tpu", ["tpu"], None),
        ("jax_cpu_and_cuda", ["cpu", "cuda"], None), ("jax_any_batch_cuda", ["cuda"], ["(b, 4)"]),
    ):  # fmt: skip

        def make(target: str, platforms: Any = platforms, shapes: Any = shapes) -> None:
            import jax.numpy as jnp
            from jax.experimental import jax2tf

            converted = jax2tf.convert(
                lambda x: {"y": jnp.sin(x) * 2},
                native_serialization_platforms=platforms,
                polymorphic_shapes=shapes,
            )
            made = tf.Module()
            spec = shaped((None if shapes else 1, 4))
            made.f = tf.function(converted, autograph=False, input_signature=[spec])
            tf.saved_model.save(made, target, signatures=made.f)

        yield name, make


def spoiled_ways() -> Iterator[tuple[str, Maker]]:
    """Sound models, changed afterwards."""

    def then(change: Callable[[Path], None], make: Maker) -> Maker:
        def both(target: str) -> None:
            make(target)
            change(Path(target))

        return both

    weights = tf.Variable([1.0, 2.0])

    def good(target: str) -> None:
        saved(target, lambda x: {"y": tf.cos(x) + weights}, shaped((None, 2)), weights=weights)

    def condition(target: str) -> None:
        saved(
            target, lambda x: {"y": tf.cond(tf.size(x) > 9, lambda: tf.cos(x), lambda: x)}, shaped((None, 2))
        )

    def unused(target: str) -> None:
        made, signature = module(lambda x: {"y": tf.sin(x)}, shaped((None, 2)))
        made.g = tf.function(lambda x: {"y": tf.cos(x)}, input_signature=[shaped((None, 2))])
        tf.saved_model.save(made, target, signatures=signature)

    data, index = "variables/variables.data-00000-of-00001", "variables/variables.index"
    yield "custom_op", then(custom_op, good)
    yield "custom_op_in_a_branch", then(custom_op, condition)
    yield "custom_op_unused", then(custom_op, unused)
    yield "custom_op_v1", then(lambda folder: custom_op(folder, "MatMul"), built_v1)
    yield "data_cut_off", then(lambda folder: os.truncate(folder / data, 4), good)
    yield "data_missing", then(lambda folder: (folder / data).unlink(), good)
    yield "index_missing", then(lambda folder: (folder / index).unlink(), good)
    yield "variables_missing", then(lambda folder: shutil.rmtree(folder / "variables"), good)
    yield (
        "data_changed",
        then(lambda folder: (folder / data).write_bytes(b"\7" * (folder / data).stat().st_size), good),
    )
    yield "graph_cut_off", then(lambda folder: os.truncate(folder / "saved_model.pb", 900), good)
    yield (
        "asset_missing",
        then(lambda f: (f / "assets/words.txt").unlink(), lambda t: table(t, file_of_words())),
    )


def custom_op(folder: Path, known: str = "Cos") -> None:
    model = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = model.meta_graphs[0].graph_def
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            if node.op == known:
                node.op = "Mine"
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())


def verdict(target: str) -> str:
    """Empty if every signature answers in a V1 session, or TensorFlow's words."""
    try:
        with tf.Graph().as_default(), v1.Session() as session:
            model = v1.saved_model.loader.load(session, ["serve"], target)
            for name, signature in model.signature_def.items():
                if name != "__saved_model_init_op":
                    feed = {info.name: sample(info) for info in signature.inputs.values()}
                    session.run([info.name for info in signature.outputs.values()], feed)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return ""


def sample(info: Any) -> Any:
    kind = tf.dtypes.as_dtype(info.dtype)
    shape = [max(dim.size, 1) for dim in info.tensor_shape.dim]
    return np.full(shape, b"" if kind == tf.string else 1, kind.as_numpy_dtype)


def main(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chdir(folder)
    verdicts, not_made = {}, {}
    for ways in (keras_ways, module_ways, builder_ways, jax_ways, spoiled_ways):
        for name, make in ways():
            try:
                make(name)
            except Exception as error:
                shutil.rmtree(name, ignore_errors=True)
                not_made[name] = f"{type(error).__name__}: {str(error)[:120]}"
                continue
            verdicts[name] = verdict(name)
    Path("verdicts.json").write_text(json.dumps({"made": verdicts, "not_made": not_made}, indent=1) + "\n")
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}: {len(verdicts)} models, "
          f"{sum(not text for text in verdicts.values())} of them load and answer; not made: {sorted(not_made)}")  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())

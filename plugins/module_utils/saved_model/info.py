"""What a SavedModel is, and whether TF Serving would load it as far as that can be told without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..outcome import failure
from ..protos import PROTOBUF_IMPORT_ERROR
from .bundle import INDEX, INDEX_MAX, Bundle, check_tensors, read_bundle
from .checksum import CRC32C_IMPORT_ERROR, new_crc32c, value_of
from .errors import InvalidModel
from .files import digest, find_litter, read_files, sizes_of
from .graph import SAVED_MODEL, SERVE, Graph, graph_file, read_graphs
from .stock_ops import STOCK
from .table import unmask

PACKAGES = {"google-crc32c": CRC32C_IMPORT_ERROR, "protobuf": PROTOBUF_IMPORT_ERROR}
"""What reading a model needs, and why it can't be imported here, if so."""

WARMUP = "assets.extra/tf_serving_warmup_requests"
WARMUP_MAX = 1000
"""Records that TF Serving accepts (saved_model_warmup_util.h)."""

SAVED_MODEL_MAX = 2**31 - 1
"""Bytes that protobuf reads as one message."""

_NAMED = 5
Json = dict[str, Any]


@dataclass
class Info:
    """``problems``: why TF Serving would not load or answer. ``warnings``: what works and may surprise."""

    tags: list[str] = field(default_factory=list)
    tensorflow_version: str = ""
    signatures: dict[str, Json] = field(default_factory=dict)
    assets: list[str] = field(default_factory=list)
    variables: Json = field(default_factory=lambda: {"count": 0, "size": 0, "shards": 0})
    warmup_records: int = 0
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def loadable(self) -> bool:
        return not self.problems


def read(path: str, tags: Sequence[str]) -> Json:
    """The result of the module saved_model_info."""
    try:
        files = read_files(path)
        info = inspect(Path(path), sizes_of(files), tags=tags)
        litter = find_litter(path)
    except InvalidModel as error:
        return failure(f"{error}.")
    except OSError as error:
        return failure(f"{error.filename or path} can't be read: {error.strerror}.")
    return {
        "changed": False,
        "loadable": info.loadable,
        "problems": info.problems,
        "warnings_found": info.warnings,
        "signatures": info.signatures,
        "tags": info.tags,
        "tensorflow_version": info.tensorflow_version,
        "variables": info.variables,
        "assets": info.assets,
        "warmup_records": info.warmup_records,
        "left_out": litter,
        "size": sum(file.size for file in files),
        "sha256": digest(files),
        "files": [{"path": f.path, "size": f.size, "sha256": f.sha256, "crc32c": f.crc32c} for f in files],
    }


def inspect(
    folder: Path, sizes: Mapping[str, int], *, tags: Sequence[str] = (SERVE,), tensors: bool = True
) -> Info:
    """Reads the model in a folder. ``sizes``: bytes of each of its files by path. ``tags``: of the graph that is served.

    Of the data files only those are opened whose variables are compared with their checksums: with ``tensors``
    off none, and they need not be there. What is wrong is in the answer; this raises nothing but ``OSError``.
    """
    info = Info()
    _fill(info, folder, sizes, tags, tensors)
    # Names in a damaged file may be anything.
    info.problems = ["".join(c if c.isprintable() else "?" for c in problem) for problem in info.problems]
    return info


def _fill(info: Info, folder: Path, sizes: Mapping[str, int], tags: Sequence[str], tensors: bool) -> None:
    try:
        name = graph_file(sizes) or SAVED_MODEL
        if sizes[name] > SAVED_MODEL_MAX:
            raise InvalidModel(f"{name} has {sizes[name]} bytes, more than TensorFlow can read")
        graphs = read_graphs(folder / name)
        graph = _graph_with(graphs, tags, info)
    except InvalidModel as error:
        info.problems.append(str(error))
        return
    _check_graph(graph, sizes, info)
    try:
        _check_variables(folder, sizes, graph, tensors, info)
    except InvalidModel as error:
        info.problems.append(str(error))
    _check_warmup(folder, sizes, info)


def _graph_with(graphs: list[Graph], tags: Sequence[str], info: Info) -> Graph:
    for graph in graphs:
        if set(graph.tags) == set(tags):
            info.tags = sorted(graph.tags)
            return graph
    found = ", ".join("+".join(sorted(graph.tags)) or "none" for graph in graphs)
    info.tags = sorted(graphs[0].tags)
    raise InvalidModel(
        f"no graph has the tags {'+'.join(tags)} and no others, which TF Serving would ask for (there are: {found}). Name those of "
        "the graph to serve: storage_model_tags and serving_model_tags, or the option tags"
    )


def _check_graph(graph: Graph, sizes: Mapping[str, int], info: Info) -> None:
    info.tensorflow_version = graph.tensorflow_version
    info.signatures = dict(sorted(graph.signatures.items()))
    info.assets = sorted(graph.assets)
    if not graph.signatures:
        info.warnings.append(
            "there is no signature: TF Serving loads the model, and every request is refused"
        )
    elif "serving_default" not in graph.signatures:
        info.warnings.append("there is no signature serving_default: every request must name one")
    for name in info.assets:
        if f"assets/{name}" not in sizes:
            info.problems.append(f"assets/{name} is missing, which the graph reads")
    info.problems += _hidden_problems(graph)
    if graph.uninitialized:
        info.problems.append(
            f"signatures use variables that are never restored: {_some(graph.uninitialized)}. TF Serving would answer every request "
            "with 'Could not find variable'. tf.saved_model.save of a Keras 3 model writes such models: export it "
            "by model.export(), or from a tf.Module that holds the variables itself"
        )


def _hidden_problems(graph: Graph) -> Iterator[str]:
    """What TF Serving finds at the first request, or when it loads the graph."""
    foreign = sorted(op for op in graph.ops if op not in STOCK and not op.startswith("_"))
    if foreign:
        yield (
            f"the graph has operations that TF Serving's own build lacks: {_some(foreign)} (it has those of TensorFlow, TF "
            "Text and Decision Forests). Export the model without them; or link them into a model server of your own, and "
            "publish with require_loadable: false"
        )
    if graph.empty_tables:
        yield (
            f"signatures use lookup tables that nothing fills: {_some(graph.empty_tables)}. Every request would fail with "
            "'Table not initialized': give the builder main_op=tf.compat.v1.tables_initializer()"
        )
    if graph.platforms:
        yield (
            f"it was lowered by jax2tf for {_some(sorted(graph.platforms))} alone: on a CPU every request would fail with NOT_FOUND. "
            "Convert it with native_serialization_platforms=['cpu', 'cuda'], or publish it for GPUs with require_loadable: false"
        )
    if graph.unread:
        yield (
            f"jax2tf wrote operations that TensorFlow 2.21 does not read: {_some(sorted(graph.unread))}. Every request would "
            "fail with 'Cannot deserialize computation': convert it with an older JAX, or with a fixed batch size"
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _check_variables(folder: Path, sizes: Mapping[str, int], graph: Graph, tensors: bool, info: Info) -> None:
    if INDEX not in sizes:
        if graph.restored:
            info.problems.append(
                f"{INDEX} is missing, and the graph restores {len(graph.restored)} variables: the model is incomplete"
            )
        return
    if sizes[INDEX] > INDEX_MAX:
        raise InvalidModel(f"{INDEX} has {sizes[INDEX]} bytes, more than any model's index")
    bundle: Bundle = read_bundle((folder / INDEX).read_bytes(), sizes, value_of)
    info.variables = {"count": bundle.count, "size": bundle.size, "shards": bundle.shards}
    info.problems += bundle.problems
    lost = sorted(graph.restored - bundle.names)
    if lost:
        info.problems.append(f"{INDEX} has no {_some(lost)}, which the graph restores")
    if bundle.without_checksum:
        info.warnings.append(f"{bundle.without_checksum} variables have no checksum")
    elif tensors and not bundle.problems:
        info.problems += check_tensors(folder, bundle, new_crc32c)


def _check_warmup(folder: Path, sizes: Mapping[str, int], info: Info) -> None:
    """Records of TFRecord's format: length, its masked crc32c, data, its masked crc32c (core/lib/io/record_reader.cc)."""
    left = sizes.get(WARMUP, 0)
    if not left or not (folder / WARMUP).is_file():
        return
    with (folder / WARMUP).open("rb") as file:
        while left and info.warmup_records <= WARMUP_MAX:
            head = file.read(12)
            if len(head) == 12 and not _matches(head[:8], head[8:]):
                info.problems.append(f"{WARMUP} is no file of TFRecords, or is damaged: loading would fail")
                return
            length = int.from_bytes(head[:8], "little")
            if length + 16 > left:
                info.problems.append(f"{WARMUP} is cut off: loading would fail")
                return
            data = file.read(length + 4)
            left -= length + 16
            info.warmup_records += 1
            if not _matches(data[:-4], data[-4:]):
                info.problems.append(
                    f"{WARMUP} is damaged: the checksum of record {info.warmup_records} does not match, loading would fail"
                )
                return
    if info.warmup_records > WARMUP_MAX:
        info.problems.append(f"{WARMUP} has more than {WARMUP_MAX} records: loading would fail")


def _matches(data: bytes, stored: bytes) -> bool:
    return value_of(data) == unmask(int.from_bytes(stored, "little"))

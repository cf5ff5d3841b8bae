"""Reads saved_model.pb, or saved_model.pbtxt: signatures, assets, and which variables the graph restores and uses.

The file is walked where it lies (memory-mapped), and only small parts of it are parsed, so that a graph with
gigabytes of constants costs no more memory than one without.
"""

from __future__ import annotations

import mmap
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import InvalidModel
from .messages import dtype_name, parse, shape_of
from .stablehlo import unread
from .text import read_text
from .wire import Buffer, fields

GRAPHS = ("saved_model.pb", "saved_model.pbtxt")
"""Files of which a SavedModel has one: its graph, as TF Serving looks for it."""

SAVED_MODEL, SAVED_MODEL_TEXT = GRAPHS
SERVE = "serve"
INIT_SIGNATURE = "__saved_model_init_op"
NODES_MAX = 500_000
"""Nodes outside of functions that are still followed; large models of TensorFlow 1 have some 50,000."""

PART_MAX = 16 * 2**20
"""Bytes of a part that is parsed as a whole: a signature, a node with the names of all variables."""

_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")
_CALLS = ("StatefulPartitionedCall", "PartitionedCall")
_RESTORES = ("RestoreV2", "Restore")
_VARIABLES = ("VarHandleOp", "VariableV2", "Variable")
# Those that refuse to be asked before they are filled; mutable ones are empty then.
_TABLES = ("HashTableV2", "HashTable")
_SHARED = ("VarHandleOp", *_TABLES)
_JAX = "XlaCallModule"
_SMALL_NODE = 4096

Json = dict[str, Any]


@dataclass
class Graph:
    """What one meta graph says.

    ``restored``: names that are read from the checkpoint. ``uninitialized``: variables that a signature uses and
    that neither restoring nor the initialization op sets: TF Serving finds no value for them. ``empty_tables``: lookup
    tables likewise. ``ops``: operations of the graph and of the functions that are called from it. ``platforms``: for which
    ones jax2tf lowered its parts, if these exclude the CPU. ``unread``: their operations that TensorFlow does not read.
    """

    tags: list[str] = field(default_factory=list)
    tensorflow_version: str = ""
    signatures: dict[str, Json] = field(default_factory=dict)
    assets: list[str] = field(default_factory=list)
    restored: set[str] = field(default_factory=set)
    uninitialized: list[str] = field(default_factory=list)
    empty_tables: list[str] = field(default_factory=list)
    ops: set[str] = field(default_factory=set)
    platforms: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)


@dataclass
class _Parts:
    """Where the parts of a meta graph lie, and its small ones."""

    graph: tuple[int, int] | None = None
    restore_op: str = ""
    init_ops: list[str] = field(default_factory=list)
    outputs: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Node:
    op: str
    inputs: tuple[str, ...]
    start: int
    end: int


def graph_file(names: Container[str]) -> str | None:
    """Which of a model's files TensorFlow takes the graph from; None where it has none."""
    return next((name for name in GRAPHS if name in names), None)


def read_graphs(path: Path) -> list[Graph]:
    """Every meta graph of a saved_model.pb or saved_model.pbtxt. Raises ``InvalidModel``."""
    try:
        if path.name == SAVED_MODEL_TEXT:
            graphs = _graphs(read_text(path))
        else:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                graphs = _graphs(data)
    except InvalidModel as error:
        raise InvalidModel(f"{path.name} is damaged: {error}") from error
    except ValueError:
        raise InvalidModel(f"{path.name} is empty") from None
    if not graphs:
        raise InvalidModel(f"{path.name} holds no graph: it is no SavedModel")
    return graphs


def _graphs(data: Buffer) -> list[Graph]:
    return [_graph(data, start, end) for number, start, end in fields(data, 0, len(data)) if number == 2]


def _graph(data: Buffer, start: int, end: int) -> Graph:
    graph, parts = Graph(), _Parts()
    for number, first, last in fields(data, start, end):
        if number == 2:
            parts.graph = first, last
        elif number == 1:
            _meta_info(data, first, last, graph)
        elif number in (3, 4, 5, 6):
            if last - first > PART_MAX:
                if number == 4:
                    continue  # collections of TensorFlow 1 hold anything; those that matter are short
                raise InvalidModel(f"field {number} of the meta graph has {last - first} bytes")
            _small_part(number, data[first:last], graph, parts)
    if parts.graph is not None:
        _Walk(data, *parts.graph).into(graph, parts)
    return graph


def _meta_info(data: Buffer, start: int, end: int, graph: Graph) -> None:
    # Field by field: the list of operations beside them may be long.
    for number, first, last in fields(data, start, end):
        if number in (4, 5) and last - first <= _SMALL_NODE:
            text = data[first:last].decode("utf-8", "replace")
            if number == 4:
                graph.tags.append(text)
            else:
                graph.tensorflow_version = text


def _small_part(number: int, content: bytes, graph: Graph, parts: _Parts) -> None:
    if number == 3:
        parts.restore_op = parse("SaverDef", content, "the saver").restore_op_name
    elif number == 4:
        entry = parse("CollectionEntry", content, "a collection")
        if entry.key in _INIT_COLLECTIONS:
            parts.init_ops += entry.value.node_list.value
    elif number == 5:
        entry = parse("SignatureEntry", content, "a signature")
        tensors = [*entry.value.outputs.values()]
        names = [name for info in tensors for name in _names(info)]
        if entry.key == INIT_SIGNATURE:
            parts.init_ops += names
        else:
            parts.outputs[entry.key] = names
            graph.signatures[entry.key] = {
                "method_name": entry.value.method_name,
                "inputs": {key: _tensor(info) for key, info in sorted(entry.value.inputs.items())},
                "outputs": {key: _tensor(info) for key, info in sorted(entry.value.outputs.items())},
            }
    else:
        graph.assets.append(parse("AssetFileDef", content, "an asset").filename)


def _names(info: Any) -> list[str]:
    sparse = info.coo_sparse
    names = [
        info.name, sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name,
        *(component.name for component in info.composite_tensor.components),
    ]  # fmt: skip
    return [name for name in names if name]


def _tensor(info: Any) -> Json:
    names = _names(info)
    return {
        "name": names[0] if names else "",
        "dtype": dtype_name(info.dtype),
        "shape": shape_of(info.tensor_shape),
    }


class _Walk:
    """The nodes of a GraphDef and of the functions that are called from them."""

    def __init__(self, data: Buffer, start: int, end: int) -> None:
        self._data = data
        self._nodes: dict[str, _Node] = {}
        self._functions: dict[str, tuple[int, int]] = {}
        for number, first, last in fields(data, start, end):
            if number == 1:
                if len(self._nodes) >= NODES_MAX:
                    raise InvalidModel(f"the graph has more than {NODES_MAX} nodes")
                name, node = self._node(first, last)
                self._nodes[name] = node
            elif number == 2:
                self._library(first, last)

    def into(self, graph: Graph, parts: _Parts) -> None:
        starts = [parts.restore_op, *parts.init_ops]
        setting = self._before(name for name in starts if name)
        for name in setting:
            node = self._nodes[name]
            if node.op in _RESTORES:
                graph.restored |= self._names_of(node, self._nodes)
            elif node.op in _CALLS:
                graph.restored |= self._restored_by(self._function(node), set())
        used: dict[str, None] = {}
        for outputs in parts.outputs.values():
            used |= self._before(outputs)
        graph.uninitialized = self._unset(used, setting, _VARIABLES)
        graph.empty_tables = self._unset(used, setting, _TABLES)
        self._look(graph)

    def _unset(self, used: Iterable[str], setting: Iterable[str], kinds: tuple[str, ...]) -> list[str]:
        """Variables or tables that are used, and that nothing sets before."""
        initialized = {self._variable(name) for name in setting if self._nodes[name].op in kinds}
        found = dict.fromkeys(self._variable(name) for name in used if self._nodes[name].op in kinds)
        return [name for name in found if name not in initialized]

    def _look(self, graph: Graph) -> None:
        """Takes what operations there are, in the graph and the functions that are called from it."""
        seen: set[str] = set()
        waiting: list[str] = []

        def take(node: _Node) -> None:
            if node.op in self._functions:
                waiting.append(node.op)
                return
            graph.ops.add(node.op)
            if node.op != "Const":
                waiting.extend(self._called(node))
            if node.op == _JAX:
                self._lowered(node, graph)

        for node in self._nodes.values():
            take(node)
        while waiting:
            name = waiting.pop()
            if name not in seen and name in self._functions:
                seen.add(name)
                for place in self._inner(*self._functions[name], 3):
                    take(self._node(*place)[1])

    def _attributes(self, node: _Node) -> Iterator[tuple[str, tuple[int, int]]]:
        """Names of a node's attributes, and where their values lie: they may be of any size."""
        for place in self._inner(node.start, node.end, 5):
            name, value = "", (0, 0)
            for number, first, last in fields(self._data, *place):
                if number == 1:
                    name = self._data[first : min(last, first + _SMALL_NODE)].decode("utf-8", "replace")
                elif number == 2:
                    value = first, last
            yield name, value

    def _called(self, node: _Node) -> Iterator[str]:
        """Functions that an attribute names: one (If, While, PartitionedCall), or a list (Case)."""
        for _name, value in self._attributes(node):
            places = [*self._inner(*value, 10)]
            places += [place for listed in self._inner(*value, 1) for place in self._inner(*listed, 9)]
            for place in places:
                for first, last in self._inner(*place, 1):
                    yield self._data[first : min(last, first + _SMALL_NODE)].decode("utf-8", "replace")

    def _lowered(self, node: _Node, graph: Graph) -> None:
        values = dict(self._attributes(node))
        platforms = self._texts(values, "platforms")
        if platforms and "CPU" not in platforms and "platform" not in self._texts(values, "disabled_checks"):
            graph.platforms.update(platforms)
        for first, last in self._inner(*values.get("module", (0, 0)), 2):
            graph.unread.update(unread(self._data[first:last]))

    def _texts(self, values: dict[str, tuple[int, int]], name: str) -> list[str]:
        return [
            self._data[first : min(last, first + _SMALL_NODE)].decode("utf-8", "replace")
            for listed in self._inner(*values.get(name, (0, 0)), 1)
            for first, last in self._inner(*listed, 2)
        ]

    def _before(self, starts: Iterable[str]) -> dict[str, None]:
        """Names of all nodes that these tensors or operations depend on, themselves included."""
        found: dict[str, None] = {}
        waiting = [_operation(name) for name in starts]
        while waiting:
            name = waiting.pop()
            if name in found or name not in self._nodes:
                continue
            found[name] = None
            waiting += [_operation(source) for source in self._nodes[name].inputs]
        return found

    def _variable(self, name: str) -> str:
        """What tells a variable or table from others: handles of the same shared name are of one."""
        node = self._nodes[name]
        if node.op in _SHARED and node.end - node.start <= PART_MAX:
            attributes = self._parsed(node).attr
            shared = (
                attributes["shared_name"].s.decode("utf-8", "replace") if "shared_name" in attributes else ""
            )
            return shared or name
        return name

    def _restored_by(self, function: str, seen: set[str]) -> set[str]:
        if function in seen or function not in self._functions:
            return set()
        seen.add(function)
        nodes = {
            name: node
            for number, first, last in fields(self._data, *self._functions[function])
            if number == 3
            for name, node in (self._node(first, last),)
        }
        names: set[str] = set()
        for node in nodes.values():
            if node.op in _RESTORES:
                names |= self._names_of(node, nodes)
            elif node.op in _CALLS:
                names |= self._restored_by(self._function(node), seen)
        return names

    def _names_of(self, restore: _Node, nodes: dict[str, _Node]) -> set[str]:
        """The names that a RestoreV2 reads: the text of the constant that is its second input."""
        if len(restore.inputs) < 2:
            return set()
        constant = nodes.get(_operation(restore.inputs[1]))
        if constant is None or constant.op != "Const":
            return set()  # computed: not to be told without running it
        attributes = self._parsed(constant).attr
        tensor = attributes["value"].tensor if "value" in attributes else None
        return {name.decode("utf-8", "replace") for name in tensor.string_val} if tensor else set()

    def _function(self, node: _Node) -> str:
        attributes = self._parsed(node).attr
        return str(attributes["f"].func.name) if "f" in attributes else ""

    def _parsed(self, node: _Node) -> Any:
        if node.end - node.start > PART_MAX:
            raise InvalidModel(f"a node of the kind {node.op} has {node.end - node.start} bytes")
        return parse("NodeDef", self._data[node.start : node.end], "a node")

    def _node(self, start: int, end: int) -> tuple[str, _Node]:
        name, op, inputs = "", "", []
        for number, first, last in fields(self._data, start, end):
            if number in (1, 2, 3):
                if last - first > _SMALL_NODE:
                    raise InvalidModel("a node's name is longer than a name can be")
                text = self._data[first:last].decode("utf-8", "replace")
                if number == 1:
                    name = text
                elif number == 2:
                    op = text
                else:
                    inputs.append(text)
        return name, _Node(op, tuple(inputs), start, end)

    def _library(self, start: int, end: int) -> None:
        for number, first, last in fields(self._data, start, end):
            if number == 1:
                self._functions[self._function_name(first, last)] = first, last

    def _function_name(self, start: int, end: int) -> str:
        for name in self._inner(start, end, 1):  # the signature
            for first, last in self._inner(*name, 1):
                return self._data[first : min(last, first + _SMALL_NODE)].decode("utf-8", "replace")
        return ""

    def _inner(self, start: int, end: int, desired: int) -> Iterator[tuple[int, int]]:
        return ((first, last) for number, first, last in fields(self._data, start, end) if number == desired)


def _operation(tensor: str) -> str:
    """The operation's name of ``name:0``, ``name:output:0`` or ``^name``."""
    return tensor.removeprefix("^").partition(":")[0]

"""Reading SavedModels that TensorFlow and Keras wrote, whole, spoiled and fuzzed (see make_models.py)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model import bundle
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.checksum import value_of
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.errors import InvalidModel
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.files import (
    ModelFile,
    digest,
    read_files,
    sizes_of,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.graph import read_graphs
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.info import Info, inspect
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.table import unsnapped
from ansible_collections.mlops.tfserving.plugins.modules import saved_model_info
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MODELS = Path(__file__).parent / "models"
LOADS = json.loads((MODELS / "loads.json").read_text())
PB, INDEX = "saved_model.pb", "variables/variables.index"
DATA = "variables/variables.data-00000-of-00001"


@pytest.fixture
def model(tmp_path: Path) -> Callable[[str], Path]:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(MODELS / name, tmp_path / name))

    return copy


def look(folder: Path) -> Info:
    return inspect(folder, sizes_of(read_files(str(folder))))


@pytest.mark.parametrize("name", sorted(LOADS))
def test_the_verdict_is_that_of_tensorflow_itself(name: str) -> None:
    info = look(MODELS / name)
    assert info.loadable == (LOADS[name] == ""), info.problems
    assert info.tags == ["serve"]
    assert info.tensorflow_version == "2.21.0"
    assert info.warnings == []


@pytest.mark.parametrize("name", sorted(name.removesuffix("_text") for name in LOADS if "_text" in name))
def test_a_graph_as_text_says_what_the_binary_one_does(name: str) -> None:
    assert read_graphs(MODELS / f"{name}_text/{PB}txt") == read_graphs(MODELS / name / PB)
    assert look(MODELS / f"{name}_text") == look(MODELS / name)


def test_of_both_forms_the_binary_one_counts_as_for_tensorflow(model: Callable[[str], Path]) -> None:
    folder = model("good")
    shutil.copy(MODELS / f"jax_text/{PB}txt", folder)
    assert look(folder) == look(MODELS / "good")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no graph"),
        (b"saved_model_schema_version: 1", "holds no graph"),
        (b"\xff\xfe\x00", "is no text of a SavedModel"),
        (b"meta_graphs {", "is no text of a SavedModel"),
        (b"meta_graphs { graph_def { node { name: 5 } } }", "is no text of a SavedModel"),
        (b"a { " * 5000, "is no text of a SavedModel"),
    ],
)
def test_damaged_text_is_told(model: Callable[[str], Path], content: bytes, words: str) -> None:
    folder = model("jax_text")
    (folder / f"{PB}txt").write_bytes(content)
    [problem] = look(folder).problems
    assert problem.startswith(f"{PB}txt") and words in problem


def test_a_text_without_end_is_read_once(tmp_path: Path) -> None:
    """Not anew from each quotation mark in it: a minute's work would become a day's."""

    def seconds(content: str) -> float:
        path = tmp_path / f"{PB}txt"
        path.write_text(content)
        began = time.process_time()
        with pytest.raises(InvalidModel):
            read_graphs(path)
        return time.process_time() - began

    seconds("a")
    assert seconds('"' + '\\"' * 20_000) < 30 * seconds(("'" + "\\'" * 20 + "' ") * 1000)


def test_names_of_types_in_texts_are_texts(tmp_path: Path) -> None:
    """Whatever else is written there: comments, both quotes, types that are not known yet, references."""
    path = tmp_path / f"{PB}txt"
    path.write_text("""meta_graphs { # DT_FLOAT
      meta_info_def { tags: "DT_\\"INT32" tags: 'DT_HALF' any_info { [type.googleapis.com/x.Y] { a: DT_BOOL } } }
      signature_def { key: "DT_STRING" value { inputs { key: "a" value { name: "a:0" dtype: DT_FLOAT_REF } }
        inputs { key: "b" value { name: "b:0" dtype: DT_OF_THE_FUTURE } } method_name: "m" } }
    }""")
    [graph] = read_graphs(path)
    assert graph.tags == ['DT_"INT32', "DT_HALF"]
    inputs = graph.signatures["DT_STRING"]["inputs"]
    assert {name: tensor["dtype"] for name, tensor in inputs.items()} == {"a": "float32", "b": "dtype0"}


def test_the_trap_of_keras_3_is_named_with_the_way_out() -> None:
    [problem] = look(MODELS / "keras_saved").problems
    assert "sequential/dense/kernel" in problem
    assert "model.export()" in problem


def test_signatures_are_those_that_clients_see() -> None:
    signatures = look(MODELS / "good").signatures
    assert sorted(signatures) == ["lengths", "serving_default"]
    default = signatures["serving_default"]
    assert default["method_name"] == "tensorflow/serving/predict"
    assert default["inputs"] == {"x": {"name": "serving_default_x:0", "dtype": "float32", "shape": [None, 2]}}
    assert default["outputs"]["y"]["shape"] == [None, 3]
    assert signatures["lengths"]["inputs"]["text"]["dtype"] == "string"
    assert signatures["lengths"]["outputs"]["sum"]["shape"] == []


@pytest.mark.parametrize(
    ("name", "count", "shards"),
    [("good", 2, 1), ("sharded", 2, 2), ("frozen", 0, 0), ("version1", 2, 1), ("assets", 1, 1)],
)
def test_variables_are_counted(name: str, count: int, shards: int) -> None:
    variables = look(MODELS / name).variables
    assert (variables["count"], variables["shards"]) == (count, shards)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("sharded", lambda m: (m / "variables/variables.data-00001-of-00002").unlink(), "data-00001-of-00002 is missing"),
        ("good", lambda m: (m / DATA).write_bytes(b"short"), "is cut off: it has 5 bytes"),
        ("good", lambda m: flip(m / DATA, 3), "checksum of 'weight/"),
        ("good", lambda m: (m / INDEX).unlink(), "variables.index is missing, and the graph restores 3"),
        ("good", lambda m: shutil.copy(MODELS / "assets" / INDEX, m / INDEX), "has no bias/.ATTRIBUTES"),
        ("good", lambda m: flip(m / INDEX, 20), "variables.index is damaged"),
        ("good", lambda m: (m / INDEX).write_bytes(b""), "is cut off, or no checkpoint's index"),
        ("assets", lambda m: (m / "assets/words.txt").unlink(), "assets/words.txt is missing"),
        ("good", lambda m: (m / PB).write_bytes(b""), "saved_model.pb is empty"),
        ("good", lambda m: (m / PB).write_bytes(b"<html>not found</html>"), "saved_model.pb is damaged"),
        ("good", lambda m: (m / PB).write_bytes((m / PB).read_bytes()[:-100]), "saved_model.pb is damaged"),
        ("good", lambda m: (m / PB).write_bytes(b"\x08\x01"), "holds no graph"),
    ],
)  # fmt: skip
def test_what_tf_serving_would_not_load_is_said(
    model: Callable[[str], Path], name: str, spoil: Any, words: str
) -> None:
    folder = model(name)
    spoil(folder)
    problems = look(folder).problems
    assert any(words in problem for problem in problems), problems


def swap(old: bytes, new: bytes) -> Callable[[Path], object]:
    """A graph with a text of the same length in place of another."""
    return lambda folder: (folder / PB).write_bytes((folder / PB).read_bytes().replace(old, new))


def without_init(folder: Path) -> None:
    """What fills tables stands twice: as a signature and as a collection."""
    swap(b"__saved_model_init_op", b"another_signature_xyz")(folder)
    swap(b"saved_model_main_op", b"another_collection_")(folder)


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("good", swap(b"\x12\x06MatMul", b"\x12\x06MyMult"), "operations that TF Serving's own build lacks: MyMult"),
        ("assets", without_init, "lookup tables that nothing fills"),
        ("jax", swap(b"\x12\x03CPU", b"\x12\x03TPU"), "lowered by jax2tf for TPU alone"),
        ("jax", swap(b"tanh_v2", b"tanh_v9"), "operations that TensorFlow 2.21 does not read: tanh_v9"),
    ],
)  # fmt: skip
def test_what_loads_and_fails_each_request_is_said(
    model: Callable[[str], Path], name: str, spoil: Callable[[Path], object], words: str
) -> None:
    folder = model(name)
    assert look(folder).problems == []
    spoil(folder)
    problems = look(folder).problems
    assert any(words in problem for problem in problems), problems


def test_another_tag_is_not_there() -> None:
    info = inspect(MODELS / "good", sizes_of(read_files(str(MODELS / "good"))), tags=["serve", "gpu"])
    assert "no graph has the tags serve+gpu and no others" in info.problems[0]


def record(data: bytes = b"abc", *, of_length: int = 0, of_data: int = 0) -> bytes:
    """A TFRecord, its checksums off by so much."""

    def masked(part: bytes, off: int) -> bytes:
        value: int = value_of(part)
        return (((value >> 15 | value << 17) + 0xA282EAD8 + off) & 0xFFFFFFFF).to_bytes(4, "little")

    length = len(data).to_bytes(8, "little")
    return length + masked(length, of_length) + data + masked(data, of_data)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (record() * 1001, "more than 1000"),
        (record() + b"xy", "cut off"),
        (record()[:-1], "cut off"),
        (record() + record(of_data=1), "the checksum of record 2 does not match"),
        (record(of_length=1), "no file of TFRecords"),
        (b'{"instances": [[1.0, 2.0]]}', "no file of TFRecords"),
        (record() * 3, ""),
    ],
)
def test_warm_up_requests_that_fail_the_load(
    model: Callable[[str], Path], content: bytes, words: str
) -> None:
    folder = model("good")
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra/tf_serving_warmup_requests").write_bytes(content)
    info = look(folder)
    assert [words in problem for problem in info.problems] == ([True] if words else [])
    assert words or info.warmup_records == 3


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_never_end_in_a_traceback(tmp_path_factory: Any, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(LOADS)))
    folder = Path(shutil.copytree(MODELS / name, tmp_path_factory.mktemp("fuzz") / name))
    graph = f"{PB}txt" if name.endswith("_text") else PB
    path = folder / data.draw(st.sampled_from([graph, INDEX] if name != "frozen" else [graph]))
    content = bytearray(path.read_bytes())
    start = data.draw(st.integers(0, len(content)))
    stop = start + data.draw(st.integers(0, 40))
    content[start:stop] = data.draw(st.binary(max_size=40))
    path.write_bytes(content)
    info = look(folder)
    assert all("\n" not in problem for problem in info.problems)
    shutil.rmtree(folder)


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([PB, f"{PB}txt"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: Any, content: bytes, name: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / name).write_bytes(content)
    assert not look(folder).loadable


def varint(number: int) -> bytes:
    low = number & 0x7F
    return bytes([low | 0x80]) + varint(number >> 7) if number > 0x7F else bytes([low])


def test_a_large_model_costs_little_memory(model: Callable[[str], Path]) -> None:
    """A constant of 600 MB in the graph: the file is one hole, so that the test writes next to nothing."""
    folder = model("good")
    size = 600 * 2**20
    name = b"\x0a\x03big\x12\x05Const"
    node = b"\x0a" + varint(len(name) + 1 + 5 + size) + name + b"\x2a" + varint(size).ljust(5, b"\x00")
    graph = b"\x12" + varint(len(node) + size) + node
    saved = b"\x12" + varint(len(graph) + size) + graph
    with (folder / PB).open("r+b") as file:
        old = file.read()
        file.seek(0)
        file.write(saved)
        file.truncate(len(saved) + size)
        file.seek(0, os.SEEK_END)
        file.write(old)
    script = (
        "import sys; sys.path.insert(0, 'tests'); import conftest\n"
        "from pathlib import Path\n"
        "from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.info import inspect\n"
        f"info = inspect(Path({str(folder)!r}), {sizes(folder)!r})\n"
        "[peak] = [line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')]\n"
        "print(info.loadable, info.problems, peak)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "True []" in done.stdout, done.stdout
    assert int(done.stdout.split()[-1]) < 120_000, "kilobytes, Python and Ansible included"


def sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: (m / PB).unlink(), "is not a SavedModel"),
        (shutil.rmtree, "is not a folder"),
        (lambda m: (m / "evil").symlink_to("/etc/passwd"), "evil is a link out of the folder"),
        (lambda m: (m / "evil").symlink_to("/etc"), "evil is a link out of the folder"),
        (lambda m: (m / "evil").symlink_to("variables"), "evil is a link to a folder"),
        (lambda m: (m / "evil").symlink_to("evil"), "evil can't be read"),
        (lambda m: (m / "evil").symlink_to("nowhere"), "evil can't be read"),
        (lambda m: os.mkfifo(m / "pipe"), "pipe is neither a file nor a folder"),
        (lambda m: (m / "a\nb").write_text(""), "has control characters"),
        (lambda m: Path(os.fsdecode(os.fsencode(m) + b"/\xff")).write_text(""), "is not UTF-8"),
    ],
)
def test_folders_that_are_no_model_are_refused(
    model: Callable[[str], Path], capsys: pytest.CaptureFixture[str], spoil: Any, words: str
) -> None:
    folder = model("good")
    spoil(folder)
    assert words in run(capsys, path=str(folder))["msg"]


def test_the_module_tells_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, path=str(MODELS / "sharded"))
    assert result["loadable"] is True
    assert result["changed"] is False
    assert result["size"] == sum(sizes(MODELS / "sharded").values())
    assert [file["path"] for file in result["files"]] == sorted(sizes(MODELS / "sharded"))
    assert len(result["sha256"]) == 64


LITTER = (
    ".DS_Store", "variables/._variables.index", "__MACOSX/._saved_model.pb", "Thumbs.db", "assets/desktop.ini",
    ".git/HEAD", ".ipynb_checkpoints/a-checkpoint.ipynb", "$RECYCLE.BIN/x",
)  # fmt: skip


def test_what_file_managers_leave_is_no_part_of_a_model(
    model: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model("good")
    before = run(capsys, path=str(folder))
    for name in LITTER:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    after = run(capsys, path=str(folder))
    assert (after["sha256"], after["files"], before["left_out"]) == (before["sha256"], before["files"], [])
    assert after["left_out"] == [
        "$RECYCLE.BIN", ".DS_Store", ".git", ".ipynb_checkpoints", "Thumbs.db", "__MACOSX", "assets/desktop.ini",
        "variables/._variables.index",
    ]  # fmt: skip


def test_the_folder_above_the_versions_is_a_common_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert f"Did you mean {MODELS}/version1_text?" in run(capsys, path=str(MODELS))["msg"]


FILES = [ModelFile(path, 1, path, path) for path in (PB, "variables/a", "variables/b")]


@given(st.permutations(FILES))
def test_the_digest_is_of_the_content_alone(files: list[ModelFile]) -> None:
    assert digest(files) == digest(FILES)


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    with patch_module_args(options), pytest.raises(SystemExit):
        saved_model_info.main()
    return dict(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"\x00", b""),
        (b"\x03\x08abc", b"abc"),
        (b"\x0a\x04ab\x0d\x02\x00c", b"ababababac"),
        (b"\x0a\x04ab\x11\x02", b"ababababab"),  # a copy of eight bytes, two back: it repeats what it makes
        (b"\x0a\x04ab\x1e\x02\x00", b"ababababab"),  # the same with two bytes of offset
        (b"\x0a\x04ab\x1f\x02\x00\x00\x00", b"ababababab"),  # with four
        (b"\x3e\xf0\x3d" + b"x" * 62, b"x" * 62),  # a literal whose length has a byte of its own
        (b"\x0a\x04ab\x1e\x03\x00", "before its beginning"),
        (b"\x0a\x04ab\x1e\x00\x00", "before its beginning"),
        (b"\x0b\x04ab\x1e\x02\x00", "is not as long as it says"),
        (b"\x03\x08ab", "is not as long as it says"),
        (b"\xff\xff\xff\xff\x7f\x00a", "more than any index"),
        (b"\x80", "a number is cut off"),
    ],
)
def test_snappy_by_its_description(data: bytes, answer: bytes | str) -> None:
    if isinstance(answer, bytes):
        assert unsnapped(data, 1000) == answer
    else:
        with pytest.raises(InvalidModel, match=answer):
            unsnapped(data, 1000)


def test_a_compressed_index_is_bounded_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "INDEX_MAX", 300)
    assert "more than any index" in look(MODELS / "snappy").problems[0]

"""Archives of strangers: unpacked whole, or refused with a sentence and nothing outside the target touched."""

from __future__ import annotations

import gzip
import io
import lzma
import shutil
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model import archive
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.archive import is_archive, unpack
from ansible_collections.mlops.tfserving.plugins.module_utils.saved_model.errors import InvalidModel
from hypothesis import given, settings
from hypothesis import strategies as st

PB = "saved_model.pb"
MOST = 10_000


def tar_of(path: Path, *members: tuple[str, bytes, dict[str, Any]], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content, other in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in other.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return path


def zip_of(path: Path, *members: tuple[str, bytes, int]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, content)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "deep/target"
    folder.mkdir(parents=True)
    return folder


GOOD = (PB, b"graph", {})
HOSTILE_TARS: dict[str, tuple[tuple[str, bytes, dict[str, Any]], str]] = {
    "parent": (("../evil", b"x", {}), "a place outside"),
    "nested parent": (("a/../../evil", b"x", {}), "a place outside"),
    "absolute": (("/tmp/evil", b"x", {}), "a place outside"),
    "backslash": (("..\\evil", b"x", {}), "a place outside"),
    "drive": (("C:evil", b"x", {}), "a place outside"),
    "symbolic link": (("l", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}), "which is a link"),
    "hard link": (("l", b"", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}), "a place outside"),
    "hard link to nothing": (("l", b"", {"type": tarfile.LNKTYPE, "linkname": "later"}), "which is a link"),
    "device": (("d", b"", {"type": tarfile.CHRTYPE}), "a device or the like"),
    "pipe": (("p", b"", {"type": tarfile.FIFOTYPE}), "a device or the like"),
    "newline": (("a\nb", b"", {}), "control characters"),
    "long name": (("a" * 300, b"", {}), "too long"),
    "twice": ((PB, b"other", {}), "has saved_model.pb twice"),
    "file for folder": ((f"{PB}/x", b"", {}), "has saved_model.pb twice"),
    "too much": (("big", b"x" * (MOST + 1), {}), "raise archive_size_max"),
}


def test_a_model_whose_graph_is_text_is_found(tmp_path: Path, target: Path) -> None:
    packed = tar_of(tmp_path / "m.tgz", (f"a/{PB}txt", b"x", {}), ("a/readme", b"x", {}))
    assert unpack(packed, target, MOST) == target / "a"


@pytest.mark.parametrize("kind", sorted(HOSTILE_TARS))
def test_hostile_tars(tmp_path: Path, target: Path, kind: str) -> None:
    member, words = HOSTILE_TARS[kind]
    packed = tar_of(tmp_path / "m.tar.gz", GOOD, member)
    with pytest.raises(InvalidModel, match=words):
        unpack(packed, target, MOST)
    assert {p.name for p in tmp_path.iterdir()} == {"deep", "m.tar.gz"}
    assert {p.name for p in target.parent.iterdir()} == {"target"}
    assert not any(path.is_symlink() for path in target.rglob("*"))


@pytest.mark.parametrize(
    ("name", "content", "mode", "words"),
    [
        ("../evil", b"x", 0o644, "a place outside"),
        ("/evil", b"x", 0o644, "a place outside"),
        ("l", b"/etc/passwd", stat.S_IFLNK | 0o777, "which is a link"),
        ("d", b"", stat.S_IFCHR, "a device or the like"),
        ("bomb", b"\0" * 5_000_000, 0o644, "raise archive_size_max"),
    ],
)
def test_hostile_zips(tmp_path: Path, target: Path, name: str, content: bytes, mode: int, words: str) -> None:
    packed = zip_of(tmp_path / "m.zip", (PB, b"graph", 0o644), (name, content, mode))
    with pytest.raises(InvalidModel, match=words):
        unpack(packed, target, MOST)
    assert {p.name for p in target.parent.iterdir()} == {"target"}


def test_a_header_that_would_fill_the_memory(tmp_path: Path, target: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 8 * 2**30
    (tmp_path / "m.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10_240)
    with pytest.raises(InvalidModel, match="a header of"):
        unpack(tmp_path / "m.tar", target, MOST)


def test_too_many_members(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MEMBERS_MAX", 3)
    packed = tar_of(tmp_path / "m.tgz", GOOD, *((f"f{n}", b"", {}) for n in range(5)))
    with pytest.raises(InvalidModel, match="more than 3 members"):
        unpack(packed, target, MOST)


@pytest.mark.parametrize(
    ("paths", "answer"),
    [
        ([PB], ""),
        (["a/b/saved_model.pb", "a/readme"], "a/b"),
        ([PB, "assets.extra/saved_model.pb"], ""),
        ([PB, "saved_model.pbtxt"], ""),
        (["1/saved_model.pb", "2/saved_model.pb"], "several SavedModels: 1, 2"),
        (["readme"], "has no saved_model.pb"),
        ([], "has no saved_model.pb"),
    ],
)
def test_the_model_in_it_is_found(tmp_path: Path, target: Path, paths: list[str], answer: str) -> None:
    packed = tar_of(tmp_path / "m.tgz", *((path, b"x", {}) for path in paths))
    if " " in answer:
        with pytest.raises(InvalidModel, match=answer):
            unpack(packed, target, MOST)
    else:
        found = unpack(packed, target, MOST)
        assert found == target / answer
        assert (found / PB).read_bytes() == b"x"


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tgz", "tar.bz2", "tbz2", "tar.xz", "txz"])
def test_every_kind_of_tar_with_hard_links_in_it(tmp_path: Path, target: Path, kind: str) -> None:
    """As `tar` packs a folder of which another file is a hard link: the second is a link to the first."""
    other = {"gz": "gz", "tgz": "gz", "bz2": "bz2", "tbz2": "bz2", "xz": "xz", "txz": "xz"}.get(
        kind.rsplit(".", maxsplit=1)[-1], ""
    )
    link = ("variables/copy", b"", {"type": tarfile.LNKTYPE, "linkname": PB})
    packed = tar_of(tmp_path / f"m.{kind}", GOOD, link, mode=f"w:{other}")
    assert is_archive(packed.name)
    found = unpack(packed, target, MOST)
    assert (found / "variables/copy").read_bytes() == b"graph"
    shutil.rmtree(found)
    with pytest.raises(InvalidModel, match="raise archive_size_max"):
        unpack(packed, target, 2 * len(b"graph") - 1)


def test_xz_that_would_fill_the_memory(tmp_path: Path, target: Path) -> None:
    """One that asks for a dictionary of 192 MiB: its contents would fit in a few bytes."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 192 * 2**20}]
    (tmp_path / "m.tar.xz").write_bytes(lzma.compress(b"\0" * 10_240, filters=filters))
    with pytest.raises(InvalidModel, match="damaged, or not what its name says: Memory usage limit"):
        unpack(tmp_path / "m.tar.xz", target, MOST)


def test_a_file_with_holes(tmp_path: Path, target: Path) -> None:
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(2**20)
    for kind in ("gnu", "posix"):
        packed = tmp_path / f"{kind}.tar"
        subprocess.run(["tar", "-S", f"--format={kind}", "-cf", packed, "-C", tmp_path, "holes"], check=True)
        with pytest.raises(InvalidModel, match="pack without --sparse"):
            unpack(packed, target, MOST)


@pytest.mark.parametrize(
    ("name", "content"),
    [("m.zip", b"PK"), ("m.tar.gz", b"\x1f\x8b"), ("m.tgz", b""), ("m.zip", b""), ("m.tar", b"x" * 600)],
)
def test_what_is_no_archive(tmp_path: Path, target: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidModel, match="is damaged, or not what its name says"):
        unpack(tmp_path / name, target, MOST)


def test_a_gzip_header_with_an_extra_field(tmp_path: Path, target: Path) -> None:
    """As bgzip writes it."""
    plain = gzip.compress(tar_of(tmp_path / "m.tar", GOOD, mode="w").read_bytes())
    packed = tmp_path / "m.tgz"
    packed.write_bytes(plain[:3] + b"\x04" + plain[4:10] + b"\x06\x00BC\x02\x00\x10\x00" + plain[10:])
    assert (unpack(packed, target, MOST) / PB).read_bytes() == b"graph"


def test_a_gzip_header_that_claims_an_extra_field(tmp_path: Path, target: Path) -> None:
    packed = tar_of(tmp_path / "m.tgz", GOOD)
    damaged = bytearray(packed.read_bytes())
    damaged[3:3] = b"\x04"
    packed.write_bytes(damaged)
    with pytest.raises(InvalidModel, match="is damaged, or not what its name says"):
        unpack(packed, target, MOST)


Make = Callable[..., Path]


@settings(max_examples=300)
@given(data=st.data())
def test_damaged_archives_never_end_in_a_traceback(tmp_path_factory: Any, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    target = folder / "target"
    target.mkdir()
    content = (PB, bytes(range(256))), ("variables/variables.index", b"i" * 300)
    kind = data.draw(st.sampled_from(["m.zip", "m.tgz", "m.tar"]))
    if kind == "m.zip":
        packed = zip_of(folder / kind, *((n, c, 0o644) for n, c in content))
    else:
        packed = tar_of(
            folder / kind, *((n, c, {}) for n, c in content), mode="w:gz" if kind == "m.tgz" else "w"
        )
    damaged = bytearray(packed.read_bytes())
    at = data.draw(st.integers(0, len(damaged)))
    damaged[at : at + data.draw(st.integers(0, 60))] = data.draw(st.binary(max_size=60))
    packed.write_bytes(damaged)
    try:
        found = unpack(packed, target, MOST)
    except InvalidModel as error:
        assert "\n" not in str(error)
    else:
        assert (found / PB).is_file()
    outside = {p.relative_to(folder).parts[0] for p in folder.rglob("*")}
    assert outside == {"target", kind}

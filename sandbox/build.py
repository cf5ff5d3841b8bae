"""Compiles what the sandbox runs from the Go modules pinned in ``go/``; kept by content in the cache."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .paths import cache_dir

_SOURCES = Path(__file__).parent / "go"
# In the cache: what each step of a build took, a JSON object a line.
STEPS = "steps.jsonl"
_VERSION = "k8s.io/component-base/version"
# The release that ``go/kube`` compiles.
KUBERNETES_VERSION = re.findall(
    r"^\tk8s\.io/kubernetes v(\S+)$", (_SOURCES / "kube/go.mod").read_text(), re.M
)[0]
_MAJOR, _MINOR, _ = KUBERNETES_VERSION.split(".")
# The name of each binary, and what the linker writes into it.
_BINARIES = {
    "pause": "",
    "coredns": "",
    "metrics-server": "",
    "kube": f"-X {_VERSION}.gitVersion=v{KUBERNETES_VERSION} -X {_VERSION}.gitMajor={_MAJOR}"
    f" -X {_VERSION}.gitMinor={_MINOR}",
}


# Go's compilers are short-lived: seldom collecting their garbage saves a fifth of the CPU time, within bounds of memory.
_ENVIRONMENT = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-mod=readonly -trimpath",
    "GOGC": "400",
    "GOMEMLIMIT": "1500MiB",
}


class BuildFailed(RuntimeError):
    """A build step failed; the text is the end of what it said."""


def binaries_dir() -> Path:
    """Where the binaries of these sources are, built or not."""
    return cache_dir() / f"binaries-{digest_of(_SOURCES)}"


def build_binaries(progress: Callable[[str], None]) -> Path:
    """The folder with the static ``kube``, ``coredns``, ``metrics-server``, ``pause``; built if missing."""
    target = binaries_dir()
    with cache_lock("binaries"):
        if target.exists():
            return target
        draft = target.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        progress("Kubernetes from its sources: some ten minutes on two cores, this once")
        environment = {**os.environ, **_ENVIRONMENT}
        for name, variables in _BINARIES.items():
            # Without debug information, which would be made first and left out of the binary then.
            flags = ["-gcflags=all=-dwarf=false", f"-ldflags=-s -w {variables}"]
            command = ["go", "build", *flags, "-o", str(draft / name), "."]
            watched(command, f"compiling {name}", progress, cwd=_SOURCES / name, env=environment)
        (draft / "kubectl").symlink_to("kube")
        draft.rename(target)
    return target


def digest_of(*inputs: Path | str) -> str:
    """16 hex digits that change with any file's name or content below the folders, or with the texts."""
    summary = hashlib.sha256()
    for item in inputs:
        if isinstance(item, str):
            summary.update(item.encode() + b"\0")
            continue
        files = [item] if item.is_file() else sorted(p for p in item.rglob("*") if p.is_file())
        for file in files:
            if "__pycache__" in file.parts:
                continue
            summary.update(str(file.relative_to(item.parent)).encode() + b"\0" + file.read_bytes() + b"\0")
    return summary.hexdigest()[:16]


@contextmanager
def cache_lock(name: str) -> Iterator[None]:
    """One builder at a time for each kind of cache entry, also between processes."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def watched(
    command: list[str],
    what: str,
    progress: Callable[[str], None],
    *,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> None:
    """Runs a command that may take minutes, saying every half minute that it still does. What it took is noted in
    ``STEPS``. Raises ``BuildFailed``."""
    started = time.monotonic()
    progress(what)
    # Steps may run side by side.
    log = cache_dir() / f"build.{os.getpid()}.{threading.get_ident()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        told = started
        try:
            while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
                time.sleep(0.1)
                if time.monotonic() > told + 30:
                    told += 30
                    progress(f"{what}: {told - started:.0f} s")
        except BaseException:
            process.kill()
            raise
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise BuildFailed(f"{what} failed ({' '.join(command[:3])} …, whole output in {log}):\n{end}")
    log.unlink()
    took = {
        "step": what, "seconds": time.monotonic() - started, "cpu_seconds": usage.ru_utime + usage.ru_stime,
    }  # fmt: skip
    with (cache_dir() / STEPS).open("a") as steps:
        steps.write(json.dumps(took) + "\n")

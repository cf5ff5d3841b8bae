"""Compiles what the sandbox runs, from the Go modules that ``releases`` names; kept by content in the cache.

Everything compiled together shares one module graph, which Go makes of those few versions: what several programs use is
compiled once. Every module is checked against the public checksum database (https://go.dev/ref/mod#checksum-database),
or as GOSUMDB and GOPROXY of the environment say.
"""

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
from .releases import (
    COREDNS,
    CUSTOM_METRICS,
    DEFAULT,
    KEDA,
    KUBE_STATE_METRICS,
    METRICS_SERVER,
    PROMETHEUS_ADAPTER,
)

_SOURCES = Path(__file__).parent / "go"
# In the cache: what each step of a build took, a JSON object a line.
STEPS = "steps.jsonl"
_VERSION = "k8s.io/component-base/version"
# Beside the default release: DNS and the metrics API of every cluster, and the first process of every pod.
_COMMON = {
    "coredns": f"github.com/coredns/coredns v{COREDNS}",
    "metrics-server": f"sigs.k8s.io/metrics-server v{METRICS_SERVER}",
    "pause": "",
}
# GKE's adapter goes into the default release's module graph; these have one of their own each, the one that they were
# released with, since they know no newer Kubernetes: by name, module, version, and the package of the program.
AS_RELEASED = {
    "prometheus-adapter": ("sigs.k8s.io/prometheus-adapter", PROMETHEUS_ADAPTER, "/cmd/adapter"),
    "kube-state-metrics": ("k8s.io/kube-state-metrics/v2", KUBE_STATE_METRICS, ""),
}
# KEDA's programs by the packages that have them; its operator is larger than Kubernetes.
KEDA_PROGRAMS = {
    "keda-operator": "cmd/operator",
    "keda-adapter": "cmd/adapter",
    "keda-webhooks": "cmd/webhooks",
}
_KEDA = "github.com/kedacore/keda/v2"
_GKE_ADAPTER = "gke-metrics-adapter"
_ON_CUSTOM_METRICS = f"require sigs.k8s.io/custom-metrics-apiserver v{CUSTOM_METRICS}"

# Go's compilers are short-lived: seldom collecting their garbage saves a fifth of the CPU time, within bounds of memory.
_ENVIRONMENT = {
    "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -trimpath -buildvcs=false", "GOGC": "400", "GOMEMLIMIT": "1500MiB",
}  # fmt: skip


# Debug information would be made first and left out of the binary then.
NO_DEBUG = "-gcflags=all=-dwarf=false"


class BuildFailed(RuntimeError):
    """A build step failed; the text is the end of what it said."""


def programs(release: str) -> list[str]:
    """What is compiled for a release of Kubernetes."""
    return ["kube", *(_COMMON if release == DEFAULT else ())]


def binaries_dir(release: str = DEFAULT) -> Path:
    """Where the binaries of a release are, built or not."""
    return (
        cache_dir()
        / f"binaries-{digest_of(_requirements(release), *(_SOURCES / name for name in programs(release)))}"
    )


def build_binaries(progress: Callable[[str], None], release: str = DEFAULT) -> Path:
    """The folder with the static ``kube`` of a release; in the default's also ``coredns``, ``metrics-server`` and
    ``pause``. Built if missing, which takes minutes.

    Raises ``BuildFailed``, and ``OSError`` without Go.
    """
    what = f"Kubernetes {release} from its sources: some ten minutes on two cores, this once"
    return _compiled(binaries_dir(release), release, programs(release), what, progress)


def build_kubectl(progress: Callable[[str], None]) -> Path:
    """``kubectl`` of the default release, which no cluster needs; built if missing. Raises as ``build_binaries`` does."""
    target = cache_dir() / f"kubectl-{digest_of(_requirements(DEFAULT), _SOURCES / 'kubectl')}"
    return _compiled(target, DEFAULT, ["kubectl"], "kubectl from its sources", progress) / "kubectl"


def build_gke_adapter(progress: Callable[[str], None]) -> Path:
    """The program that plays GKE's managed metrics adapter; built if missing. Raises as ``build_binaries`` does."""
    target = (
        cache_dir()
        / f"gke-adapter-{digest_of(_requirements(DEFAULT), _ON_CUSTOM_METRICS, _SOURCES / _GKE_ADAPTER)}"
    )
    what = "GKE's metrics adapter, a minute"
    return _compiled(target, DEFAULT, [_GKE_ADAPTER], what, progress, _ON_CUSTOM_METRICS) / _GKE_ADAPTER


def released_dir(name: str) -> Path:
    """Where one of ``AS_RELEASED`` is, built or not."""
    _, version, _ = AS_RELEASED[name]
    return cache_dir() / f"{name}-{digest_of(version)}"


def build_released(name: str, progress: Callable[[str], None]) -> Path:
    """The folder with one of ``AS_RELEASED``; built if missing. Raises as ``build_binaries`` does."""
    source, version, package = AS_RELEASED[name]

    def build(draft: Path, module: Path, environment: dict[str, str]) -> None:
        go = "\n".join(["module sandbox.local", "go 1.26.0", f"require {source} v{version}", ""])
        (module / "go.mod").write_text(go)
        flags = [NO_DEBUG, "-ldflags=-s -w"]
        command = ["go", "build", *flags, "-o", str(draft / name), f"{source}{package}"]
        watched(command, f"compiling {name}", progress, cwd=module, env=environment)

    return _kept(released_dir(name), f"{name} {version}: minutes, this once", progress, build)


def keda_dir() -> Path:
    """Where KEDA is, built or not."""
    return cache_dir() / f"keda-{digest_of(KEDA)}"


def build_keda(progress: Callable[[str], None]) -> Path:
    """The folder with ``KEDA_PROGRAMS``, and in ``config`` KEDA's own manifests; built if missing. Raises as
    ``build_binaries`` does."""

    def build(draft: Path, module: Path, environment: dict[str, str]) -> None:
        # In KEDA's own module, since it replaces some of what it requires, which only the main module may.
        source = Path(_downloaded(_KEDA, KEDA, environment)["Dir"])
        flags = ["-mod=readonly", NO_DEBUG, f"-ldflags=-s -w -X={_KEDA}/version.Version={KEDA}"]
        command = ["go", "build", *flags, "-o", f"{module}/", *(f"./{one}" for one in KEDA_PROGRAMS.values())]
        watched(command, "compiling KEDA", progress, cwd=source, env=environment)
        for name, package in KEDA_PROGRAMS.items():
            (module / Path(package).name).rename(draft / name)
        # Without its modes: a module's files can't be written.
        shutil.copytree(source / "config", draft / "config", copy_function=shutil.copyfile)
        for folder in (draft / "config", *(draft / "config").rglob("*/")):
            folder.chmod(0o755)

    return _kept(keda_dir(), f"KEDA {KEDA}: some ten minutes on two cores, this once", progress, build)


def _compiled(
    target: Path, release: str, names: list[str], what: str, progress: Callable[[str], None], more: str = ""
) -> Path:
    """The folder with these programs, in one module graph; ``more``: lines of its go.mod."""

    def build(draft: Path, module: Path, environment: dict[str, str]) -> None:
        (module / "go.mod").write_text(_module(release, _upstream(release, environment)) + more)
        for name in names:
            shutil.copytree(_SOURCES / name, module / name)
        flags = [NO_DEBUG, f"-ldflags=-s -w {_stamp(release)}"]
        command = ["go", "build", *flags, "-o", f"{draft}/", *(f"./{name}" for name in names)]
        watched(command, f"compiling {', '.join(names)}", progress, cwd=module, env=environment)

    return _kept(target, what, progress, build)


def _kept(
    target: Path,
    what: str,
    progress: Callable[[str], None],
    build: Callable[[Path, Path, dict[str, str]], None],
) -> Path:
    """The entry of the cache, made if missing: ``build`` gets its folder, one for a module, and Go's environment."""
    if target.exists():
        return target
    with cache_lock("binaries"):
        if target.exists():
            return target
        draft = target.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        module = draft / "module"
        module.mkdir(parents=True)
        progress(what)
        build(draft, module, {**os.environ, **_ENVIRONMENT})
        shutil.rmtree(module)
        draft.rename(target)
    return target


def _requirements(release: str) -> str:
    wanted = [f"k8s.io/kubernetes v{release}", *(_COMMON[name] for name in programs(release)[1:])]
    return "\n".join(f"require {one}" for one in wanted if one)


def _stamp(release: str) -> str:
    """What the linker writes into the programs: the version that they say they are."""
    major, minor, _ = release.split(".")
    values = {"gitVersion": f"v{release}", "gitMajor": major, "gitMinor": minor}
    return " ".join(f"-X {_VERSION}.{name}={value}" for name, value in values.items())


def _upstream(release: str, environment: dict[str, str]) -> str:
    """The go.mod of Kubernetes itself."""
    return Path(_downloaded("k8s.io/kubernetes", release, environment)["GoMod"]).read_text()


def _downloaded(name: str, version: str, environment: dict[str, str]) -> dict[str, str]:
    """A module by itself, without what it requires: where it is. Raises ``BuildFailed``."""
    command = ["go", "mod", "download", "-json", f"{name}@v{version}"]
    done = subprocess.run(
        command, cwd=cache_dir(), env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildFailed(f"{' '.join(command)} failed:\n{done.stderr or done.stdout}")
    return dict(json.loads(done.stdout))


def _module(release: str, upstream: str) -> str:
    """The go.mod of what is compiled. ``upstream``: that of Kubernetes, whose parts are modules of the same release."""
    parts = re.findall(r"^\t(k8s\.io/\S+) => \./staging", upstream, re.M)
    return "\n".join([
        "module sandbox.local", *re.findall(r"^go(?:debug)? .*", upstream, re.M), _requirements(release),
        *(f"replace {part} => {part} v0{release.removeprefix('1')}" for part in parts), "",
    ])  # fmt: skip


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

"""The real controller of HorizontalPodAutoscalers, compiled from Kubernetes' own modules, asked what it decides."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sandbox.build import NO_DEBUG
from sandbox.paths import cache_dir
from sandbox.releases import RELEASES as OFFERED

SOURCES = Path(__file__).parent / "oracle"
RELEASES = {int(release.split(".")[1]): release for release in OFFERED}
"""What each minor is held against."""


def built(minor: int) -> Path:
    """The test program for this minor; built when first asked for: a minute or two, more where the sandbox has not
    compiled this release."""
    release = RELEASES[minor]
    folder = cache_dir() / f"hpa-oracle-{release}"
    program = folder / "oracle.test"
    sources = {file.name: file.read_text() for file in SOURCES.iterdir()}
    if program.exists() and all((folder / name).read_text() == text for name, text in sources.items()):
        return program
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in sources.items():
        (folder / name).write_text(text)
    found = _go(["mod", "download", "-json", f"k8s.io/kubernetes@v{release}"], folder.parent)
    theirs = Path(json.loads(found)["GoMod"]).read_text()
    goes = re.findall(r"^go .+", theirs, re.M)[0]
    staging = re.findall(r"^\t(k8s\.io/\S+) => \./staging", theirs, re.M)
    (folder / "go.mod").write_text("\n".join([
        "module oracle", goes, f"require k8s.io/kubernetes v{release}",
        *(f"replace {name} => {name} v0{release[1:]}" for name in staging),
    ]) + "\n")  # fmt: skip
    _go(["mod", "tidy"], folder)
    _go(["test", "-c", NO_DEBUG, "-o", str(program), "."], folder)
    return program


def answers(minor: int, scenarios: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """What the controller of this minor decides at each look of each scenario."""
    asked = "\n".join(json.dumps(one) for one in scenarios)
    result = subprocess.run(
        [built(minor), "-test.run", "TestAnswers"], input=asked, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("[")]


def recorded(minor: int) -> list[list[dict[str, Any]]]:
    """What it answered to the first scenarios of this minor, as compare.py wrote it down."""
    with gzip.open(_record(minor), "rt") as lines:
        return [json.loads(line) for line in lines]


def record(minor: int, answered: list[list[dict[str, Any]]]) -> None:
    with gzip.GzipFile(_record(minor), "wb", mtime=0) as file:
        file.write("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in answered).encode())


def _record(minor: int) -> Path:
    return Path(__file__).parent / f"answers/{RELEASES[minor]}.jsonl.gz"


def _go(arguments: list[str], folder: Path) -> str:
    # As the sandbox builds Kubernetes, so that what both compile is compiled once.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-trimpath"}
    result = subprocess.run(
        ["go", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise RuntimeError(f"go {' '.join(arguments)}: {result.stderr[-2000:]}")
    return result.stdout

"""Publishers and fetchers as processes of their own, which can be killed."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from objects import Objects

ROOT = Path(__file__).resolve().parents[2]
PB, MANIFEST = "saved_model.pb", "tfserving_manifest.json"

# A fork server imports Ansible and the module once; each publisher is a fork of it. It has no path but this one.
os.environ["PYTHONPATH"] = str(Path(__file__).parent)
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["publishing"])


class Publisher:
    """A process that runs the module; it is killed as a whole."""

    def __init__(self, url: str, token: str, folder: Path, source: Path, **options: Any) -> None:
        """``folder``: keeps the process's cache and output from one run to the next."""
        import publishing

        arguments = {
            "project": "sandbox-project", "auth_kind": "accesstoken", "access_token": token, "api_endpoint": url,
            "bucket": "models", "path": "m", "source": str(source), **options,
        }  # fmt: skip
        folder.mkdir(exist_ok=True)
        self._output = folder / f"output-{os.urandom(4).hex()}"
        self._process = _FORKS.Process(
            target=publishing.run, args=(arguments, str(folder), str(self._output))
        )
        self._process.start()

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> None:
        self._process.join(60)
        assert self._process.exitcode is not None, "it hangs"

    def result(self) -> dict[str, Any]:
        self.wait()
        return dict(json.loads(self._output.read_text()))


def fetch(
    url: str, target: Path, uri: str, token_server: str, deadline: int = 20
) -> subprocess.CompletedProcess[str]:
    """The pod's fetcher."""
    environment = {
        "MODEL_URI": uri, "MODEL_DESTINATION": str(target), "STORAGE_ENDPOINT": url, "FETCH_DEADLINE_SECONDS": str(deadline),
        "GCE_METADATA_HOST": token_server, "TERMINATION_LOG": "/dev/null", "PATH": os.environ["PATH"],
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-I", str(ROOT / "roles/serving/files/fetch_model.py")],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def stored(objects: Objects, number: int) -> dict[str, str]:
    """sha256 of every object of a version but its manifest, read back from the bucket."""
    prefix = f"m/{number}/"
    return {
        name.removeprefix(prefix): hashlib.sha256(objects.content("models", name)).hexdigest()
        for name in objects.names("models")
        if name.startswith(prefix) and not name.endswith(MANIFEST)
    }


def claims(objects: Objects) -> list[str]:
    return [name for name in objects.names("models") if ".publishing" in name]

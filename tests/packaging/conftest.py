"""The collection as somebody gets it: built, installed in an environment with nothing else, used from elsewhere.

``--cores``: with which releases of ansible-core; ``ends`` are the oldest and the newest that the machine can run,
``all`` is every release since the oldest.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible_collections.kubernetes.core
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
sys.path.insert(0, str(Path(__file__).parent))

from emulator import Emulator
from environments import CORES, ROOT, available, environment
from installation import INVENTORY, Google, Installed


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cores", choices=["ends", "all"], default="ends", help="releases of ansible-core")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "installed" in metafunc.fixturenames:
        found = available()
        chosen = found if metafunc.config.getoption("--cores") == "all" else [found[0], found[-1]]
        if getattr(metafunc.module, "NEWEST_ONLY", False):
            chosen = found[-1:]
        metafunc.parametrize("installed", chosen, indirect=True, ids=str, scope="session")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    missing = [str(core) for core in CORES if core not in available()]
    if missing:
        terminalreporter.write_line(f"not run, for want of the Python: ansible-core {', '.join(missing)}")


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `ansible-galaxy collection build` makes of this checkout, whatever lies about in it."""
    folder = tmp_path_factory.mktemp("artifact")
    command = [Path(sys.executable).parent / "ansible-galaxy", "collection", "build", "--output-path", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("*.tar.gz")
    return made


@pytest.fixture(scope="session")
def packed(artifact: Path) -> list[str]:
    """Names of the files in it."""
    with tarfile.open(artifact) as tar:
        return sorted(member.name for member in tar if not member.isdir())


@pytest.fixture(scope="session")
def installed(
    request: pytest.FixtureRequest, artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    core = request.param
    folder = tmp_path_factory.mktemp("installed")
    collections, home = folder / "collections", folder / "home"
    (collections / "ansible_collections/kubernetes").mkdir(parents=True)
    # No Galaxy is asked: the one collection that ours depends on is there already, as it is in any `ansible`.
    (dependency,) = ansible_collections.kubernetes.core.__path__
    (collections / "ansible_collections/kubernetes/core").symlink_to(dependency)
    home.mkdir()
    (home / "hosts.yml").write_text(INVENTORY)
    made = Installed(core, environment(core), collections, home)
    made.ok("ansible-galaxy", "collection", "install", "--offline", "-p", str(collections), str(artifact))
    return made


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    emulator = Emulator(tmp_path / "gcs")
    with emulator.served() as url:
        yield Google(
            emulator, url,
            {
                "GCP_PROJECT": "sandbox-project", "GCP_AUTH_KIND": "accesstoken", "GCP_ACCESS_TOKEN": emulator.token,
                "GKE_API_ENDPOINT": url, "GCS_API_ENDPOINT": url, "XDG_CACHE_HOME": str(tmp_path / "cache"),
            },
        )  # fmt: skip
    assert not emulator.app.broken, "\n".join(emulator.app.broken)

"""The emulated Google as fixtures, for every test that wants it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from emulator import Emulator
from objects import Objects
from starlette.testclient import TestClient


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    """Ends with an error if it gave an answer that Google would not give."""
    found = Emulator(tmp_path / "gcs")
    yield found
    assert not found.app.broken, "\n".join(found.app.broken)


@pytest.fixture
def objects(emulator: Emulator) -> Objects:
    return Objects(emulator)


@pytest.fixture
def http(emulator: Emulator) -> TestClient:
    return TestClient(emulator.app, headers={"Authorization": f"Bearer {emulator.token}"})


@pytest.fixture
def url(emulator: Emulator) -> Iterator[str]:
    with emulator.served() as address:
        yield address


@pytest.fixture
def call(emulator: Emulator, url: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Runs a module that asks Google, with the emulator as Google; what it returns."""

    def run(module: Any, *, check: bool = False, **options: Any) -> dict[str, Any]:
        common = {
            "project": "sandbox-project", "auth_kind": "accesstoken", "access_token": emulator.token,
            "api_endpoint": url, "_ansible_check_mode": check, "_ansible_diff": True,
        }  # fmt: skip
        with patch_module_args({**common, **options}), pytest.raises(SystemExit):
            module.main()
        output = capsys.readouterr().out
        hidden = "kubeconfig" not in json.loads(output)
        assert not hidden or emulator.token not in output, "no token in any result but a kubeconfig"
        return dict(json.loads(output))

    return run

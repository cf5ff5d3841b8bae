"""The molecule scenario passes: converge, idempotence, drift put right, verify, cleanup."""

from __future__ import annotations

import os

import pytest

from .conftest import ROOT, leftovers, run


def test_the_default_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{ROOT}/.venv/bin:{os.environ['PATH']}")
    run("molecule", "test", timeout=900).ok()
    assert leftovers() == []

"""Runs the module tfserving_model against pods of the test's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Policy
from ansible_collections.mlops.tfserving.plugins.modules import tfserving_model
from fake_cluster import Ask, Cluster, Pod


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Policy, "pause", lambda *_unused: 0.01)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Asks these pods with these options; what the module returns."""

    def run(
        *pods: Pod, check: bool = False, cluster: Cluster | None = None, **options: Any
    ) -> dict[str, Any]:
        asked = cluster or Cluster(*pods)
        whose = {} if {"pod", "label_selector"} & set(options) else {"deployment": "w"}
        what = {} if "models" in options else {"model": "m"}
        with asked.served():
            common = {"kubeconfig": asked.kubeconfig, "namespace": "ns", "_ansible_check_mode": check}
            with patch_module_args({**common, **whose, **what, **options}), pytest.raises(SystemExit):
                tfserving_model.main()
        output = capsys.readouterr().out
        assert "secret-token" not in output
        return dict(json.loads(output))

    return run

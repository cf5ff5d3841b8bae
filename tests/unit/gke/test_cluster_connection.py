"""To which cluster a run's tasks go, and what that takes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.connection import connect, packages
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.kubeconfig import (
    context_name,
    kubeconfig,
    token_user,
    write,
)

Json = dict[str, Any]
AUTHORITY = {"masterAuth": {"clusterCaCertificate": "QQ=="}}


def test_the_cluster_that_was_converged_is_taken_whichever_the_file_has_chosen_since(tmp_path: Path) -> None:
    """As another run does it, or another host of this one, that writes to the same file."""
    file = str(tmp_path / "kubeconfig")
    for name in ("dev", "prod"):
        cluster = {"name": name, "location": "z", "endpoint": "192.0.2.1", **AUTHORITY}
        write(file, kubeconfig(cluster, "p", token_user("t")), current=True)
    options: Json = {
        "project": "p", "location": "z", "name": "dev", "kubeconfig_file": file, "existing_kubeconfig": "", "existing_context": "",
        "exists": True,
    }  # fmt: skip
    found = connect(options)
    assert (found.kubeconfig, found.context) == (file, context_name("p", "z", "dev"))


def test_a_python_without_any_package_of_google_lacks_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "google.auth", raising=False)
    monkeypatch.setitem(sys.modules, "google", None)
    assert packages({"existing_kubeconfig": ""}) == {"google-auth and requests": "no such package"}

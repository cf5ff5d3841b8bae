"""A kubeconfig of a run before is taken for a new one only where it is as good: of the same cluster and account, and for a while."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.known import known, note
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.kubeconfig import (
    context_name,
    kubeconfig,
    token_user,
    write,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.connection import configuration
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.plain import plain

Json = dict[str, Any]
NOW = 1_800_000_000.0
AUTHORITY = base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode()
CLUSTER = {
    "name": "c", "location": "z", "endpoint": "192.0.2.1", "masterAuth": {"clusterCaCertificate": AUTHORITY}
}  # fmt: skip
NAME = context_name("p", "z", "c")


@pytest.fixture
def options(tmp_path: Path) -> Json:
    (tmp_path / "key.json").write_text("one key")
    return {
        "project": "p", "location": "z", "name": "c", "auth_kind": "serviceaccount", "service_account_contents": None,
        "service_account_file": str(tmp_path / "key.json"), "scopes": ["s"], "impersonate_service_account": None,
        "impersonate_service_account_delegates": [], "api_endpoint": "https://container.googleapis.com",
        "kubeconfig_file": str(tmp_path / "kubeconfig"), "kubeconfig_auth": "token", "kubeconfig_endpoint": "ip",
    }  # fmt: skip


def written(options: Json, seconds: float = 3600) -> None:
    """As a run does it that got a token for so long."""
    signed = SimpleNamespace(expiry=datetime.fromtimestamp(NOW + seconds, UTC).replace(tzinfo=None))
    content = kubeconfig(CLUSTER, "p", token_user("ya29.t"), note=note(options, signed))
    write(options["kubeconfig_file"], content, current=True)


def test_one_of_the_same_account_is_known_for_as_long_as_its_token_lasts(options: Json) -> None:
    assert known(options, NOW) == ""
    written(options)
    assert known(options, NOW) == NAME
    assert known(options, NOW + 2990) == NAME
    assert known(options, NOW + 3010) == "", "too little is left"


@pytest.mark.parametrize(
    "otherwise",
    [
        {"name": "d"}, {"project": "q"}, {"location": "y"}, {"kubeconfig_auth": "exec"}, {"kubeconfig_endpoint": "dns"},
        {"impersonate_service_account": "a@b"}, {"scopes": []}, {"api_endpoint": "http://elsewhere"},
        {"auth_kind": "application"}, {"service_account_contents": "another key"},
    ],
    ids=str,
)  # fmt: skip
def test_one_that_was_asked_for_otherwise_is_not(options: Json, otherwise: Json) -> None:
    written(options)
    assert known({**options, **otherwise}, NOW) == ""


def replaced_key(options: Json) -> None:
    Path(options["service_account_file"]).write_text("another key")


def another_context(options: Json) -> None:
    file = Path(options["kubeconfig_file"])
    file.write_text(json.dumps(json.loads(file.read_text()) | {"current-context": "mine"}))


def no_note(options: Json) -> None:
    write(options["kubeconfig_file"], kubeconfig(CLUSTER, "p", token_user("ya29.t")))


def nonsense(options: Json) -> None:
    Path(options["kubeconfig_file"]).write_text("[1]")


@pytest.mark.parametrize("change", [replaced_key, another_context, no_note, nonsense])
def test_one_that_somebody_changed_is_not(options: Json, change: Callable[[Json], None]) -> None:
    written(options)
    change(options)
    assert known(options, NOW) == ""


def test_of_an_account_that_no_option_names_nothing_is_noted(options: Json) -> None:
    signed = SimpleNamespace(expiry=datetime.fromtimestamp(NOW, UTC))
    assert note({**options, "auth_kind": "application"}, signed) is None
    assert note(options, SimpleNamespace(expiry=None)) is None, "a token without an end"
    assert note(options, None) is None, "a plugin"
    assert "one key" not in json.dumps(note(options, signed))


def test_clients_pass_over_the_note(options: Json) -> None:
    written(options)
    found = plain(options["kubeconfig_file"], NAME)
    assert found is not None
    assert found.token == "ya29.t"
    assert configuration(options["kubeconfig_file"], NAME).api_key["BearerToken"] == "Bearer ya29.t"

"""A kubeconfig whose credentials come from a plugin that is missing, fails, or says nonsense: in its own words."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError

API = "client.authentication.k8s.io/v1"
CREDENTIAL = f'{{"apiVersion": "{API}", "kind": "ExecCredential", "status": {{%s}}}}'


def kubeconfig(command: Any, **user: Any) -> dict[str, Any]:
    how = {"apiVersion": API, "command": str(command), "interactiveMode": "Never"}
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"exec": how, **user}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    return tmp_path / "auth-plugin"


def write(plugin: Path, *lines: str) -> None:
    plugin.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    plugin.chmod(0o755)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((), "No such file or directory: '{plugin}'"),
        (("echo 'run gcloud auth login' >&2; exit 7",), "process returned 7. run gcloud auth login. Run its"),
        (("exit 3",), "process returned 3. Run its"),
        (("echo no JSON",), "failed to decode process output"),
        (("echo '{}'",), "missing key 'apiVersion'"),
        ((f"echo '{CREDENTIAL % ''}'",), "missing token or clientCertificateData"),
    ],
)
@pytest.mark.parametrize("as_file", [False, True])
def test_it_is_told_in_its_own_words(
    plugin: Path, lines: tuple[str, ...], words: str, as_file: bool, caplog: pytest.LogCaptureFixture
) -> None:
    if lines:
        write(plugin, *lines)
    given: Any = kubeconfig(plugin)
    if as_file:
        path = plugin.with_name("config")
        path.write_text(yaml.safe_dump(given))
        given = str(path)
    with pytest.raises(KubeError) as told:
        KubeClient(given)
    assert told.value.reason == "Kubeconfig"
    assert words.format(plugin=plugin) in told.value.message
    assert "users[].user.exec" in told.value.message
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR], (
        "no stray line beside it"
    )


def test_long_words_are_cut_and_tokens_hidden(plugin: Path) -> None:
    write(
        plugin, "echo \"token ya29.a0AfB_secret-secret $(head -c 100000 /dev/zero | tr '\\0' x)\" >&2; exit 1"
    )
    with pytest.raises(KubeError) as told:
        KubeClient(kubeconfig(plugin))
    assert "secret" not in told.value.message
    assert len(told.value.message) < 1000


def test_one_that_works_is_used_and_asked_again(plugin: Path) -> None:
    """And its failure in the middle of a run, when its token has passed, is told as well."""
    first = CREDENTIAL % '"token": "first", "expirationTimestamp": "2020-01-01T00:00:00Z"'
    write(plugin, f"echo '{first}'")
    client = KubeClient(kubeconfig(plugin))
    write(plugin, "echo 'the session has ended' >&2; exit 1")
    with pytest.raises(KubeError, match="the session has ended"):
        client.get("/version")


def test_another_way_in_beside_it_is_enough(plugin: Path) -> None:
    """As kubectl takes a password where the plugin has nothing: the client goes on with that."""
    KubeClient(kubeconfig(plugin, username="u", password=os.urandom(4).hex()))

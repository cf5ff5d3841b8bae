"""No credential is in anything that a run prints, logs or leaves, however much it is asked to say."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from environments import ROOT
from installation import Google, Installed

from sandbox.google.tokens import ACCOUNT
from tests.leaks import leaks, secrets_of, tokens_in

NEWEST_ONLY = True
"""One release of ansible-core will do."""

MODEL = ROOT / "tests/unit/saved_model/models/good"


@pytest.fixture
def key_file(google: Google, tmp_path: Path) -> Path:
    """A service account's key, as Google hands it out."""
    file = tmp_path / "key.json"
    private = google.emulator.tokens._key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    content = {
        "type": "service_account", "project_id": "sandbox-project", "private_key_id": "0f" * 20,
        "private_key": private.decode(), "client_email": ACCOUNT, "token_uri": f"{google.url}/token",
    }  # fmt: skip
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize("given", ["file", "contents", "token"])
def test_a_run_that_tells_everything_tells_no_credential(
    installed: Installed, google: Google, key_file: Path, tmp_path: Path, given: str
) -> None:
    home = tmp_path / "home"
    shutil.copytree(installed.home, home)
    user = Installed(installed.core, installed.bin, installed.collections, home)
    token = google.emulator.token
    common = {
        "project": "sandbox-project",
        "auth_kind": "accesstoken" if given == "token" else "serviceaccount",
    }
    options = {
        "file": {"service_account_file": str(key_file)},
        "contents": {"service_account_contents": key_file.read_text()},
        "token": {"access_token": token},
    }[given]
    role = {"name": "mlops.tfserving.cluster"}
    play = {
        "hosts": "all",
        "gather_facts": False,
        "module_defaults": {"group/mlops.tfserving.gcp": {**common, **options, "api_endpoint": google.url}},
        "vars": {
            "gcp_project": "sandbox-project", "storage_model_source": str(MODEL),
            "cluster_api_endpoint": google.url, "storage_api_endpoint": google.url,
        },
        "tasks": [
            {"ansible.builtin.include_role": role},
            {"ansible.builtin.include_role": {"name": "mlops.tfserving.storage"}},
            {"ansible.builtin.include_role": {**role, "tasks_from": "connect.yml"}},
            {"mlops.tfserving.gke_node_pool": {"cluster": "not-there", "name": "p", "location": "us-central1-f"},
             "ignore_errors": True},
            {"mlops.tfserving.gcs_bucket": {"name": "Not A Name"}, "ignore_errors": True},
            {"mlops.tfserving.gcs_bucket": {"name": "b", "no_such_option": 1}, "ignore_errors": True},
        ],
    }  # fmt: skip
    # Not at home, since it holds the credential itself.
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    env = {
        "ANSIBLE_LOG_PATH": str(home / "ansible.log"), "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.tree",
        "ANSIBLE_CALLBACK_TREE_DIR": str(home / "tree"), "XDG_CACHE_HOME": str(home / ".cache"),
    }  # fmt: skip
    command = ["ansible-playbook", "-i", "hosts.yml", "-vvvv", "--diff", str(tmp_path / "play.yml")]
    output = user.ok(*command, env=env)
    assert output.count("fatal: [here]") == 3
    assert (home / "tree/here").exists()

    kubeconfig = home / ".kube/mlops-tfserving/sandbox-project_us-central1-f_cluster-1.yml"
    key = secrets_of(key_file)
    assert tokens_in(kubeconfig), "the search would find what is there"
    assert leaks([*key], places=[kubeconfig]) == []
    tokens = tokens_in(kubeconfig)
    kubeconfig.rename(tmp_path / "kubeconfig")
    assert leaks([*key, token, *tokens, *google.emulator.tokens._issued], output, [home]) == []


@pytest.mark.parametrize(
    "wrap", [str, json.dumps, quote, lambda s: base64.b64encode(f"Bearer {s}!".encode()).decode()]
)
def test_the_search_finds_what_it_is_for(wrap: object, tmp_path: Path) -> None:
    secret = "ya29.not/a+real_token-0123456789"  # pragma: allowlist secret
    hidden = wrap(f"before {secret} after")  # type: ignore[operator]
    assert leaks([secret], f"one\ntwo {hidden}\n") == ["the output, line 2"]
    (tmp_path / "below").mkdir()
    (tmp_path / "below/log").write_text(hidden)
    assert leaks([secret], places=[tmp_path]) == [str(tmp_path / "below/log")]
    assert leaks([secret[::-1]], hidden, [tmp_path]) == []


def test_a_line_of_a_key_is_found() -> None:
    lines = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "BKcwggSjAgEAAoIBAQDCl5t3u9mJ3w9h", "abc="]
    begin, end = (f"-----{word} PRIVATE KEY-----" for word in ("BEGIN", "END"))
    key = "\n".join([begin, *lines, end, ""])
    assert leaks([key], f"x{lines[1]}y") == ["the output, line 1"]
    assert leaks([key], begin) == []


def test_a_search_that_could_prove_nothing_is_refused() -> None:
    for secrets in ([], ["short"]):
        with pytest.raises(ValueError, match=r"nothing|too short"):
            leaks(secrets, "text")

"""Credentials as people paste them: each is trimmed or refused, and never shown, by any module, wherever it runs.

The cloud repeats what it was sent in every answer.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.plugin_utils.module_action import ModuleAction
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from loopback_cloud import Cloud, Json

ROOT = Path(__file__).resolve().parents[3]
HALF, REST = "never-to-be", "-seen-0123456789"
TOKEN = HALF + REST

KUBERNETES: Json = {
    "k8s_diff": {"definition": [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}], "field_manager": "m"},
    "k8s_lease": {"namespace": "n"},
    "k8s_objects_info": {"kind": "Namespace"},
    "k8s_rollout": {"namespace": "n", "name": "d"},
    "k8s_teardown": {"namespace": "n", "app": "a"},
    "site_status_info": {"namespace": "n", "app": "a"},
    "tfserving_refusals_info": {"namespace": "n", "label_selector": "app=a"},
    "locust_prepare": {"namespace": "n", "run": "r", "state": "absent"},
    "locust_run": {"namespace": "n", "service": "s", "run": "r", "workers": 1, "deployment": "d", "load_timeout": 1},
    "tfserving_model": {"namespace": "n", "deployment": "d", "model": "m"},
}  # fmt: skip
GOOGLE: Json = {
    "gcs_bucket": {"name": "models-b"},
    "gcs_saved_model": {"bucket": "models-b", "path": "m", "state": "listed"},
    "cluster_connection": {
        "name": "c",
        "location": "us-central1-f",
        "kubeconfig_file": "/nowhere/kubeconfig",
    },
    "gke_cluster": {"name": "c", "location": "us-central1-f"},
    "gke_cluster_info": {"name": "c", "location": "us-central1-f"},
    "gke_node_pool": {"cluster": "c", "name": "p", "location": "us-central1-f"},
    "site_status": {"name": "c", "location": "us-central1-f", "kubeconfig_file": "/nowhere/kubeconfig"},
    "site_leftovers_info": {"cluster": "c", "location": "us-central1-f"},
}

TRIMMED = {
    "line break": f"{TOKEN}\n",
    "blanks": f"  {TOKEN} ",
    "of Windows": f"{TOKEN}\r\n",
    "lines": f"\n\n{TOKEN}\t\n",
}
REFUSED = {
    "broken": f"{HALF}\n{REST}", "blank within": f"{HALF} {REST}", "quotes": f'"{TOKEN}"', "quotes and a line": f"'{TOKEN}'\n",
    "Bearer": f"Bearer {TOKEN}", "no ASCII": f"{TOKEN}\u20ac", "NUL": f"{HALF}\0{REST}", "nothing": " \n",
}  # fmt: skip


class Echo(Cloud):
    """``sent``: the credentials of every request."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def answer(self, method: str, path: str, credentials: str) -> tuple[int, Json]:
        self.sent.append(credentials)
        words = f"you sent {credentials}"
        return 400, {"reason": "BadRequest", "message": words, "error": {"code": 400, "message": words}}


@pytest.fixture(scope="module")
def served() -> Iterator[Echo]:
    import threading

    with Echo() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def echo(served: Echo, monkeypatch: pytest.MonkeyPatch) -> Echo:
    for name in (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GCP_AUTH_KIND",
        "GCP_ACCESS_TOKEN",
        "KUBECONFIG",
        "K8S_AUTH_KUBECONFIG",
    ):
        monkeypatch.delenv(name, raising=False)
    served.sent.clear()
    return served


def in_a_process(name: str, options: Json) -> str:
    """What the module's process prints."""
    printed = io.StringIO()
    with (
        patch_module_args({"_ansible_verbosity": 3, **options}),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        pytest.raises(SystemExit),
    ):
        importlib.import_module(f"ansible_collections.mlops.tfserving.plugins.modules.{name}").main()
    return printed.getvalue()


def in_ansible(name: str, options: Json) -> str:
    """What the action plugin makes of it in Ansible's process; an exception would be shown as it is."""
    module = importlib.import_module(f"ansible_collections.mlops.tfserving.plugins.modules.{name}")
    task = SimpleNamespace(args=options, check_mode=False, action=name)
    loader = SimpleNamespace(get_basedir=lambda: ".")
    plugin = SimpleNamespace(_task=task, _loader=loader, _refused=lambda errors: {"msg": errors.msg})
    return json.dumps(ModuleAction._here(plugin, module, "", None))


def everywhere(name: str, options: Json) -> Iterator[str]:
    yield in_a_process(name, options)
    if name not in ("locust_prepare", "locust_run"):  # Those have a process always.
        yield in_ansible(name, options)


def kubeconfig(url: str, **user: Any) -> Json:
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url, "insecure-skip-tls-verify": True}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": user}],
    }  # fmt: skip


def ways(folder: Path, url: str, token: str) -> Iterator[Any]:
    """The kubeconfig as a dictionary, as a file, and with the token in a file of its own."""
    (folder / "token").write_text(token, newline="")
    for user in ({"token": token}, {"tokenFile": str(folder / "token")}):
        content = kubeconfig(url, **user)
        path = folder / f"kubeconfig-{len(user)}-{next(iter(user))}"
        path.write_text(yaml.safe_dump(content))
        yield from (content, str(path), f"{path}\n")


def unseen(text: str, *secrets: str) -> str:
    for secret in (HALF, REST, *secrets):
        assert secret not in text, text.replace(secret, "<<<SHOWN>>>")
    assert "Traceback" not in text
    return text


def test_every_module_that_takes_credentials_is_tried() -> None:
    for fragment, tried in (("kubernetes", KUBERNETES), ("gcp", GOOGLE)):
        asks = f"mlops.tfserving.{fragment}"
        found = {
            file.stem
            for file in (ROOT / "plugins/modules").glob("*.py")
            if asks in file.read_text().partition("EXAMPLES")[0].split("extends_documentation_fragment")[-1]
        }
        assert found - {"preflight"} == set(tried)


@pytest.mark.parametrize("name", KUBERNETES)
def test_a_kubeconfigs_token(name: str, echo: Echo, tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    options = KUBERNETES[name] | ({"reports_dir": str(reports)} if name == "locust_run" else {})
    # One module asks with the trimmed ones: some others go on asking a server that refuses.
    for case, token in (TRIMMED | REFUSED if name == "k8s_objects_info" else REFUSED).items():
        for given in ways(tmp_path, echo.url, token):
            for text in everywhere(name, {**options, "kubeconfig": given}):
                unseen(text)
                if case in REFUSED:
                    assert "its token is empty, or has a blank" in text, (case, given)
            assert set(echo.sent) == ({f"Bearer {TOKEN}"} if case in TRIMMED else set()), (case, given)
            echo.sent.clear()
    assert not reports.exists(), "no run has begun"


def test_a_kubeconfigs_other_credentials(echo: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(path))
    pem = base64.b64encode(
        f"-----BEGIN PRIVATE KEY-----\n{TOKEN}\n-----END PRIVATE KEY-----".encode()  # pragma: allowlist secret
    ).decode()
    (tmp_path / "key").write_bytes(b"\xff" + TOKEN.encode())
    key = {"client-certificate-data": pem, "client-key-data": f'"{pem}"\n'}
    broken = {"client-certificate": str(tmp_path / "key"), "client-key": str(tmp_path / "key")}
    provider = {"name": "oidc", "config": {"id-token": f"a.{TOKEN}.c\n"}}
    for url, user in (
        *((echo.url, {"username": "me", "password": word}) for word in (TOKEN, f"{TOKEN}\n")),
        (echo.url.replace("http", "https"), key),
        (echo.url.replace("http", "https"), {**key, "client-key-data": TOKEN}),
        (echo.url.replace("http", "https"), broken),
        (echo.url, {"auth-provider": provider}),
        (echo.url, {"token": {"a": TOKEN}}),
        (echo.url, {"token": [TOKEN]}),
        (echo.url, TOKEN),
        (echo.url, [TOKEN]),
    ):  # fmt: skip
        content = kubeconfig(url)
        content["users"][0]["user"] = user
        path.write_text(yaml.safe_dump(content))
        for options in ({}, {"kubeconfig": content}):
            for text in everywhere("k8s_objects_info", {"kind": "Namespace", **options}):
                basic = base64.b64encode(f"me:{TOKEN}".encode()).decode()
                unseen(text, basic[:-4], pem[40:60])
    for text in (f"token: *{TOKEN}", f"token: !{TOKEN} x", f"token: {{{TOKEN}: ]", f"{TOKEN}", f"- {TOKEN}"):
        path.write_text(f"{text}\n")
        for said in everywhere("k8s_objects_info", {"kind": "Namespace"}):
            assert f"cannot use {path}" in unseen(said)


@pytest.mark.parametrize("name", GOOGLE)
def test_an_access_token(name: str, echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {**GOOGLE[name], "project": "my-project", "api_endpoint": echo.url}
    for case, token in (TRIMMED | REFUSED).items():
        given = [{"auth_kind": "accesstoken", "access_token": token}]
        if "\0" not in token:
            monkeypatch.setenv("GCP_ACCESS_TOKEN", token)
            given.append({"auth_kind": "accesstoken"})
        for credentials in given:
            for text in everywhere(name, options | credentials):
                unseen(text)
                if case in REFUSED:
                    assert "access_token (or GCP_ACCESS_TOKEN) is empty, or has a blank" in text, case
            assert set(echo.sent) == ({f"Bearer {TOKEN}"} if case in TRIMMED else set()), case
            echo.sent.clear()


@pytest.fixture(scope="module")
def pem() -> str:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return rsa.generate_private_key(65537, 2048).private_bytes(*form).decode()


@pytest.mark.parametrize("name", GOOGLE)
def test_a_service_accounts_key(
    name: str, echo: Echo, pem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {
        "type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "token_uri": f"{echo.url}/token",
        "private_key": pem, "private_key_id": TOKEN,
    }  # fmt: skip
    whole = json.dumps(key)
    texts = [
        whole, f"{whole}\n", f"  {whole} ", f"'{whole}'", f'"{whole}"', json.dumps(whole), json.dumps([key]), whole[:-1],
        json.dumps(key, indent=2).replace("\\n", "\n"), json.dumps({**key, "private_key": f'"{pem}"'}), pem,
        json.dumps({**key, "private_key": pem.replace("\n", "\\n")}), json.dumps({**key, "private_key": pem.replace("\n", " ")}),
        json.dumps({**key, "client_email": "a@p\n"}), json.dumps({**key, "private_key": [pem]}),
        base64.b64encode(whole.encode()).decode(),
    ]  # fmt: skip
    options = {**GOOGLE[name], "project": "my-project", "api_endpoint": echo.url}
    parts = [pem[100:140], pem[400:440], base64.b64encode(whole.encode()).decode()[60:90]]
    # One module has them all, the others enough to tell that they go the same way.
    for text in texts if name == "gke_cluster_info" else texts[3:5]:
        file = tmp_path / "key.json"
        file.write_text(text)
        for given in (
            {"auth_kind": "serviceaccount", "service_account_contents": text},
            {"auth_kind": "serviceaccount", "service_account_file": str(file)},
            {"auth_kind": "serviceaccount", "service_account_file": text},
            {"auth_kind": "externalaccount", "external_account_file": text},
            {"auth_kind": "externalaccount", "external_account_file": str(file)},
        ):
            for said in everywhere(name, options | given):
                unseen(said, *parts)
        for path in (text, str(file)):
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
            for said in everywhere(name, {**options, "auth_kind": "application"}):
                unseen(said, *parts)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")

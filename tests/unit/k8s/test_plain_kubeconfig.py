"""Kubeconfigs that are read without the package kubernetes: as it reads them, and no others."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.connection import configuration
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.plain import plain
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]
HTTP = {"server": "http://127.0.0.1:1"}


def kubeconfig(cluster: Json, user: Json, **more: Any) -> Json:
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "other", "cluster": {}}, {"name": "k", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        **more,
    }  # fmt: skip


@dataclass(frozen=True)
class Issued:
    """A certificate and its key, as PEM."""

    certificate: str
    key: str

    def base64(self, name: str) -> str:
        return base64.b64encode(getattr(self, name).encode()).decode()


def issued() -> Issued:
    """Its own authority, of a server on loopback and of a client alike."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Issued(made.public_bytes(serialization.Encoding.PEM).decode(), private.decode())


@pytest.fixture(scope="module")
def one() -> Issued:
    return issued()


@pytest.fixture
def files(one: Issued, tmp_path: Path) -> Path:
    for name in ("certificate", "key"):
        (tmp_path / name).write_text(getattr(one, name))
    return tmp_path


def shapes(one: Issued, files: Path) -> dict[str, Json]:
    https = {
        "server": "https://192.0.2.1/k8s/clusters/c-1/",
        "certificate-authority-data": one.base64("certificate"),
    }
    pair = {"client-certificate": str(files / "certificate"), "client-key": str(files / "key")}
    return {
        "token": kubeconfig(HTTP, {"token": " a.token\n"}),
        "authority": kubeconfig(https, {"token": "t"}),
        "no authority": kubeconfig({"server": "https://192.0.2.1"}, {"token": "t"}),
        "authority's file": kubeconfig({"server": "https://192.0.2.1", "certificate-authority": str(files / "certificate")}, {"token": "t"}),
        "pair": kubeconfig(https, {f"client-{name}-data": one.base64(name) for name in ("certificate", "key")}),
        "pair of files": kubeconfig(https, pair),
        "pair and token": kubeconfig(https, {**pair, "token": "t"}),
        "minikube's": kubeconfig({**HTTP, "extensions": [{"name": "cluster_info", "extension": {"version": "v1"}}]}, {"token": "t"}),
    }  # fmt: skip


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize("shape", [*shapes(Issued("", ""), Path())])
def test_it_says_what_the_package_says(one: Issued, files: Path, shape: str, as_file: bool) -> None:
    given: Any = shapes(one, files)[shape]
    if as_file:
        (files / "config").write_text(yaml.safe_dump(given))
        given = str(files / "config")
    found, packages = plain(given, None), configuration(given, None)
    assert found is not None
    assert found.host == packages.host
    assert (f"Bearer {found.token}" if found.token else None) == packages.api_key.get("BearerToken")
    assert [found.authority, found.certificate, found.key] == [
        Path(path).read_text() if path else ""
        for path in (packages.ssl_ca_cert, packages.cert_file, packages.key_file)
    ]


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        (HTTP, {"exec": {"command": "true"}}),
        (HTTP, {"token": "t", "exec": {"command": "true"}}),
        (HTTP, {"tokenFile": "/var/run/token"}),
        (HTTP, {"username": "u", "password": "p"}),
        (HTTP, {"auth-provider": {"name": "oidc"}}),
        (HTTP, {"token": "no token"}),
        (HTTP, {"token": ""}),
        (HTTP, {"token": 7}),
        ({**HTTP, "tls-server-name": "n"}, {"token": "t"}),
        ({**HTTP, "insecure-skip-tls-verify": True}, {"token": "t"}),
        ({**HTTP, "proxy-url": "http://127.0.0.1:2"}, {"token": "t"}),
        ({"server": "127.0.0.1:1"}, {"token": "t"}),
        ({"server": "https://192.0.2.1", "certificate-authority": "beside.pem"}, {"token": "t"}),
        ({"server": "https://192.0.2.1", "certificate-authority-data": "***"}, {"token": "t"}),
    ],
)
def test_other_kinds_and_what_is_wrong_are_for_the_package(cluster: Json, user: Json) -> None:
    assert plain(kubeconfig(cluster, user), None) is None


def test_so_is_one_that_is_not_clear(tmp_path: Path) -> None:
    given = kubeconfig(HTTP, {"token": "t"})
    assert plain(given, "c") is not None
    assert plain(given, "d") is None
    assert plain({**given, "users": given["users"] * 2}, None) is None
    assert plain({**given, "current-context": ""}, None) is None
    assert plain(str(tmp_path / "none"), None) is None
    (tmp_path / "config").write_text("]")
    assert plain(str(tmp_path / "config"), None) is None


def test_so_is_one_behind_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    given = kubeconfig(HTTP, {"token": "t"})
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert plain(given, None) is not None
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:2")
    assert plain(given, None) is None


class Api(BaseHTTPRequestHandler):
    """Tells whom it was asked by."""

    def do_GET(self) -> None:
        peer = bool(self.connection.getpeercert()) if isinstance(self.connection, ssl.SSLSocket) else False
        body = json.dumps({"certificate": peer, "header": self.headers.get("authorization")}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def server(one: Issued, files: Path) -> Iterator[str]:
    """By TLS; it knows a client by its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "certificate", files / "key")
    context.load_verify_locations(cadata=one.certificate)
    context.verify_mode = ssl.CERT_OPTIONAL
    made = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield f"https://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


def test_the_server_is_verified_and_knows_the_client(one: Issued, server: str) -> None:
    cluster = {"server": server, "certificate-authority-data": one.base64("certificate")}
    user = {f"client-{name}-data": one.base64(name) for name in ("certificate", "key")}
    assert KubeClient(kubeconfig(cluster, user)).get("/x") == {"certificate": True, "header": None}
    told = KubeClient(kubeconfig(cluster, {"token": "t"})).get("/x")
    assert told == {"certificate": False, "header": "Bearer t"}
    for wrong in ({"certificate-authority-data": issued().base64("certificate")}, {}):
        api = KubeClient(kubeconfig({"server": server, **wrong}, {"token": "t"}))
        with pytest.raises(KubeError, match="certificate authority is not this server's"):
            api.raw("GET", "/x")


def test_a_key_of_another_certificate_is_told(one: Issued) -> None:
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority-data": one.base64("certificate")}
    user = {"client-certificate-data": one.base64("certificate"), "client-key-data": issued().base64("key")}
    with pytest.raises(KubeError, match="its client certificate and key are no pair"):
        KubeClient(kubeconfig(cluster, user))


def test_the_package_is_not_imported_for_it(tmp_path: Path) -> None:
    """It takes longer than a whole look at a site."""
    (tmp_path / "config").write_text(yaml.safe_dump(kubeconfig(HTTP, {"token": "t"})))
    program = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import conftest
from ansible_collections.mlops.tfserving.plugins.modules import site_status_info as module
params = {{"kubeconfig": {str(tmp_path / "config")!r}, "context": "c"}}
assert not any(module.PACKAGES(params).values())
module.client_from_params(params)
print([name for name in ("kubernetes", "google", "requests") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "[]\n", done.stdout + done.stderr

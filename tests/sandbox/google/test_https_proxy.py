"""The HTTPS proxy through which clients with hard-coded hosts reach the sandbox."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from emulator import Emulator
from gke_client import BASE, POOL


@pytest.fixture
def proxy(emulator: Emulator, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    with emulator.behind_proxy(tmp_path / "authority") as found:
        yield found


@pytest.fixture
def session(proxy: tuple[str, Path], emulator: Emulator) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.proxies = {"https": proxy[0]}
    session.verify = str(proxy[1])
    session.headers["Authorization"] = f"Bearer {emulator.token}"
    return session


def test_google_s_hosts_are_answered_by_the_sandbox(session: requests.Session) -> None:
    url = f"https://container.googleapis.com{BASE}/clusters"
    made = session.post(url, json={"cluster": {"name": "c", "nodePools": [POOL]}}, timeout=10)
    assert made.json()["operationType"] == "CREATE_CLUSTER"
    assert [c["name"] for c in session.get(url, timeout=10).json()["clusters"]] == ["c"]
    assert session.get("https://storage.googleapis.com/storage/v1/b?project=p", timeout=10).status_code == 200
    address = "https://www.googleapis.com/compute/v1/projects/p/global/addresses/a"
    assert session.get(address, timeout=10).json()["error"]["code"] == 404


def test_a_host_has_its_own_api_only(session: requests.Session) -> None:
    answer = session.get(f"https://iam.googleapis.com{BASE}/clusters", timeout=10)
    assert (answer.status_code, "was not found on this server" in answer.text) == (404, True)


def test_other_hosts_are_refused_with_a_way_out(session: requests.Session) -> None:
    with pytest.raises(requests.exceptions.ProxyError, match="403 Forbidden"):
        session.get("https://example.com/", timeout=10)
    with pytest.raises(requests.exceptions.ProxyError, match="403 Forbidden"):
        session.get("https://googleapis.com.example.com/", timeout=10)


def test_a_client_that_does_not_trust_the_authority_gets_nothing_and_harms_nobody(
    session: requests.Session,
) -> None:
    url = f"https://container.googleapis.com{BASE}/clusters"
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        session.get(url, verify=True, timeout=10)
    assert session.get(url, timeout=10).status_code == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET http://example.com/ HTTP/1.1\r\n\r\n", b"405"),
        (b"CONNECT container.googleapis.com:80 HTTP/1.1\r\n\r\n", b"403"),
        (b"CONNECT a:443 HTTP/1.1\r\nx: " + b"y" * 20_000, b"431"),
    ],
)
def test_what_is_no_https_is_refused(proxy: tuple[str, Path], sent: bytes, status: bytes) -> None:
    address = urlsplit(proxy[0])
    with socket.create_connection((str(address.hostname), address.port), timeout=10) as connection:
        connection.sendall(sent)
        assert connection.recv(4096).split(b" ")[1] == status


def test_faults_reach_through_it(session: requests.Session) -> None:
    host = "https://container.googleapis.com"
    fault = {"match": {"path": "/clusters$"}, "fault": {"reset": True}}
    assert session.post(f"{host}/sandbox/faults", json=fault, timeout=10).status_code == 200
    with pytest.raises(requests.ConnectionError):
        session.get(f"{host}{BASE}/clusters", timeout=10)
    assert session.get(f"{host}{BASE}/clusters", timeout=10).status_code == 200


def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(proxy: tuple[str, Path]) -> None:
    """As Go's clients send it: in one segment."""
    address = urlsplit(proxy[0])
    with socket.create_connection((address.hostname, address.port), 10) as connection:
        connection.sendall(b"CONNECT container.googleapis.com:443 HTTP/1.1\r\n\r\n")
        assert b" 200 " in connection.recv(4096)
        arriving, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=str(proxy[1]))
        tls = context.wrap_bio(arriving, leaving, server_hostname="container.googleapis.com")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(leaving.read())
                arriving.write(connection.recv(65536))
        tls.write(b"GET /healthz HTTP/1.1\r\nHost: container.googleapis.com\r\n\r\n")
        connection.sendall(leaving.read())
        answer = b""
        while b"\r\n\r\nok" not in answer:
            try:
                answer += tls.read(65536)
            except ssl.SSLWantReadError:
                arriving.write(connection.recv(65536))
    assert answer.startswith(b"HTTP/1.1 200 ")

"""A cluster's certificates, as strict clients see them."""

from __future__ import annotations

import ssl
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from sandbox.kube.pki import Authority, KeyPair

ADDRESS = IPv4Address("198.18.0.2")


def handshake(authority: Authority, server: KeyPair, client: KeyPair, host: str) -> ssl.SSLObject:
    """Client and server greet each other in memory; the server's side, or ``ssl.SSLError``."""
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there.load_cert_chain(server.certificate, server.key)
    there.load_verify_locations(authority.certificate)
    there.verify_mode = ssl.CERT_REQUIRED
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    here.load_verify_locations(authority.certificate)
    here.load_cert_chain(client.certificate, client.key)
    # Python's default from 3.13 on.
    here.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = here.wrap_bio(down, up, server_hostname=host)
    answering = there.wrap_bio(up, down, server_side=True)
    for side in (asking, answering) * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return answering


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki")


def test_strict_clients_and_servers_accept_each_other(authority: Authority) -> None:
    server = authority.issue("apiserver", "kube-apiserver", names=["kubernetes"], addresses=[ADDRESS])
    client = authority.issue("admin", "admin", organisation="system:masters")
    seen = handshake(authority, server, client, str(ADDRESS)).getpeercert()
    assert seen is not None
    assert seen["subject"] == ((("organizationName", "system:masters"),), (("commonName", "admin"),))


def test_a_server_is_not_taken_for_another(authority: Authority) -> None:
    server = authority.issue("apiserver", "kube-apiserver", addresses=[ADDRESS])
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        handshake(authority, server, authority.issue("admin", "admin"), "198.18.1.2")


def test_clusters_do_not_trust_each_other(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    with pytest.raises(ssl.SSLError):
        handshake(
            authority,
            authority.issue("apiserver", "kube-apiserver", addresses=[ADDRESS]),
            other.issue("admin", "admin", organisation="system:masters"),
            str(ADDRESS),
        )


def test_private_keys_are_for_their_owner_only(authority: Authority, tmp_path: Path) -> None:
    authority.issue("admin", "admin")
    authority.service_account_keys()
    keys = sorted((tmp_path / "pki").glob("*.key"))
    assert [key.name for key in keys] == ["admin.key", "ca.key", "sa.key"]
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}

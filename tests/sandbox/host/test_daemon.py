"""The daemon's servers, on loopback: both answer, and both end when it is told to."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from pathlib import Path

import pytest
import requests
from emulator import Emulator

from sandbox import daemon

SECONDS = 10


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def as_google(port: int, trusted: str) -> str:
    """What a client gets for whom storage.googleapis.com is that address."""
    context = ssl.create_default_context(cafile=trusted)
    host = "storage.googleapis.com"
    with (
        socket.create_connection(("127.0.0.1", port), SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        encrypted.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return encrypted.makefile("rb").read().rpartition(b"\r\n\r\n")[2].decode()


def test_all_servers_answer_until_the_daemon_is_told_to_end(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, proxy_port, google_port = free_port(), free_port(), free_port()
    monkeypatch.setattr(daemon, "GATEWAY", "127.0.0.1")
    monkeypatch.setattr(daemon, "API_PORT", port)
    monkeypatch.setattr(daemon, "HTTPS_PROXY_PORT", proxy_port)
    monkeypatch.setattr(daemon, "GOOGLE_PORT", google_port)
    monkeypatch.setattr(daemon, "authority_dir", lambda: tmp_path / "authority")
    answers: list[str] = []

    def ask() -> None:
        proxies = {"https": f"http://127.0.0.1:{proxy_port}"}
        trusted = str(tmp_path / "authority" / "ca.crt")
        answers.append(requests.get(f"http://127.0.0.1:{port}/healthz", timeout=SECONDS).text)
        url = "https://container.googleapis.com/healthz"
        answers.append(requests.get(url, proxies=proxies, verify=trusted, timeout=SECONDS).text)
        answers.append(as_google(google_port, trusted))

    async def ask_and_end() -> None:
        for _ in range(SECONDS * 100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            await asyncio.sleep(0.01)
        await asyncio.to_thread(ask)
        signal.raise_signal(signal.SIGTERM)

    async def run() -> None:
        await asyncio.wait_for(asyncio.gather(daemon._serve(emulator.app), ask_and_end()), SECONDS)

    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        asyncio.run(run())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert answers == ["ok", "ok", "ok"]
    for number in (port, proxy_port, google_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", number)) != 0

"""The daemon's servers, on loopback: both answer, and both end when it is told to."""

from __future__ import annotations

import asyncio
import signal
import socket
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


def test_both_servers_answer_until_the_daemon_is_told_to_end(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, proxy_port = free_port(), free_port()
    monkeypatch.setattr(daemon, "GATEWAY", "127.0.0.1")
    monkeypatch.setattr(daemon, "API_PORT", port)
    monkeypatch.setattr(daemon, "HTTPS_PROXY_PORT", proxy_port)
    monkeypatch.setattr(daemon, "authority_dir", lambda: tmp_path / "authority")
    answers: list[str] = []

    def ask() -> None:
        proxies = {"https": f"http://127.0.0.1:{proxy_port}"}
        trusted = str(tmp_path / "authority" / "ca.crt")
        answers.append(requests.get(f"http://127.0.0.1:{port}/healthz", timeout=SECONDS).text)
        url = "https://container.googleapis.com/healthz"
        answers.append(requests.get(url, proxies=proxies, verify=trusted, timeout=SECONDS).text)

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
    assert answers == ["ok", "ok"]
    for number in (port, proxy_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", number)) != 0

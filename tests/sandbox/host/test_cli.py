"""The command line, where what it finds is not as it left it, and where there are two of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from sandbox import cli


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder; nothing of this machine is looked at or changed."""
    monkeypatch.setenv("MLOPS_TFSERVING_SANDBOX_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(cli, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(cli, "clean_leftovers", lambda _: [])
    monkeypatch.setattr(cli.made, "RECORD", tmp_path / "record")
    monkeypatch.setattr(cli.host_check, "main", lambda: 0)
    monkeypatch.setattr(cli, "_healthy", lambda: False)
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest.mark.parametrize("content", [b"", b"\n", b"12 34", b"none", b"\xff\xfe", b"0x10"])
def test_a_damaged_process_number_stops_nothing_from_going_down(
    state: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (state / "daemon.pid").write_bytes(content)
    assert cli.main(["down"]) == 0
    assert not (state / "daemon.pid").exists()
    output = capsys.readouterr()
    assert "daemon.pid has no process number in it" in output.out
    assert output.err == ""


@pytest.mark.parametrize("number", ["1", "999999999", "-1"])
def test_a_process_that_is_not_the_daemon_is_left_alone(state: Path, number: str) -> None:
    (state / "daemon.pid").write_text(number)
    assert cli.main(["down"]) == 0


@pytest.mark.parametrize("key", [None, "", "{}", "[]", "nothing"])
def test_a_key_that_is_not_there_or_is_none_is_told_in_words(
    state: Path, key: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_healthy", lambda: True)
    if key is not None:
        (state / "service-account.json").write_text(key)
    assert cli.main(["status"]) == 1
    assert "service-account.json is not the key of the sandbox that runs" in capsys.readouterr().err


def test_two_at_a_time_start_one_sandbox(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second one waits for the first, and then finds it up."""
    running: list[str] = []
    first_starts, go_on = threading.Event(), threading.Event()

    def start() -> int:
        first_starts.set()
        go_on.wait(20)
        running.append("daemon")
        return 0

    monkeypatch.setattr(cli, "_start", start)
    monkeypatch.setattr(cli, "_healthy", lambda: bool(running))
    ends: list[int] = []
    threads = [threading.Thread(target=lambda: ends.append(cli.main(["up"]))) for _ in range(2)]
    threads[0].start()
    assert first_starts.wait(20)
    waiting = threading.Event()
    say = cli.say
    monkeypatch.setattr(cli, "say", lambda text: (say(text), waiting.set()))
    threads[1].start()
    assert waiting.wait(20)
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert (ends, running) == ([0, 0], ["daemon"])
    assert "waiting for another `up` or `down`" in capsys.readouterr().out


def test_who_may_not_start_it_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Locked:
        def open(self, _: str) -> Any:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cli, "LOCK", Locked())
    assert cli.main(["down"]) == 1
    assert "run it as root" in capsys.readouterr().err

"""Two state folders on one machine, and what others have there under names such as ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import cli, host, made
from sandbox.kube import cgroup, network


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's folders of links, namespaces and cgroups; commands that would change the real one are recorded."""
    for folder in ("links", "netns", "cgroups/cpu"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setattr(made, "RECORD", tmp_path / "record")
    monkeypatch.setattr(cli, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(cli.host_check, "main", lambda: 0)
    monkeypatch.setattr(cli, "_healthy", lambda: False)
    for module in (host, network):
        monkeypatch.setattr(module, "_LINKS", tmp_path / "links")
        monkeypatch.setattr(module, "_NETNS", tmp_path / "netns")
    monkeypatch.setattr(host.cgroup, "groups", lambda name: cgroup_of(tmp_path, name))
    monkeypatch.setattr(host.cgroup, "remove", lambda name: [g.rmdir() for g in cgroup_of(tmp_path, name)])
    monkeypatch.setattr(host, "HOST_FOLDERS", ())
    monkeypatch.setattr(host, "end_processes", lambda _: 0)

    def run(*command: str, **_: object) -> str:
        match command:
            case ("ip", "netns", "del", name):
                (tmp_path / "netns" / name).unlink()
            case ("ip", "link", "del", name):
                (tmp_path / "links" / name).unlink()
        return ""

    monkeypatch.setattr(host, "run", run)
    state_of(monkeypatch, tmp_path / "first")
    return tmp_path


def cgroup_of(machine: Path, name: str) -> list[Path]:
    return [group for group in [machine / "cgroups/cpu" / name] if group.exists()]


def state_of(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("MLOPS_TFSERVING_SANDBOX_STATE", str(folder))


def make(machine: Path, kind: str, name: str) -> Path:
    place = {
        "link": machine / "links" / name,
        "namespace": machine / "netns" / name,
        "cgroup": machine / "cgroups/cpu" / name,
    }[kind]
    place.mkdir() if kind == "cgroup" else place.touch()
    return place


THINGS = (("link", "sbx0"), ("link", "sbx0n0"), ("namespace", "sbx-0-0"), ("cgroup", "sbx-0-0"))


def test_down_takes_what_was_made_and_leaves_what_others_have(machine: Path) -> None:
    made.begin()
    for kind, name in THINGS:
        made.claim(kind, name)
    ours = [make(machine, kind, name) for kind, name in THINGS]
    others = [make(machine, kind, name.replace("0", "9")) for kind, name in THINGS]
    assert cli.main(["down"]) == 0
    assert not [place for place in ours if place.exists()]
    assert all(place.exists() for place in others)
    assert not made.RECORD.exists()


def test_down_takes_nothing_where_nothing_was_made(machine: Path) -> None:
    """As after a restart of the machine, when somebody else uses such a name."""
    others = [make(machine, kind, name) for kind, name in THINGS]
    assert cli.main(["down"]) == 0
    assert all(place.exists() for place in others)


def test_a_second_state_folder_is_refused_while_the_first_ones_sandbox_is_there(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made.begin()
    made.claim("link", "sbx0")
    bridge = make(machine, "link", "sbx0")
    state_of(monkeypatch, machine / "second")
    for command in ("up", "down"):
        assert cli.main([command]) == 1
        words = capsys.readouterr().err
        assert f"MLOPS_TFSERVING_SANDBOX_STATE={machine / 'first'} python -m sandbox down" in words
        assert bridge.exists()
    state_of(monkeypatch, machine / "first")
    assert cli.main(["down"]) == 0
    state_of(monkeypatch, machine / "second")
    assert cli.main(["down"]) == 0
    made.begin()


def test_what_others_have_under_a_nodes_names_is_told_and_left(machine: Path) -> None:
    made.begin()
    make(machine, "cgroup", "sbx-0-0")
    with pytest.raises(RuntimeError, match="cgroup sbx-0-0 is not the sandbox's"):
        cgroup.claim("sbx-0-0", machine / "cgroups")
    make(machine, "link", "sbx0n0")
    with pytest.raises(RuntimeError, match="link sbx0n0 is not the sandbox's"):
        network.claim_namespace("sbx-0-0", "sbx0n0")
    assert made.names("cgroup") == made.names("link") == []


def test_what_is_gone_may_be_somebody_elses_next_time(machine: Path) -> None:
    made.begin()
    made.claim("namespace", "sbx-0-0")
    made.release("namespace", "sbx-0-0")
    theirs = make(machine, "namespace", "sbx-0-0")
    assert cli.main(["down"]) == 0
    assert theirs.exists()


def test_nobody_else_looks_into_the_state_folder(machine: Path) -> None:
    folder = machine / "first" / "gcs"
    folder.mkdir(parents=True, mode=0o755)
    host_folder = cli.private(folder)
    assert host_folder.stat().st_mode & 0o777 == 0o700

"""Programs that the sandbox starts: what they are told, and what is said when they fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.kube.process import DidNotStart, Process, environment, run


def test_a_users_proxies_and_cluster_do_not_reach_the_sandbox() -> None:
    shell = {
        "PATH": "/bin", "HOME": "/root", "http_proxy": "http://p", "HTTPS_PROXY": "http://p", "no_proxy": "*",
        "ETCD_NAME": "other", "KUBECONFIG": "/other", "MLOPS_TFSERVING_CACHE": "/c",
    }  # fmt: skip
    assert environment(shell) == {"PATH": "/bin", "HOME": "/root", "MLOPS_TFSERVING_CACHE": "/c"}


def test_a_program_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    process = Process("etcd", ["sh", "-c", "echo address already in use; exit 3"], tmp_path / "etcd.log")
    with pytest.raises(DidNotStart, match=r"etcd ended with 3:\naddress already in use"):
        process.wait_until(lambda: False, "ready")


def test_a_program_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    process = Process("etcd", ["sleep", "60"], tmp_path / "etcd.log")
    try:
        with pytest.raises(DidNotStart, match="etcd: not ready within 0 s"):
            process.wait_until(lambda: False, "not ready", seconds=0)
    finally:
        process.kill()
    assert not Path(f"/proc/{process.pid}").exists()


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"^sh -c .*: no such device$"):
        run("sh", "-c", "echo no such device >&2; exit 1")

"""Helpers of the life-cycle test: commands as a user types them, and a look at the machine of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATE = Path(os.environ.get("MLOPS_TFSERVING_SANDBOX_STATE", "/var/lib/mlops-tfserving-sandbox"))
RECAP = re.compile(r"ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)")


class Run:
    """A finished command: its exit code, what it printed, and the play recap's counts if it has one."""

    def __init__(self, command: list[str], code: int, output: str, seconds: float) -> None:
        self.command, self.code, self.output, self.seconds = command, code, output, seconds

    @property
    def changed(self) -> int:
        counts = RECAP.findall(self.output)
        assert counts, f"no play recap in:\n{self.output[-3000:]}"
        return sum(int(count[1]) for count in counts)

    def ok(self) -> Run:
        assert self.code == 0, f"{' '.join(self.command)} exited {self.code}:\n{self.output[-6000:]}"
        return self


def run(*command: str, timeout: float = 900) -> Run:
    """Runs a command in the checkout; its output goes to the terminal's log of pytest, too."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    print(f"$ {' '.join(command)}\n{done.stdout}")
    return Run(list(command), done.returncode, done.stdout, time.monotonic() - started)


def playbook(*arguments: str, timeout: float = 900) -> Run:
    return run(".venv/bin/ansible-playbook", *arguments, timeout=timeout)


def sandbox(*arguments: str, timeout: float = 900) -> Run:
    return run(".venv/bin/python", "-m", "sandbox", *arguments, timeout=timeout)


def runnable(scripts: list[str]) -> list[str]:
    """Those whose programs are installed; gcloud and kubectl need not be."""
    missing = [program for program in ("gcloud", "kubectl") if shutil.which(program) is None]
    return [script for script in scripts if not any(program in script for program in missing)]


def sandbox_processes() -> list[int]:
    """Every process of the sandbox: marked by its environment, or inside one of its cgroups."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"MLOPS_TFSERVING_SANDBOX={STATE}".encode() in (process / "environ").read_bytes()
            in_node = "/sbx-" in (process / "cgroup").read_text()
        except OSError:
            continue
        if (marked or in_node) and int(process.name) != os.getpid():
            found.add(int(process.name))
    return sorted(found)


def leftovers() -> list[str]:
    """What of the sandbox is still on the machine: processes, mounts, namespaces, links, routes, cgroups."""
    found = [f"process {pid}" for pid in sandbox_processes()]
    found += [
        f"mount {line.split()[1]}"
        for line in Path("/proc/mounts").read_text().splitlines()
        if str(STATE) in line
    ]
    netns = Path("/run/netns")
    found += [f"namespace {entry.name}" for entry in netns.glob("sbx-*")]
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    found += [f"link {line.split()[1]}" for line in links.splitlines() if " sbx" in line]
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    found += [f"route {line.strip()}" for line in routes.splitlines() if re.search(r"\b198\.1[89]\.", line)]
    rules = subprocess.run(["ip", "rule"], capture_output=True, text=True, check=True).stdout
    found += [f"rule {line}" for line in rules.splitlines() if "fwmark 0x5b" in line]
    mangle = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout
    found += [f"chain {line}" for line in mangle.splitlines() if "SBX-LB" in line]
    found += [f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob("**/sbx-*")]
    return found


def daemon_log() -> str:
    """What the sandbox's daemon said last, to explain a failure."""
    log = STATE / "log/daemon.log"
    return "\n".join(log.read_text().splitlines()[-30:]) if log.exists() else "(no log of the daemon)"


def report() -> dict[str, object]:
    return dict(json.loads((ROOT / "reports/latest/report.json").read_text()))


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.5)


@pytest.fixture(scope="session", autouse=True)
def machine_is_left_clean() -> object:
    """Starts from a stopped sandbox, whatever an earlier run left, and stops it at the end."""
    if os.geteuid() != 0:
        pytest.fail("the life-cycle test starts the sandbox, which needs root: run `make test` as root")
    sandbox("down", "--purge").ok()
    yield
    sandbox("down", "--purge").ok()

"""Long-lived processes of the sandbox: started with its marker and a log, and stopped for good."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..paths import MARKER, private, state_dir

# What a user's shell may set and these programs would obey: no proxy leads to addresses that exist only here,
# and etcd takes each of its options from a variable, too.
_NOT_FOR_US = re.compile(r"(https?|all|no)_proxy|ETCD_.*|KUBECONFIG", re.IGNORECASE)


class DidNotStart(RuntimeError):
    """A process of the sandbox ended, or was not ready in time. The text has the end of its log."""


class Process:
    """One running program."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        private(log.parent)
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**environment(os.environ), **(env or {}), MARKER: str(state_dir())},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Returns when ``ready`` does; raises ``DidNotStart`` when the process ends or time is over.

        ``what`` is said then, such as "not ready".
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if self._popen.poll() is not None:
                raise DidNotStart(f"{self.name} ended with {self._popen.returncode}:\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise DidNotStart(f"{self.name}: {what} within {seconds:.0f} s:\n{self.last_words()}")
            time.sleep(0.1)

    def last_words(self, lines: int = 8) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    def stop(self, patience: float = 5) -> None:
        """Asks it to end, then ends it."""
        if self._popen.poll() is None:
            self._popen.terminate()
        try:
            self._popen.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self, patience: float = 10) -> None:
        """Ends it at once; raises ``subprocess.TimeoutExpired`` when even the kernel can't."""
        self._popen.kill()
        self._popen.wait(patience)


def end_all(find: Callable[[], list[int]], whose: str, seconds: float = 20) -> int:
    """Kills processes until ``find`` finds none; how many there were at first.

    Raises ``RuntimeError`` for some that can't be ended.
    """
    deadline = time.monotonic() + seconds
    first = pids = find()
    while pids:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise RuntimeError(f"processes {pids} of {whose} can't be ended")
        time.sleep(0.05)
        pids = find()
    return len(first)


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """A shell's variables without those that would lead the sandbox's programs astray."""
    return {name: value for name, value in variables.items() if not _NOT_FOR_US.fullmatch(name)}


def run(*command: str, check: bool = True, stdin: str | None = None) -> str:
    """A short command's output; a failure says what the command said."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout

"""One run at a time changes a namespace: taken, waited for, renewed, given back, taken over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.lease import (
    DURATION,
    alive,
    hold,
    holder_of,
    keep,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock
from kube_in_memory import KubeInMemory
from unlucky import Unlucky

ROOT = Path(__file__).resolve().parents[3]
LEASE = "/apis/coordination.k8s.io/v1/namespaces/n/leases/mlops-tfserving"
Json = dict[str, Any]


class Api:
    """The seam on the API server in memory. ``at``: what happens before each sleep, by a clock of the test's own."""

    def __init__(self) -> None:
        self.kube = KubeInMemory()
        self.kube.put("/api/v1/namespaces/n")
        self.seconds = 0.0
        self.at: Callable[[float], None] = lambda seconds: None

    @property
    def clock(self) -> Clock:
        def sleep(seconds: float) -> None:
            self.seconds += seconds
            self.at(self.seconds)

        return Clock(lambda: self.seconds, sleep, lambda: 1_800_000_000 + self.seconds)

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        status, answer = self.kube.answer(method, path, body)
        if status >= 400:
            raise KubeError(status, answer["reason"], answer["message"])
        return answer

    def get_or_none(self, path: str) -> Json | None:
        return self._ask("GET", path) if path in self.kube.objects else None

    def post(self, path: str, body: Json) -> Json:
        return self._ask("POST", path, body)

    def patch(self, path: str, body: Json) -> Json:
        return self._ask("PATCH", path, body)

    def delete(self, path: str, body: Json) -> Json:
        return self._ask("DELETE", path, body)

    def hold(self, me: str, *, timeout: float = 60, check: bool = False) -> Json:
        return hold(self, "n", me, timeout=timeout, check_mode=check, clock=self.clock)  # type: ignore[arg-type]

    def holder(self) -> str | None:
        found = self.kube.objects.get(LEASE)
        return found["spec"]["holderIdentity"] if found else None


def test_it_is_taken_once_and_a_second_run_is_told_by_whom() -> None:
    api = Api()
    assert not api.hold("me", check=True)["warnings"] and api.holder() is None, "a check takes none"
    assert api.hold("me")["acquired"]
    assert not api.hold("me")["acquired"], "this run has it"
    assert api.hold("other", check=True)["warnings"] == ["Another run changes namespace n: me."]
    api.at = lambda seconds: (
        api.kube.put(LEASE, api.kube.objects[LEASE]) and None
    )  # it is renewed all the while
    with pytest.raises(
        KubeError, match=r"is being changed by another run: me, since 2027-.* Nothing was changed"
    ):
        api.hold("other", timeout=90)
    assert api.holder() == "me" and 90 <= api.seconds <= 92


def test_a_killed_run_s_is_taken_over_and_not_before() -> None:
    api = Api()
    api.hold("dead")
    began = api.seconds
    assert api.hold("me")["acquired"] and api.holder() == "me"
    assert DURATION <= api.seconds - began <= DURATION + 2


def test_what_is_given_back_while_one_waits_is_taken_at_once() -> None:
    api = Api()
    api.hold("other")
    api.at = lambda seconds: (
        api.kube.objects.pop(LEASE, None) and None if seconds < 6 and seconds >= 5 else None
    )
    assert api.hold("me")["acquired"] and api.seconds < 8


def test_it_is_renewed_while_the_run_lives_and_then_given_back() -> None:
    api = Api()
    api.hold("me")
    first = api.kube.objects[LEASE]["spec"]["renewTime"]
    seen = []
    api.at = lambda seconds: seen.append(api.kube.objects[LEASE]["spec"]["renewTime"])
    keep(lambda: api, "n", "me", lambda: api.seconds < 21, api.clock)  # type: ignore[arg-type,return-value]
    assert len({first, *seen}) == 5 and api.holder() is None
    api.hold("other")
    keep(lambda: api, "n", "me", lambda: True, api.clock)  # type: ignore[arg-type,return-value]
    assert api.holder() == "other", "what somebody else has stays"


def test_a_later_task_of_the_run_begins_to_renew_where_nobody_does_any_more() -> None:
    api = Api()
    assert api.hold("me")["keep"], "the first one keeps it"
    api.seconds += 6
    assert not api.hold("me")["keep"], "it is renewed in time"
    api.seconds += 12  # its keeper was killed
    before = api.kube.objects[LEASE]["spec"]["renewTime"]
    assert not api.hold("me", check=True)["keep"]
    again = api.hold("me")
    assert again["keep"] and not again["acquired"], "what was read before is as fresh as it was"
    assert api.kube.objects[LEASE]["spec"]["renewTime"] > before, "renewed at once"
    assert not api.hold("me")["keep"]


def test_a_process_that_ended_is_not_alive() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    while Path(f"/proc/{ended.pid}/stat").read_text().split()[2] != "Z":
        pass
    assert alive(os.getpid()) and not alive(ended.pid), "also where nobody asked for it"
    ended.wait()
    assert not alive(ended.pid)


def test_runs_of_one_number_on_machines_of_one_name_are_two() -> None:
    """As in containers with the host's name, or of a pipeline that always calls them the same."""
    with subprocess.Popen(["sleep", "60"]) as later:
        first, second = (holder_of(one).replace(str(one), "7") for one in (os.getpid(), later.pid))
        later.kill()
    assert holder_of(os.getpid()) == holder_of(os.getpid())
    assert first != second and "process 7" in first
    api = Api()
    assert api.hold(first)["acquired"] and api.hold(second, check=True)["warnings"]


def test_a_run_has_it_to_its_end_even_if_that_is_a_kill(tmp_path: Path) -> None:
    kube = KubeInMemory()
    kube.put("/api/v1/namespaces/n")
    with kube.served(tmp_path) as kubeconfig:
        lease = {"mlops.tfserving.k8s_lease": {"namespace": "n", "kubeconfig": str(kubeconfig), "timeout": 2}}
        wait = {"ansible.builtin.wait_for": {"path": str(tmp_path / "go"), "timeout": 200, "sleep": 1}}
        for name, tasks in {"long": [lease, lease, wait], "short": [lease]}.items():
            play = {"hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": tasks,
                    "vars": {"ansible_python_interpreter": sys.executable}}  # fmt: skip
            (tmp_path / f"{name}.yml").write_text(yaml.safe_dump([play]))

        def start(name: str) -> subprocess.Popen[str]:
            return subprocess.Popen(
                [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", f"{name}.yml"],
                cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_NOCOLOR": "1"},
            )  # fmt: skip

        def until(done: Callable[[], bool]) -> None:
            deadline = time.monotonic() + 120
            while not done():
                assert time.monotonic() < deadline, json.dumps(kube.objects)

        first = start("long")
        until(lambda: LEASE in kube.objects)
        second = start("short")
        said = " ".join((second.communicate()[0]).split())
        assert (
            second.returncode == 2 and f"another run: {kube.objects[LEASE]['spec']['holderIdentity']}" in said
        )
        assert f"process {first.pid}" in said
        first.kill()
        first.communicate()
        until(lambda: LEASE not in kube.objects)
        third = start("short")
        assert "ok=1" in third.communicate()[0] and third.returncode == 0
        until(lambda: LEASE not in kube.objects)


def test_a_lease_whose_answer_was_lost_is_held() -> None:
    """As one that was taken: otherwise nobody would renew it."""
    kept: Json = {}

    def answer(method: str, path: str, query: Any, body: bytes) -> tuple[int, Any]:
        if method == "POST":
            kept.update(json.loads(body), metadata={"name": "l", "resourceVersion": "1"})
            return 502, {}
        return (200, kept) if kept else (404, {})

    with Unlucky(answer, "reset", 0).served() as served:
        api = KubeClient(served.kubeconfig)
        clock = Clock(sleep=lambda _seconds: None)
        assert hold(api, "n", "me", timeout=5, check_mode=False, clock=clock)["acquired"] is True

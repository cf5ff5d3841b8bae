"""A load test as a timeline: users come, the HPA wants a second replica, a node comes for it, all goes again."""

from __future__ import annotations

from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import lift

START = 1_000_000.0


def cpu(percent: float | None, target: float = 60) -> dict[str, Any]:
    return {
        "name": "cpu", "type": "ContainerResource", "of": "tfserving", "current": percent, "target": target, "unit": "%",
    }  # fmt: skip


class Story:
    """Events at seconds since the start."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def at(self, second: float, kind: str, **fields: Any) -> None:
        self.events.append(lift({"t": START + second, "kind": kind, **fields}))

    def load(
        self,
        second: float,
        users: int,
        *,
        requests: int,
        failures: int = 0,
        workers: int = 2,
        cpu: float = 5,
        state: str = "running",
        rate: float = 1.0,
    ) -> None:
        self.at(
            second, "load", users=users, requests=requests, failures=failures, workers=workers, worker_cpu=cpu,
            state=state, rate=rate, histogram={"200": 100}, p50_ms=50.0, p95_ms=52.0, p99_ms=53.0,
        )  # fmt: skip

    def pod(
        self, second: float, name: str, *, gone: bool = False, leaving: bool = False, **times: float
    ) -> None:
        stamps = {key: None for key in ("created", "scheduled", "initialized", "started", "ready")}
        stamps |= {key: START + value for key, value in times.items() if key != "node"}
        self.at(
            second,
            "pod",
            name=name,
            app="m",
            phase="Running",
            node="n2",
            leaving=leaving,
            **stamps,
            **({"gone": True} if gone else {}),
        )

    def node(self, second: float, name: str, ready: float | None, *, gone: bool = False) -> None:
        self.at(
            second,
            "node",
            name=name,
            pool="p",
            created=START,
            ready=None if ready is None else START + ready,
            leaving=False,
            **({"gone": True} if gone else {}),
        )

    def hpa(self, second: float, desired: int) -> None:
        self.at(
            second,
            "hpa",
            name="m",
            min=1,
            max=4,
            current=1,
            desired=desired,
            metrics=[cpu(80)],
        )

    def deployment(self, second: float, wanted: int) -> None:
        self.at(second, "deployment", name="m", wanted=wanted, ready=1)


def story() -> Story:
    s = Story()
    s.hpa(-1, 1)
    s.deployment(-1, 1)
    s.pod(-1, "a", created=-100, scheduled=-100, started=-95, ready=-90)
    s.node(-1, "n1", -200)
    s.at(0, "run", namespace="x", deployment="m", replicas=1, nodes=1)
    s.load(2, 5, requests=10)
    s.load(30, 10, requests=300)
    s.hpa(45, 2)
    s.deployment(45, 2)
    s.pod(45.5, "b", created=45)
    s.at(
        46,
        "event",
        reason="TriggeredScaleUp",
        object="Pod/b",
        at=START + 47,
        message="pod triggered scale-up",
    )
    s.node(67, "n2", 67)
    s.pod(69, "b", created=45, scheduled=68)
    s.pod(74, "b", created=45, scheduled=68, started=73)
    s.pod(90, "b", created=45, scheduled=68, started=73, ready=90)
    s.load(100, 10, requests=1500)
    s.load(102, 4, requests=1520)
    s.load(104, 0, requests=1525, failures=3, state="stopped")
    s.hpa(140, 1)
    s.deployment(140, 1)
    s.pod(141, "b", leaving=True, created=45, scheduled=68, started=73, ready=90)
    s.pod(162, "b", gone=True, leaving=True, created=45)
    s.node(200, "n2", None, gone=True)
    return s


def metrics(s: Story, second: float, pod: str, requests: int) -> None:
    s.at(second, "metrics", name=pod, requests=requests)


def big(pods: int, nodes: int) -> Story:
    """A run in which many pods and nodes come one after another, with a decision for each hundred pods."""
    s = Story()
    s.hpa(-1, 1)
    s.deployment(-1, 1)
    s.at(0, "run", namespace="x", deployment="m", replicas=0, nodes=0)
    for second in range(0, 600, 2):
        s.load(second, 1 + second // 10, requests=100 * second)
    for number in range(nodes):
        s.node(number * 500 / nodes, f"n{number}", None)
        s.node(number * 500 / nodes + 1, f"n{number}", number * 500 / nodes + 1)
    for number in range(pods):
        t = 20 + number * 500 / pods
        if number % 100 == 0:
            s.hpa(t, number + 100)
            s.deployment(t, number + 100)
        s.pod(t, f"p{number}", created=t)
        s.pod(t + 5, f"p{number}", created=t, scheduled=t + 1, started=t + 2, ready=t + 5)
        metrics(s, t + 8, f"p{number}", 10)
        metrics(s, t + 20, f"p{number}", 60)
    s.events.sort(key=lambda event: event["t"])
    return s

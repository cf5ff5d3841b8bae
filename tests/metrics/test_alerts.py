"""A site under load that a real Prometheus watches: a clean run is silent and the dashboard shows it; each fault has its alert.

The rules are those that the role applied. Beside them the same with shorter durations (``shortened.py``): the clean run has to be
silent by both, and faults are waited for by the latter.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.monitoring.dashboard import (
    Price,
    dashboard,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.monitoring.rules import Objectives

from tests.integration.conftest import ROOT, daemon_log, leftovers, playbook, report, sandbox

from .watching import NAME, NAMESPACE, Json, Watched

VARS = ("-e", f"@{Path(__file__).parent / 'watched.yml'}")
MOST, TARGET, NODE_HOUR = 4, 12, 0.0335
BURNS = {"TFServingErrorBudgetBurns (page)", "TFServingErrorBudgetBurns (ticket)"}
FULL, SLOW, DOWN = "TFServingQueueFull (ticket)", "TFServingSlow (ticket)", "TFServingDown (page)"
REFUSED = "TFServingModelRefused (ticket)"
MISSING, MAXIMUM = "TFServingReplicasMissing (ticket)", "TFServingAtMaximum (ticket)"
BLIND = "TFServingAutoscalerBlind (page)"
# A replica that comes is one that is missing for a while, which is what `for` is there for.
PENDING = {MISSING}
SITE = {"app": NAME, "namespace": NAMESPACE, "latency_ms": 100}
# For tools/pictures.py, which draws docs/images/dashboard.png.
RUN = ROOT / "reports/watched.json"
STEP = 5
LIMITS = ("requests >= 1500", "failed == 0", "replicas.max >= 3", "replicas back to min")


def play(name: str, *more: str, timeout: float = 900) -> None:
    done = playbook(name, *VARS, *more, timeout=timeout)
    assert done.code == 0, f"{done.output[-6000:]}\n{daemon_log()}"


@pytest.fixture(scope="module")
def site() -> Iterator[Watched]:
    """The sandbox with a site, its watcher, and worse versions in the bucket; nothing of it afterwards."""
    os.environ["MLOPS_TFSERVING_SANDBOX_METRICS"] = "1"
    sandbox("down", "--purge").ok()
    sandbox("up", timeout=3600).ok()
    play("site.yml", "-e", "storage_model_version=1", timeout=1800)
    for version, model in ((2, "slow"), (3, "wrong"), (4, "better")):
        source = f"storage_model_source=tests/drills/models/{model}"
        play("playbooks/storage.yml", "-e", f"storage_model_version={version}", "-e", source)
    watched = Watched()
    watched.watch()
    yield watched
    sandbox("down", "--purge").ok()
    assert leftovers() == []


def test_a_clean_run_is_silent_and_the_dashboard_shows_it(site: Watched) -> None:
    began = time.time()
    playbook("playbooks/loadtest.yml", *VARS, timeout=1500)
    # This model answers so soon that the workers' own pauses, on a busy machine, make its times invalid; they are not judged.
    assert {one["name"]: one["ok"] for one in report()["checks"]} == dict.fromkeys(LIMITS, True)
    # Rates are taken over two minutes: until then requests are in them.
    time.sleep(130)
    seen = site.alerts_between(began, time.time())
    assert seen["firing"] == set()
    assert seen["pending"] <= PENDING
    run: Json = report()
    panels = dashboard(Objectives.of(SITE), Price(NODE_HOUR)).panels
    shown = {panel.title: site.shown(panel, run["began"] - 30, time.time(), STEP) for panel in panels}
    RUN.write_text(json.dumps({"site": SITE, "node_hour": NODE_HOUR, "began": run["began"], "panels": shown}))
    assert agrees(shown, run) == []


def agrees(shown: dict[str, list[Json]], run: Json) -> list[str]:
    """What the dashboard shows otherwise than the load test's report."""

    def line(title: str, legend: str) -> list[float]:
        found = [one for one in shown[title] if one["legend"] == legend]
        return [value for one in found for _t, value in one["points"] if value == value]

    scaling, asked = run["scaling"], run["requests"]
    answered = sum(line("Requests a second", "rest")) * STEP
    pods = {one["legend"] for one in shown["Share of each pod"]}
    expected = {
        "requests": abs(answered - asked["total"]) <= 0.1 * asked["total"],
        "rate": max(line("Requests a second", "rest")) <= asked["rate_max"] * 1.1,
        "none by gRPC": max(line("Requests a second", "grpc")) == 0,
        "none failed": max(line("Requests that fail", "failed")) == 0 == asked["failed"],
        "most desired": max(line("Replicas", "desired")) == scaling["replicas_wanted_max"],
        "most ready": max(line("Replicas", "ready")) == scaling["replicas_max"],
        "back": line("Replicas", "ready")[-1] == scaling["replicas_end"],
        "maximum": set(line("Replicas", "maximum")) == {MOST},
        "nodes": max(line("Nodes", "nodes")) == len({one["node"] for one in scaling["pods"]}),
        "cost": max(line("Cost of an hour", "nodes"))
        == pytest.approx(max(line("Nodes", "nodes")) * NODE_HOUR),
        "pods": pods == {one["pod"] for one in scaling["pods"]},
        "latency": line("Latency", "quantile 0.5")[-1] > 0
        and max(line("Latency", "quantile 0.5")) <= asked["p99_ms"],
        "above its target": max(line("Metrics against their targets", f"{NAME}-requests")) > 1,
        "one version": {one["legend"] for one in shown["Versions: requests a second"]} == {"running"},
    }
    return [name for name, holds in expected.items() if not holds]


def busy(site: Watched) -> AbstractContextManager[object]:
    """More than the HPA may have replicas for, and no more than these answer."""
    return site.asked(rate=MOST * TARGET + 6, connections=20)


@contextmanager
def at_its_maximum(site: Watched) -> Iterator[None]:
    with two_replicas(site), busy(site):
        yield


@contextmanager
def without_its_metric(site: Watched) -> Iterator[None]:
    """Four replicas by a metric that nobody brings any more; for their CPU fewer would do."""
    with two_replicas(site), busy(site):
        site.wait(lambda: len(site.ready()) == MOST, f"{MOST} replicas", 180)
        site.scale(f"{NAME}-metrics-adapter", 0)
        try:
            yield
        finally:
            site.scale(f"{NAME}-metrics-adapter", 1)


@contextmanager
def two_replicas(site: Watched) -> Iterator[None]:
    site.replicas_between(2, MOST)
    site.wait(lambda: len(site.ready()) == 2, "two replicas", 180)
    yield


@contextmanager
def wrong_version(site: Watched) -> Iterator[None]:
    """The gate refuses it. The next one that it lets through takes the note of that away."""
    with two_replicas(site):
        done = playbook("playbooks/promote.yml", *VARS, "-e", "promote_version=3")
        assert "refused; what runs is untouched" in done.output
        yield
        play("playbooks/promote.yml", "-e", "promote_version=4")


@contextmanager
def slow_version(site: Watched, rate: float = 4, connections: int = 2) -> Iterator[None]:
    """One that no gate looked at."""
    with two_replicas(site):
        play("playbooks/promote.yml", "-e", "promote_version=2", "-e", "serving_gate_enabled=false")
        with site.asked(rate, connections):
            yield
        play("playbooks/promote.yml", "-e", "promote_version=1", "-e", "serving_gate_enabled=false")


def flood(site: Watched) -> AbstractContextManager[None]:
    """Each replica takes eight requests and lets eight wait, and needs long for each."""
    return slow_version(site, rate=30, connections=60)


@contextmanager
def one_hangs(site: Watched) -> Iterator[None]:
    """Its connections stay with it, and get errors by its proxy, until it is no longer ready."""
    with two_replicas(site), site.asked(rate=16, connections=12):
        time.sleep(5)
        with site.hung(site.ready()[:1]):
            yield


@contextmanager
def all_hang(site: Watched) -> Iterator[None]:
    """The HPA must add none, which would answer."""
    with two_replicas(site):
        site.replicas_between(2, 2)
        site.wait(lambda: len(site.ready()) == 2, "two replicas", 180)
        with site.hung(site.ready()):
            yield


FAULTS = {
    "as much as it may have": (at_its_maximum, {MAXIMUM}, {MISSING}),
    "metric source fails": (without_its_metric, {BLIND}, {MAXIMUM}),
    "a version that answers wrongly": (wrong_version, {REFUSED}, set()),
    "slow version": (slow_version, {SLOW}, {*BURNS}),
    "one replica hangs": (one_hangs, {*BURNS, MISSING}, set()),
    "all replicas hang": (all_hang, {DOWN}, {*BURNS, MISSING, BLIND}),
    "more than queues take": (flood, {FULL}, {*BURNS, MAXIMUM, MISSING, SLOW}),
}
"""By fault: how it is made, which alerts it has to bring, and which it may bring, too."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_brings_its_alert_and_the_alert_goes_with_it(site: Watched, fault: str) -> None:
    happens, expected, allowed = FAULTS[fault]
    site.wait(lambda: not site.alerts(), "nothing fires before", 240)
    seen: set[str] = set()

    def fired() -> bool:
        seen.update(site.alerts())
        return expected <= seen

    began = time.time()
    with happens(site):
        site.wait(fired, f"{fault}: {expected}", 300)
    print(f"{fault}: {sorted(seen)} after {time.time() - began:.0f} s")
    assert seen <= expected | allowed
    site.wait(lambda: not site.alerts() & expected, f"{fault}: it goes with its cause", 240)


def test_no_alert_of_the_role_is_without_a_fault(site: Watched) -> None:
    of_the_role = {
        f"{rule['alert']} ({rule['labels']['severity']})"
        for group in site.rules()["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert of_the_role == set().union(*(expected for _happens, expected, _allowed in FAULTS.values()))

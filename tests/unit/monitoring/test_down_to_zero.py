"""What Prometheus answers where there may be no replica: nothing is asked for only where it is known that nothing is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.sources import (
    ASKED,
    Site,
    prometheus_config,
    promql,
)
from by_promtool import play
from kube_names import pod_name

SITE = Site("m", "x", "tfserving", 60, "prometheus", 15, "http://p:9090", zero=True)
IN_FLIGHT = {"type": "in_flight", "target": 3}
REQUESTS = {"type": "requests", "target": 3}
GAUGE = {"type": "gauge", "name": "waiting", "gauge": "waiting", "target": 3}
HOLDER, REPLICA, OTHER = "m-hold-5d9c-x7k2p", "m-6d4f-x7k2p", "m-6d4f-z8m4q"


def held(asked: bool, replicas: int, requests: int = 0, pod: str = HOLDER) -> dict[str, str]:
    """What a pod that holds requests told for six minutes, every 5 s."""
    labels = f'{{namespace="x",pod="{pod}"}}'
    idle = 119 if asked else 120
    gauges = {
        "tfserving_idle_seconds": idle,
        "tfserving_replicas": replicas,
        "tfserving_requests_held": requests,
    }
    return {f"{name}{labels}": f"{value}x72" for name, value in gauges.items()}


def replica(sessions: str = "0x72", total: str = "7x72", pod: str = REPLICA) -> dict[str, str]:
    return {
        f'haproxy_backend_{name}{{namespace="x",pod="{pod}",proxy="{proxy}"}}': values
        for proxy in ("rest", "grpc")
        for name, values in (("current_sessions", sessions), ("http_requests_total", total))
    }


GONE, STALE = "0x30 stale", "7x30 stale"


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        # no replica
        pytest.param(held(False, 0), 0, id="none, and nobody asks"),
        pytest.param(held(True, 0), 1, id="none, and somebody asked of late"),
        pytest.param({**held(False, 0), **held(True, 0, pod="m-hold-5d9c-z8m4q")}, 1, id="at one of two that hold"),
        pytest.param({}, None, id="nobody tells anything"),
        # one replica
        pytest.param({**held(False, 1), **replica()}, 0, id="idle"),
        pytest.param({**held(False, 1), **replica(total="7+1x72")}, 1, id="asked all the time"),
        pytest.param({**held(False, 1), **replica(total="7x50 8x22")}, 1, id="asked once in the last two minutes"),
        pytest.param({**held(False, 1), **replica(total="7x30 8x42")}, 0, id="asked once before"),
        pytest.param({**held(False, 1), **replica(sessions="1x72")}, 1, id="at work on one for minutes"),
        pytest.param({**held(False, 1), **replica("_x71 0", "_x71 7")}, None, id="read once as yet"),
        pytest.param({**held(True, 1)}, 1, id="on its way"),
        # a failing scrape
        pytest.param({**held(False, 1), **replica(GONE, STALE)}, 1, id="replica no longer read"),
        pytest.param({**held(False, 2), **replica()}, 1, id="one of two replicas not read"),
        pytest.param({**held(False, 2), **replica(), **replica(pod=OTHER)}, 0, id="both idle"),
        pytest.param(replica(), None, id="those that hold not read"),
        # not of this Deployment
        pytest.param({**held(False, 0), **replica(total="7+1x72", pod="m-canary-6d4f-x7k2p")}, 0, id="a canary"),
        pytest.param({**held(False, 0), **replica(total="7+1x72", pod="mm-6d4f-x7k2p")}, 0, id="another's"),
    ],
)  # fmt: skip
def test_whether_anybody_asked(tmp_path: Path, told: dict[str, str], answer: int | None) -> None:
    answered(tmp_path, ASKED, told, answer)


@pytest.mark.parametrize(
    ("metric", "told", "answer"),
    [
        (IN_FLIGHT, held(True, 0, requests=5), 5),
        (IN_FLIGHT, {**held(False, 1, requests=2), **replica(sessions="3x72")}, 8),
        (IN_FLIGHT, held(False, 1), None),
        (IN_FLIGHT, replica(sessions="3x72"), None),
        (REQUESTS, held(False, 0), 0),
        (REQUESTS, held(False, 1), None),
        (REQUESTS, {**held(False, 1), **replica(total="0+5x72")}, 2),
        (GAUGE, held(False, 0), 0),
        (GAUGE, held(False, 1), None),
        (GAUGE, {**held(False, 1), f'waiting{{namespace="x",pod="{REPLICA}"}}': "4x72"}, 4),
    ],
)
def test_other_metrics_are_nothing_where_there_is_no_replica(
    tmp_path: Path, metric: dict[str, Any], told: dict[str, str], answer: int | None
) -> None:
    answered(tmp_path, metric, told, answer)


@pytest.mark.parametrize("length", [41, 42, 46, 47, 52])
def test_pods_are_found_by_a_long_name_too(length: int, tmp_path: Path) -> None:
    """Kubernetes shortens what it calls them. A canary's are not scaled by."""
    site = replace(SITE, name="m" * length)
    told = {
        **held(False, 1, requests=2, pod=pod_name(site.holder)),
        **replica(sessions="3x72", pod=pod_name(site.name)),
        **replica(sessions="9x72", pod=pod_name(f"{site.name}-canary")),
    }
    answered(tmp_path, IN_FLIGHT, told, 8, site)


def test_those_that_hold_are_read_each_second_and_nobody_else_is() -> None:
    (of_replicas, of_holders) = prometheus_config([IN_FLIGHT], SITE)["scrape_configs"]
    assert "scrape_interval" not in of_replicas
    assert of_holders["scrape_interval"] == "1s"
    assert [one["relabel_configs"][0]["regex"] for one in (of_replicas, of_holders)] == ["m", "m\\-hold"]


def answered(
    folder: Path, metric: dict[str, Any], told: dict[str, str], answer: int | None, site: Site = SITE
) -> None:
    samples = [] if answer is None else [{"labels": "{}", "value": answer}]
    asked = {"expr": promql(metric, site), "eval_time": "6m", "exp_samples": samples}
    # A series that nobody asks for, since promtool wants one.
    play({"groups": []}, {"up": "1x72", **told}, "5s", {"promql_expr_test": [asked]}, folder)

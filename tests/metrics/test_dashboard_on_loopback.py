"""A real Prometheus scrapes a site with known numbers, evaluates the rules, and answers each query of the dashboard by them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from ansible_collections.mlops.tfserving.plugins.filter.alert_rules import alert_rules
from ansible_collections.mlops.tfserving.plugins.module_utils.monitoring.dashboard import (
    Panel,
    Price,
    dashboard,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.monitoring.rules import Objectives

from sandbox.images.build import prometheus_program

from .egress import serving

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests/loadtest"), str(ROOT / "tests/unit/monitoring")]

from loopback import free_port  # noqa: E402
from site_metrics import SHOWN, SITE, STEP, scraped  # noqa: E402

# Rates are taken over two minutes, which have to pass.
LONGEST = 400
PANELS = dashboard(Objectives.of(SITE), Price(0.25)).panels


class Exporter(BaseHTTPRequestHandler):
    """Counters that go on as they are described, in seconds instead of steps."""

    began = time.monotonic()

    def do_GET(self) -> None:
        steps = (time.monotonic() - self.began) / STEP
        body = "".join(f"{series} {_value(values, steps)}\n" for series, values in scraped().items())
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None: ...


def _value(values: str, steps: float) -> float:
    """``0+STEPxCOUNT`` or ``VALUExCOUNT``, as promtool has them."""
    start, _, step = values.partition("x")[0].partition("+")
    return float(start) + float(step or 0) * steps


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    with ExitStack() as here:
        exporter = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
        here.enter_context(serving(exporter))
        target = f"127.0.0.1:{exporter.server_address[1]}"
        (folder / "rules.yml").write_text(yaml.safe_dump(alert_rules(SITE)))
        config = {
            "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"},
            "rule_files": [str(folder / "rules.yml")],
            "scrape_configs": [
                {"job_name": "site", "honor_labels": True, "static_configs": [{"targets": [target]}]}
            ],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        log = here.enter_context((folder / "log").open("wb"))
        program = subprocess.Popen(
            [
                str(prometheus_program()), f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
        here.callback(program.wait)
        here.callback(program.terminate)
        yield f"http://127.0.0.1:{port}"


def answers(prometheus: str, panel: Panel) -> dict[str, float]:
    """By a label or, where a query answers one number, by legend, as SHOWN has them."""
    found = {}
    for query in panel.queries:
        label = query.legend.partition("{")[2].partition("}")[0]
        done = requests.get(f"{prometheus}/api/v1/query", params={"query": query.expr}, timeout=10)
        done.raise_for_status()
        for one in done.json()["data"]["result"]:
            by = (
                f"{label}={one['metric'].get(label)}"
                if label
                else ("" if len(panel.queries) == 1 else query.legend)
            )
            found[by] = float(one["value"][1])
    return found  # fmt: skip


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_a_query_answers_with_the_numbers_of_the_site(prometheus: str, panel: Panel) -> None:
    expected: dict[str, Any] = {
        by: pytest.approx(value, rel=0.05, abs=0.001) for by, value in SHOWN[panel.title].items()
    }
    ends, found = time.monotonic() + LONGEST, {}
    while time.monotonic() < ends:
        with suppress(requests.RequestException):  # it starts
            found = answers(prometheus, panel)
        if found == expected:
            return
        time.sleep(2)
    assert found == expected

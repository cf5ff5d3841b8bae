"""The users of the load test. Everything that can be set is in config.json beside this file.

Each user posts one body, encoded once, and opens a new connection every few requests, since a connection
stays with the pod that it first met and new replicas would get no traffic.

Every worker counts response times in buckets 2 % wide; the master adds them up and shows them, with exact
counts, at /loadtest. Differences of two looks give the percentiles of the time between them.
"""

from __future__ import annotations

import base64
import collections
import json
import math
from pathlib import Path

from locust import FastHttpUser, LoadTestShape, between, events, task

HERE = Path(__file__).parent
CONFIG = json.loads((HERE / "config.json").read_text())
BODY = json.dumps(
    {
        "signature_name": CONFIG["signature"],
        "instances": [{"b64": base64.b64encode((HERE / "payload").read_bytes()).decode()}],
    }
).encode()
GROWTH = math.log(1.02)


class Counts:
    """Requests, failures and response times since the beginning, or since they were taken."""

    def __init__(self) -> None:
        self.requests = 0
        self.failures = 0
        self.buckets: collections.Counter[int] = collections.Counter()

    def add(self, milliseconds: float, failed: bool) -> None:
        self.requests += 1
        self.failures += failed
        self.buckets[math.ceil(math.log(max(milliseconds, 0.01)) / GROWTH)] += 1

    def take(self) -> dict:
        taken = {"requests": self.requests, "failures": self.failures, "buckets": dict(self.buckets)}
        self.__init__()
        return taken

    def merge(self, other: dict) -> None:
        self.requests += other["requests"]
        self.failures += other["failures"]
        self.buckets.update({int(bucket): count for bucket, count in other["buckets"].items()})


COUNTS = Counts()


@events.request.add_listener
def count(response_time, exception, **_) -> None:
    COUNTS.add(response_time or 0, exception is not None)


@events.report_to_master.add_listener
def report(client_id, data, **_) -> None:
    data["loadtest"] = COUNTS.take()


@events.worker_report.add_listener
def received(client_id, data, **_) -> None:
    COUNTS.merge(data["loadtest"])


@events.init.add_listener
def show(environment, **_) -> None:
    if environment.web_ui is None:
        return

    @environment.web_ui.app.route("/loadtest")
    def loadtest() -> dict:
        runner = environment.runner
        workers = [
            {"id": worker.id, "state": worker.state, "cpu": worker.cpu_usage}
            for worker in runner.clients.values()
        ]
        return {
            "state": runner.state,
            "users": runner.user_count,
            "requests": COUNTS.requests,
            "failures": COUNTS.failures,
            "buckets": {str(bucket): number for bucket, number in COUNTS.buckets.items()},
            "workers": workers,
        }


class Client(FastHttpUser):
    """One user: a request, a pause, again."""

    wait_time = between(CONFIG["wait_min"], CONFIG["wait_max"])
    network_timeout = CONFIG["timeout"]
    connection_timeout = CONFIG["timeout"]
    sent = 0

    @task
    def predict(self) -> None:
        with self.client.post(
            CONFIG["path"],
            data=BODY,
            headers={"Content-Type": "application/json"},
            name="predict",
            catch_response=True,
        ) as response:
            if response.status_code == 200 and b'"predictions"' not in (response.content or b""):
                response.failure("the answer has no predictions")
        self.sent += 1
        if self.sent % CONFIG["requests_per_connection"] == 0:
            self.client.client.clientpool.close()


class Steps(LoadTestShape):
    """Users come in equal steps, and go evenly at the end."""

    def tick(self):
        shape = CONFIG["shape"]
        elapsed = self.get_run_time()
        top = shape["max_steps"] * shape["step_load"]
        rising = shape["max_steps"] * shape["step_time"]
        if elapsed < rising:
            step = int(elapsed // shape["step_time"]) + 1
            return step * shape["step_load"], shape["spawn_rate"]
        if elapsed < rising + shape["ramp_down"]:
            left = 1 - (elapsed - rising) / shape["ramp_down"]
            return max(1, math.ceil(top * left)), shape["spawn_rate"]
        return None

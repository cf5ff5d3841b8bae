"""The users of the load test. Everything that can be set is in config.json beside this file.

In the closed model a user asks, waits, asks again. In the open model requests are due at moments of their own,
whether earlier ones have been answered or not, and their time counts from the moment they were due.

Bodies come serialised. A connection stays with the pod that it first met, so each one is renewed after some
requests: otherwise new replicas would get no traffic.

Every worker counts response times in buckets 2 % wide; the master adds them up and shows them, with exact counts,
at /loadtest. Differences of two looks give the percentiles of the time between them. A master that nobody has
looked at for some seconds stops the load: its driver is gone.
"""

from __future__ import annotations

import collections
import errno
import json
import logging
import os
import random
import signal
import socket
import time
import uuid
from pathlib import Path

import curve as curves
import gevent
import gevent.pool
import histogram
import locust.stats
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError, HTTPSocketPoolResponse
from locust import LoadTestShape, User, between, constant, events, task

HERE = Path(__file__).parent
CONFIG = json.loads((HERE / "config.json").read_text())
PLAN = CONFIG["plan"]
CURVE = curves.Curve(PLAN["pieces"])
OPEN = PLAN["model"] == "open"
GRPC = CONFIG["protocol"] == "grpc"
BODIES = [(HERE / body["file"]).read_bytes() for body in CONFIG["bodies"]]
NAMES = ["predict" if len(BODIES) == 1 else f"predict {body['name']}" for body in CONFIG["bodies"]]
WEIGHTS = [body["weight"] for body in CONFIG["bodies"]]
DICE = random.Random()  # noqa: S311 - which picture is next is no secret
HEADERS = {"Content-Type": "application/json"}
UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH)
LOOK_SECONDS = 0.05
ABANDONED_SECONDS = 900
log = logging.getLogger("loadtest")

# Locust rounds times to two digits; with our buckets its tables and ours agree.
locust.stats.bucket_response_time = lambda milliseconds: round(
    histogram.value_of(histogram.bucket_of(milliseconds)), 2
)

if GRPC:
    try:
        import predict
    except ImportError as error:
        raise SystemExit(f"gRPC needs an image with grpcio and protobuf beside Locust: {error}") from error
    BODIES = [
        predict.request(json.loads(body), CONFIG["model"], CONFIG["version"], CONFIG["inputs"])
        for body in BODIES
    ]


def kind_of(error: BaseException) -> str:
    """Why a request failed: what the client met, or what the server answered."""
    if isinstance(error, Refused):
        return error.kind
    if GRPC and isinstance(error, predict.Failed):
        return predict.kind_of(error)
    if isinstance(error, socket.gaierror):
        return "dns"
    if isinstance(error, TimeoutError | socket.timeout):
        return "timeout"
    if isinstance(error, ConnectionRefusedError) or getattr(error, "errno", None) in UNREACHABLE:
        return "connect"
    if isinstance(error, ConnectionError | HTTPParseError):
        return "reset"
    return "other"


class Counts:
    """Requests, failures and response times since the beginning, or since they were taken."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.requests = 0
        self.failures = 0
        self.buckets: collections.Counter[int] = collections.Counter()
        self.errors: collections.Counter[str] = collections.Counter()
        self.examples: dict[str, str] = {}

    def add(self, milliseconds: float, error: BaseException | None) -> None:
        self.requests += 1
        self.buckets[histogram.bucket_of(milliseconds)] += 1
        if error is not None:
            self.failures += 1
            kind = kind_of(error)
            self.errors[kind] += 1
            self.examples.setdefault(
                kind, getattr(error, "example", f"{type(error).__name__}: {error}")[:200]
            )

    def take(self) -> dict:
        taken = {
            "requests": self.requests, "failures": self.failures, "buckets": dict(self.buckets),
            "errors": dict(self.errors), "examples": dict(self.examples),
        }  # fmt: skip
        self.clear()
        return taken

    def merge(self, other: dict) -> None:
        self.requests += other["requests"]
        self.failures += other["failures"]
        self.buckets.update({int(bucket): count for bucket, count in other["buckets"].items()})
        self.errors.update(other["errors"])
        self.examples = {**other["examples"], **self.examples}


class Pulse:
    """How late this process wakes up: what a worker that is short of CPU adds to every time it measures."""

    def __init__(self) -> None:
        self.late: list[float] = []

    def run(self) -> None:
        while True:
            due = time.perf_counter() + LOOK_SECONDS
            gevent.sleep(LOOK_SECONDS)
            self.late.append(max(0.0, time.perf_counter() - due))

    def take(self) -> float:
        """The 90th percentile since the last time, in milliseconds."""
        late, self.late = sorted(self.late), []
        return round(1000 * late[int(0.9 * (len(late) - 1))], 1) if late else 0.0


COUNTS, PULSE = Counts(), Pulse()
# Of the open model: requests under way, due ones that wait for a place now, and at most since the last report.
FLOW = {"in_flight": 0, "waiting": 0, "backlog": 0, "late_ms": 0.0, "started": 0}
REPORTS: dict[str, dict] = {}
OFFSETS: dict[str, collections.deque] = collections.defaultdict(lambda: collections.deque(maxlen=5))
HEARD: dict[str, float] = {}
DRIVER = {
    "begun": time.monotonic(),
    "seen": time.monotonic(),
    "stopped_by": None,
    "finished": False,
    "id": uuid.uuid4().hex[:12],
}


@events.test_start.add_listener
def begin(environment, **_) -> None:
    COUNTS.clear()
    REPORTS.clear()
    HEARD.clear()
    DRIVER.update(begun=time.monotonic(), finished=False)
    FLOW.update(in_flight=0, waiting=0, backlog=0, late_ms=0.0, started=0)


@events.request.add_listener
def count(response_time, exception, **_) -> None:
    COUNTS.add(response_time or 0, exception)


@events.report_to_master.add_listener
def report(client_id, data, **_) -> None:
    data["loadtest"] = {**COUNTS.take(), **FLOW, "lag_ms": PULSE.take(), "time": time.time()}
    FLOW.update(late_ms=0.0, backlog=FLOW["waiting"])


@events.worker_report.add_listener
def received(client_id, data, **_) -> None:
    part = data["loadtest"]
    HEARD[client_id] = time.monotonic()
    COUNTS.merge(part)
    OFFSETS[client_id].append(time.time() - part["time"])
    REPORTS[client_id] = {
        key: part[key] for key in ("in_flight", "waiting", "backlog", "late_ms", "started", "lag_ms")
    } | {"clock_s": round(min(OFFSETS[client_id], key=abs), 3)}


@events.init.add_listener
def wire(environment, **_) -> None:
    # Whoever is to go finishes the request it has sent, so that every request is counted.
    environment.stop_timeout = min(10.0, CONFIG["timeout"])
    if environment.web_ui is None:
        gevent.spawn(PULSE.run)
        return
    gevent.spawn(guard, environment)

    @environment.web_ui.app.route("/loadtest")
    def loadtest() -> dict:
        from flask import request  # noqa: PLC0415 - only the master has it at hand

        silent = time.monotonic() - DRIVER["seen"]
        if not request.args.get("observer"):
            DRIVER["seen"] = time.monotonic()
        return look(environment, silent)


def look(environment, silent: float) -> dict:
    """What the driver of the load test sees."""
    runner = environment.runner
    workers = [
        {"id": worker.id, "state": worker.state, "cpu": worker.cpu_usage, "users": worker.user_count}
        | {"silent_s": round(time.monotonic() - HEARD.get(worker.id, DRIVER["begun"]), 1)}
        | REPORTS.get(worker.id, {})
        for worker in runner.clients.values()
    ]
    active = runner.state in ("spawning", "running")
    return {
        "id": DRIVER["id"],
        "time": time.time(),
        "state": runner.state,
        "stopped_by": DRIVER["stopped_by"],
        "finished": DRIVER["finished"],
        "driver_silent_s": round(silent, 1),
        "elapsed": round(environment.shape_class.get_run_time(), 2) if active else None,
        "users": runner.user_count,
        "requests": COUNTS.requests,
        "failures": COUNTS.failures,
        "errors": dict(COUNTS.errors),
        "examples": COUNTS.examples,
        "buckets": {str(bucket): number for bucket, number in COUNTS.buckets.items()},
        "workers": workers,
    }


def guard(environment) -> None:
    """The dead man's switch: without a driver the load stops, and later the process ends."""
    while True:
        gevent.sleep(1)
        silent = time.monotonic() - DRIVER["seen"]
        if environment.runner.state in ("spawning", "running") and silent > CONFIG["dead_man_seconds"]:
            DRIVER["stopped_by"] = f"the dead man's switch: nobody asked for {silent:.0f} s"
            log.error("stopped by %s", DRIVER["stopped_by"])
            environment.runner.stop()
        if silent > ABANDONED_SECONDS:
            log.error("nobody has asked for %.0f s: the end", silent)
            os.kill(os.getpid(), signal.SIGTERM)


class Refused(Exception):
    """The server answered, and not with predictions. The text is the same for the same kind of answer."""

    def __init__(self, kind: str, words: str, content: bytes) -> None:
        super().__init__(words)
        self.kind = kind
        self.example = f"{words}: {content[:160].decode('utf-8', 'replace')}"


class Connection(HTTPClient):
    """One HTTP connection that sends whole requests, headers and all, as they were made once."""

    def whole(self, body: bytes) -> bytes:
        return self._build_request("POST", CONFIG["path"], body, HEADERS).encode() + body

    def send(self, request: bytes) -> HTTPSocketPoolResponse:
        pool = self._connection_pool
        sock = pool.get_socket()
        try:
            sock.sendall(request)
        except BaseException:
            pool.release_socket(sock)
            raise
        return HTTPSocketPoolResponse(sock, pool, method="POST")


class Rest:
    """A connection, kept alive; nothing is done for a request that can be done before."""

    requests: tuple[bytes, ...] = ()

    def __init__(self, host: str) -> None:
        self._host = host
        self._connection = self._connect()
        if not Rest.requests:
            Rest.requests = tuple(self._connection.whole(body) for body in BODIES)

    def _connect(self) -> Connection:
        timeout = CONFIG["timeout"]
        return Connection.from_url(
            self._host, connection_timeout=timeout, network_timeout=timeout, concurrency=1, insecure=True
        )

    def reconnect(self) -> None:
        self._connection.close()
        self._connection = self._connect()

    def ask(self, index: int) -> int:
        """The length of the answer. Raises what the socket raises, or Refused."""
        try:
            response = self._connection.send(self.requests[index])
            content, status = bytes(response.read()), response.status_code
        except BaseException:
            # What is left of a broken exchange must not be taken for the next answer.
            self.reconnect()
            raise
        if status != 200:
            raise Refused(f"http {status}", f"HTTP {status}", content)
        if b'"predictions"' not in content and b'"outputs"' not in content:
            raise Refused("answer", "the answer has no predictions", content)
        return len(content)


class Grpc:
    """One channel, kept; bodies are sent as they are."""

    def __init__(self) -> None:
        self._stub = predict.Stub(CONFIG["grpc_host"])
        self.reconnect = self._stub.reconnect

    def ask(self, index: int) -> int:
        try:
            return self._stub.ask(BODIES[index], CONFIG["timeout"])
        except predict.NoOutputs as error:
            raise Refused("answer", str(error), b"") from error


class Lane:
    """One connection at a time to the model server, renewed after some requests."""

    def __init__(self, environment) -> None:
        self._fire = environment.events.request.fire
        self._client = Grpc() if GRPC else Rest(environment.host)
        self._sent = 0

    def send(self, due: float | None = None) -> None:
        """One request, whose time counts from ``due`` (on time.perf_counter's clock) or from now."""
        index = 0 if len(BODIES) == 1 else DICE.choices(range(len(BODIES)), WEIGHTS)[0]
        begun, wrong, length = time.perf_counter() if due is None else due, None, 0
        try:
            length = self._client.ask(index)
        except Exception as error:  # noqa: BLE001 - whatever it is, the request has failed and is counted
            wrong = error
        self._fire(
            request_type="gRPC" if GRPC else "POST", name=NAMES[index], response_length=length, exception=wrong,
            context={}, response_time=1000 * (time.perf_counter() - begun),
        )  # fmt: skip
        self._sent += 1
        if self._sent % CONFIG["requests_per_connection"] == 0:
            self._client.reconnect()


class _Client(User):
    """The closed model: a request, a pause, again."""

    abstract = True
    wait_time = between(CONFIG["wait_min"], CONFIG["wait_max"])

    def on_start(self) -> None:
        self.lane = Lane(self.environment)

    @task
    def predict(self) -> None:
        self.lane.send()


class _Arrivals(User):
    """The open model: one a worker, which starts every request of this worker when it is due."""

    abstract = True
    wait_time = constant(1)

    def on_start(self) -> None:
        self.free: list[Lane] = []
        self.pool = gevent.pool.Pool(CONFIG["max_in_flight"])

    @task
    def predict(self) -> None:
        begun = time.perf_counter()
        number = max(0, getattr(self.environment.runner, "worker_index", 0)) % CONFIG["workers"]
        if PLAN["moments"]:
            due_times = iter(PLAN["moments"][number :: CONFIG["workers"]])
        else:
            due_times = curves.due_times(
                CURVE, worker=number, workers=CONFIG["workers"],
                poisson=PLAN["arrivals"] == "poisson", seed=CONFIG["seed"],
            )  # fmt: skip
        waiting: collections.deque[float] = collections.deque()
        gevent.spawn(self._fill, begun, due_times, waiting)
        # The shape ends, once everything that was due has been answered; this only stops when it is told to.
        while self._state != "stopping":
            while waiting:
                due = waiting[0]
                self.pool.spawn(self._send, due)
                waiting.popleft()
                FLOW["waiting"] = len(waiting)
            gevent.sleep(0.002)

    def _fill(self, begun: float, due_times, waiting: collections.deque) -> None:
        """Puts what is due into the queue, so that its length is the backlog."""
        for moment in due_times:
            ahead = begun + moment - time.perf_counter()
            if ahead > 0:
                gevent.sleep(ahead)
            if self._state == "stopping":
                return
            waiting.append(begun + moment)
            FLOW["waiting"] = len(waiting)
            FLOW["backlog"] = max(FLOW["backlog"], len(waiting) - 1)

    def _send(self, due: float) -> None:
        FLOW["late_ms"] = round(max(FLOW["late_ms"], 1000 * (time.perf_counter() - due)), 1)
        FLOW["in_flight"] += 1
        FLOW["started"] += 1
        lane = self.free.pop() if self.free else Lane(self.environment)
        try:
            lane.send(due)
        finally:
            FLOW["in_flight"] -= 1
            self.free.append(lane)


class Users(_Arrivals if OPEN else _Client):
    """What Locust starts."""


class Shape(LoadTestShape):
    """Follows the curve; in the open model waits at the end until everything has been answered."""

    def tick(self):
        wanted = self._wanted(self.get_run_time())
        # Locust also ends by itself, when its last worker is gone.
        DRIVER["finished"] = wanted is None
        return wanted

    def _wanted(self, elapsed: float) -> tuple[int, float] | None:
        if not OPEN:
            users = curves.users_at(CURVE, elapsed)
            return None if users is None else (users, PLAN["spawn_rate"])
        busy = any(part["in_flight"] or part["waiting"] for part in REPORTS.values())
        answered = elapsed > CURVE.length + 4 and not busy
        if answered or elapsed > CURVE.length + CONFIG["timeout"] + 10:
            return None
        return CONFIG["workers"], CONFIG["workers"]

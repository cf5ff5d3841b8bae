"""A client that never lets a connection go by itself and counts what comes of every request.

``python3 client.py CONFIG_JSON``: {"protocol": "rest"|"grpc", "host": ..., "port": ..., "model": ..., "rate": requests a
second, "connections": ...}. It asks until POST /stop on port 9000; GET /counts shows, at any time, how many requests were
answered rightly, how many were not, and the first failures. Nothing is tried twice.

Only the standard library for REST; grpcio for gRPC, with the two messages that are needed encoded by hand.
"""

from __future__ import annotations

import http.client
import http.server
import json
import struct
import sys
import threading
import time

X = 3.0
Y = 2.0 * X + 1.0
TIMEOUT = 10.0


TURN, QUIET, SETTLES = 90, 30, 12
"""Seconds by the clock: where others disturb in turns, each begins with a quiet time, at the beginning of which what they left ends."""


def turn(at: float) -> str:
    """Which part of a turn a moment (seconds since 1970) belongs to; nothing for one that tells of neither."""
    part = at % TURN
    return "disturbed" if part >= QUIET else "quiet" if part >= SETTLES else ""


class Tally:
    """What came of the requests so far; latencies in milliseconds."""

    def __init__(self, *, turns: bool = False) -> None:
        self.parts: dict[str, list[float]] | None = {"quiet": [], "disturbed": []} if turns else None
        self.lock = threading.Lock()
        self.ok = 0
        self.failed = 0
        self.connections = 0
        self.latencies: list[float] = []
        self.failures: list[str] = []

    def add(self, seconds: float, problem: str | None) -> None:
        with self.lock:
            if problem is None:
                self.ok += 1
                self.latencies.append(seconds * 1000)
                if self.parts and (part := turn(time.time())):
                    self.parts[part].append(seconds * 1000)
            else:
                self.failed += 1
                if len(self.failures) < 20:
                    self.failures.append(f"{time.time():.2f} after {seconds:.3f} s: {problem}")

    def show(self) -> dict:
        with self.lock:
            at = lambda share: percentile(self.latencies, share)  # noqa: E731
            parts = {f"p95_ms_{part}": percentile(of, 0.95) for part, of in (self.parts or {}).items()}
            return {
                "requests": self.ok + self.failed, "ok": self.ok, "failed": self.failed,
                "connections": self.connections, "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99),
                **parts, "failures": self.failures,
            }  # fmt: skip


def percentile(values: list[float], share: float) -> float | None:
    ordered = sorted(values)
    return round(ordered[int(share * (len(ordered) - 1))], 2) if ordered else None


class Rest:
    """One kept-alive connection; a new one only when the server has said that this one ends."""

    def __init__(self, config: dict, tally: Tally) -> None:
        self.config, self.tally = config, tally
        self.connection: http.client.HTTPConnection | None = None
        self.body = json.dumps({"instances": [X]}).encode()

    def ask(self) -> str | None:
        if self.connection is None:
            self.connection = http.client.HTTPConnection(
                self.config["host"], self.config["port"], timeout=TIMEOUT
            )
            self.tally.connections += 1
        try:
            self.connection.request("POST", f"/v1/models/{self.config['model']}:predict", self.body)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection = None
            return f"{type(error).__name__}: {error}"
        if answer.will_close:
            self.connection = None
        if answer.status != 200:
            return f"HTTP {answer.status} {text[:120]!r}"
        return None if json.loads(text) == {"predictions": [Y]} else f"answered {text[:120]!r}"


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protobuf message."""
    length, size = b"", len(content)
    while True:
        size, low = size >> 7, size & 127
        length += bytes([low | (128 if size else 0)])
        if not size:
            return bytes([number << 3 | 2]) + length + content


def predict_request(model: str) -> bytes:
    """tensorflow.serving.PredictRequest: model_spec.name, inputs["x"] = float32 [1]."""
    shape = field(2, field(2, b"\x08\x01"))
    tensor = b"\x08\x01" + shape + field(5, struct.pack("<f", X))
    return field(1, field(1, model.encode())) + field(2, field(1, b"x") + field(2, tensor))


class Grpc:
    """One channel, as a client library keeps it."""

    def __init__(self, config: dict, tally: Tally) -> None:
        import grpc

        self.grpc = grpc
        self.channel = grpc.insecure_channel(
            f"{config['host']}:{config['port']}",
            # A channel of its own for each; and no retries of grpc's own, which would hide what happens.
            options=[("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)],
        )
        tally.connections += 1
        self.call = self.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        self.request = predict_request(config["model"])

    def ask(self) -> str | None:
        try:
            answer = self.call(self.request, timeout=TIMEOUT)
        except self.grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
        # The one float of the output is in the message as it is.
        return None if struct.pack("<f", Y) in answer else f"answered {answer!r}"


def run(config: dict, tally: Tally, stop: threading.Event, number: int) -> None:
    client = {"rest": Rest, "grpc": Grpc}[config["protocol"]](config, tally)
    pause = config["connections"] / config["rate"]
    # Times differ between connections, so that idle ones of every age meet whatever happens.
    due = time.monotonic() + pause * number / config["connections"]
    while not stop.wait(max(0.0, due - time.monotonic())):
        started = time.monotonic()
        problem = client.ask()
        tally.add(time.monotonic() - started, problem)
        due = max(due + pause, time.monotonic())


def serve(tally: Tally, stop: threading.Event) -> http.server.ThreadingHTTPServer:
    class Control(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(tally.show()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            stop.set()
            time.sleep(TIMEOUT / 10)
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("", 9000), Control)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Load:
    """The same clients in this process: for the way through the load balancer."""

    def __init__(self, config: dict) -> None:
        self.tally, self.stop = Tally(turns=config.get("turns", False)), threading.Event()
        self._threads = [
            threading.Thread(target=run, args=(config, self.tally, self.stop, number), daemon=True)
            for number in range(config["connections"])
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> dict:
        self.stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT + 1)
        return self.tally.show()


def main() -> None:
    load = Load(json.loads(sys.argv[1]))
    serve(load.tally, load.stop)
    load.stop.wait()
    time.sleep(600)  # until it is deleted, so that the counts can be read


if __name__ == "__main__":
    main()

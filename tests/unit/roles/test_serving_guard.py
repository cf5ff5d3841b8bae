"""What the proxy keeps from the model server: harmless requests just beyond each limit, and those just within it."""

from __future__ import annotations

import gzip
import http.client
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import grpc
import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.refusals import refused_by
from haproxy import HAPROXY, Calls, Server, answering, metrics, proxy, until
from serving_role import files_of

PREDICT = "/v1/models/m:predict"
GRPC_PREDICT = "/tensorflow.serving.PredictionService/Predict"
LARGEST = 40_000

Json = dict[str, Any]


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    words: str


class Guarded:
    """A proxy by its ports, and the model server behind it, which answers at once unless it is held."""

    def __init__(self, ports: dict[str, int], server: Server) -> None:
        self.rest, self.grpc, self.status = ports["rest"], ports["grpc"], ports["status"]
        self.server = server

    def ask(
        self,
        body: Any = b"{}",
        path: str = PREDICT,
        method: str = "POST",
        source: str = "127.0.0.1",
        **headers: str,
    ) -> Answer:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.rest, timeout=20, source_address=(source, 0)
        )
        connection.request(
            method,
            path,
            body,
            {k.replace("_", "-"): v for k, v in headers.items()},
            encode_chunked=not isinstance(body, bytes),
        )
        answer = connection.getresponse()
        found = Answer(answer.status, answer.headers, answer.read().decode())
        connection.close()
        return found

    def begin(self, body: bytes, length: int, source: str = "127.0.0.1") -> socket.socket:
        """A prediction of which only the beginning is sent."""
        opened = socket.create_connection(("127.0.0.1", self.rest), 20, source_address=(source, 0))
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: m\r\nContent-Length: {length}\r\n\r\n"
        opened.sendall(head.encode() + body)
        return opened

    def count(self, metric: str, name: str) -> int:
        """A counter of one of the proxy's parts."""
        found = re.search(
            rf'^haproxy_{metric}{{proxy="{name}".*}} (\d+)', metrics(self.status) or "", re.MULTILINE
        )
        return int(found[1]) if found else 0


Start = Callable[..., Guarded]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a guarded model server with these variables of the role."""
    with ExitStack() as stack:

        def started(grpc_port: int = 0, **variables: Any) -> Guarded:
            server = Server()
            stack.callback(server.close)
            server.released.set()
            text = files_of(**{"serving_max_request_bytes": LARGEST} | variables)["haproxy.cfg"]
            places = {"rest": server.port} | ({"grpc": grpc_port} if grpc_port else {})
            return Guarded(stack.enter_context(proxy(tmp_path, text, **places)), server)

        yield started


def body_of(size: int) -> bytes:
    return b'{"instances": ["' + b"x" * (size - 19) + b'"]}'


def chunks(body: bytes) -> Iterator[bytes]:
    for at in range(0, len(body), 1000):
        yield body[at : at + 1000]


@pytest.mark.parametrize("form", [bytes, chunks])
def test_the_largest_body_passes_and_one_byte_more_does_not(
    start: Start, form: Callable[[bytes], Any]
) -> None:
    guarded = start()
    assert guarded.ask(form(body_of(LARGEST))).status == 200
    refused = guarded.ask(form(body_of(LARGEST + 1)))
    assert (refused.status, refused.words) == (
        413,
        f'{{"error": "the request is larger than {LARGEST} bytes"}}',
    )
    assert [len(body) for *_, body in guarded.server.asked] == [LARGEST]
    assert guarded.count("backend_http_requests_total", "rest_size") == 1


def test_what_was_refused_is_told_by_the_way_it_was(start: Start) -> None:
    guarded = start()
    for path, size in ((PREDICT, LARGEST + 1), (PREDICT, LARGEST + 1), ("/v1/other", 30)):
        guarded.ask(body_of(size), path=path)

    def raw(_method: str, path: str, **_words: Any) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, (metrics(guarded.status, path.partition("/proxy")[2]) or "").encode()

    api: Any = SimpleNamespace(raw=raw)
    # HAProxy counts after it has answered.
    until(lambda: refused_by(api, "n", "p", guarded.status) == {"size": 2, "path": 1})
    assert refused_by(api, "n", "p", 8501) is None, "it has no proxy"


def test_the_default_takes_what_people_send(start: Start) -> None:
    guarded = start(serving_max_request_bytes=1_048_576)
    picture = b'{"instances": [{"b64": "' + b"A" * 900_000 + b'"}]}'
    tensor = b'{"inputs": {"x": ' + str([[[[0.25] * 3] * 100] * 100] * 2).encode() + b"}}"
    for body in (picture, tensor):
        assert guarded.ask(body).status == 200, f"{len(body)} bytes"
    assert guarded.ask(picture, Expect="100-continue").status == 200


def nested(levels: int) -> bytes:
    return b"[" * levels + b"1" + b"]" * levels


JSON = [
        (nested(16), 200), (nested(17), 400), (b"[ " * 17 + b"] " * 17, 400), (b'{"a":' * 17 + b"1" + b"}" * 17, 400),
        (b"[1,[2]," * 16 + b"3" + b"]" * 16, 400), (b"[1,[2]," * 15 + b"3" + b"]" * 15, 200),
        (b'["' + b"[" * 5000 + b'"]', 200), (rb'["a\"[[[[[[[[[[[[[[[[[[[[[", 1]', 200), (b"[" + b"[],{}," * 6000 + b"1]", 200),
        (rb'["\\", ' + nested(16) + b"]", 400), (b"[[1]", 400), (b"[1]]", 400), (b'["a]', 400),
        (b"[1]\0", 400), (b"[1]\0[2]", 400), (b'["\\u0000"]', 200),
]  # fmt: skip


def test_json_is_nested_so_deep_and_no_deeper(start: Start) -> None:
    guarded = start()
    assert [(body, guarded.ask(body).status) for body, _ in JSON] == JSON
    assert [body for *_, body in guarded.server.asked] == [body for body, status in JSON if status == 200]
    refused = sum(status == 400 for _, status in JSON)
    assert guarded.count("backend_http_requests_total", "rest_nesting") == refused


def test_any_depth_and_compression_pass_where_they_are_wanted(start: Start) -> None:
    guarded = start(serving_max_nesting=0, serving_compressed_requests=True)
    assert guarded.ask(nested(17)).status == 200
    assert guarded.ask(gzip.compress(b"{}"), Content_Encoding="gzip").status == 200


def test_what_is_compressed_can_not_be_looked_into(start: Start) -> None:
    guarded = start()
    assert guarded.ask(gzip.compress(b"{}"), Content_Encoding="gzip").status == 415
    assert guarded.server.asked == []


ASKED = [
        ("GET", "/v1/models/m", 200), ("GET", "/v1/models/m/metadata", 200), ("GET", "/v1/models/m-1.x/versions/12", 200),
        ("GET", "/v1/models/m/labels/stable/metadata", 200), ("POST", "/v1/models/m/versions/1:predict", 200),
        ("POST", "/v1/models/m/labels/stable:classify?a=b", 200), ("POST", "/v1/models/m:regress", 200),
        ("GET", PREDICT, 405), ("PUT", PREDICT, 405), ("DELETE", "/v1/models/m", 405), ("POST", "/v1/models/m", 405),
        ("OPTIONS", PREDICT, 405), ("POST", "/v1/models/m/metadata", 405),
        ("GET", "/", 404), ("GET", "/v1/models", 404), ("GET", "/v1//models/m", 404), ("GET", "/v1/models/../models/m", 404),
        ("GET", "/v1/models/..", 404), ("GET", "/v1/models/%6d", 404), ("GET", "/v1/models/m/", 404), ("GET", "/V1/models/m", 404),
        ("POST", "/v1/models/m:reload", 404), ("GET", "/monitoring/prometheus/metrics", 404),
]  # fmt: skip


def test_paths_and_methods_are_those_of_the_api(start: Start) -> None:
    guarded = start()
    for method, path, status in ASKED:
        answer = guarded.ask(b"", path, method)
        assert answer.status == status, (method, path)
        if status == 405:
            assert answer.headers["Allow"] == ("POST" if path == PREDICT else "GET")
    assert [asked[:2] for asked in guarded.server.asked] == [asked[:2] for asked in ASKED if asked[2] == 200]


def test_browsers_may_ask_first_where_the_server_answers_that(start: Start) -> None:
    assert (
        start(serving_extra_args=["--rest_api_enable_cors_support=true"]).ask(b"", PREDICT, "OPTIONS").status
        == 200
    )


def test_a_head_has_room_for_16_kb(start: Start) -> None:
    guarded = start()
    assert guarded.ask(X_Long="x" * 15_000).status == 200
    assert guarded.ask(X_Long="x" * 17_000).status == 431


def test_slow_bodies_take_no_place_and_end(start: Start) -> None:
    guarded = start(serving_concurrency=1, serving_queue_length=0, serving_client_timeout=2)
    slow = [guarded.begin(b"{", 2) for _ in range(8)]
    assert guarded.ask().status == 200
    assert len(guarded.server.asked) == 1
    for connection in slow:
        assert connection.recv(100).split()[1] == b"408"
        connection.close()
    assert guarded.ask().status == 200


def test_who_has_given_up_is_not_served(start: Start) -> None:
    guarded = start(serving_concurrency=1)
    guarded.server.released.clear()
    with ThreadPoolExecutor(2) as pool:
        working = pool.submit(guarded.ask, b"working")
        until(lambda: guarded.server.working == 1)
        waiting = [guarded.begin(b"{}", 2) for _ in range(3)]
        until(lambda: guarded.count("backend_current_queue", "rest") == 3)
        for connection in waiting:
            connection.close()
        until(lambda: guarded.count("backend_current_queue", "rest") == 0)
        patient = pool.submit(guarded.ask, b"patient")
        until(lambda: guarded.count("backend_current_queue", "rest") == 1)
        guarded.server.released.set()
        assert [working.result(20).status, patient.result(20).status] == [200, 200]
    assert [body for *_, body in guarded.server.asked] == [b"working", b"patient"]


def connected(port: int, source: str) -> bool:
    """Whether a new connection is kept."""
    try:
        with socket.create_connection(("127.0.0.1", port), 20, source_address=(source, 0)) as opened:
            opened.sendall(b"GET /v1/models/m HTTP/1.1\r\nHost: m\r\n\r\n")
            return opened.recv(20).startswith(b"HTTP/1.1 200")
    except ConnectionError:
        return False


@contextmanager
def idle(port: int, count: int, source: str = "127.0.0.1") -> Iterator[None]:
    """Connections on which nothing is said. Some may be refused."""
    with ExitStack() as stack:
        for _ in range(count):
            with suppress(ConnectionError):
                stack.enter_context(
                    socket.create_connection(("127.0.0.1", port), 20, source_address=(source, 0))
                )
        yield


def test_one_client_leaves_connections_to_the_others(start: Start) -> None:
    guarded = start(serving_client_connections=10)
    with idle(guarded.rest, 10):
        until(lambda: guarded.count("frontend_current_sessions", "rest") == 10)
        assert not connected(guarded.rest, "127.0.0.1")
        assert connected(guarded.rest, "127.0.0.2")
    assert guarded.count("frontend_denied_connections_total", "rest") >= 1
    until(lambda: connected(guarded.rest, "127.0.0.1"))


def test_health_is_answered_when_every_connection_is_taken(start: Start) -> None:
    guarded = start(serving_proxy_connections=72, serving_client_connections=0)
    with idle(guarded.rest, 100), idle(guarded.grpc, 100):
        until(lambda: guarded.count("frontend_current_sessions", "rest") == 72)
        connection = http.client.HTTPConnection("127.0.0.1", guarded.status, timeout=20)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
        with idle(guarded.status, 40, "127.0.0.2"):
            assert guarded.count("frontend_current_sessions", "rest") == 72


def test_one_client_asks_so_often_and_others_too(start: Start) -> None:
    guarded = start(serving_client_rate=1)
    answers = [guarded.ask() for _ in range(11)]
    assert [answer.status for answer in answers] == [200] * 10 + [429]
    assert answers[-1].headers["Retry-After"] == "1"
    assert guarded.ask(source="127.0.0.2").status == 200


def test_one_client_does_not_fill_the_queue(start: Start) -> None:
    guarded = start(serving_concurrency=1, serving_queue_length=7, serving_client_requests=4)
    guarded.server.released.clear()
    others = [f"127.0.0.{number}" for number in (2, 2, 3, 3)]
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(guarded.ask) for _ in range(4)]
        until(lambda: guarded.count("backend_current_queue", "rest") == 3)
        refused = guarded.ask()
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert "more than 4 requests of this address are under way" in refused.words
        asked += [pool.submit(guarded.ask, source=source) for source in others]
        until(lambda: guarded.count("backend_current_queue", "rest") == 7)
        guarded.server.released.set()
        assert [one.result(20).status for one in asked] == [200] * 8
    assert guarded.ask().status == 200
    assert guarded.count("backend_http_requests_total", "rest_client") == 1


def test_who_asks_once_does_not_wait_for_who_asks_for_all_at_once(start: Start) -> None:
    guarded = start(serving_concurrency=1)
    guarded.server.released.clear()
    with ThreadPoolExecutor(16) as pool:
        first = pool.submit(guarded.ask, b'{"many": 0}')
        until(lambda: guarded.server.working == 1)
        asked = [first, *(pool.submit(guarded.ask, b'{"many": %d}' % number) for number in range(1, 13))]
        until(lambda: guarded.count("backend_current_queue", "rest") == 12)
        asked.append(pool.submit(guarded.ask, b'{"one": 0}', source="127.0.0.2"))
        until(lambda: guarded.count("backend_current_queue", "rest") == 13)
        guarded.server.released.set()
        assert [one.result(20).status for one in asked] == [200] * 14
    order = [body for _, _, body in guarded.server.asked]
    assert order.index(b'{"one": 0}') <= 6, "at most the half of them first"


def test_large_requests_of_one_client_leave_room_for_others(start: Start) -> None:
    guarded = start()
    large = body_of(LARGEST // 4)
    slow = [guarded.begin(large, LARGEST) for _ in range(8)]
    until(lambda: guarded.count("frontend_http_requests_total", "rest") == 8)
    assert guarded.ask(large).status == 503
    assert guarded.ask().status == 200
    assert guarded.ask(large, source="127.0.0.2").status == 200
    for connection in slow:
        connection.close()
    until(lambda: guarded.ask(large).status == 200)


@pytest.fixture
def calls() -> Iterator[tuple[Calls, int]]:
    """A model server by gRPC that answers at once unless it is held."""
    with answering() as (handler, port):
        handler.released.set()
        yield handler, port


@contextmanager
def channel(guarded: Guarded, **options: Any) -> Iterator[grpc.Channel]:
    own = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{guarded.grpc}", options=own, **options) as opened:
        yield opened


def refusal(call: Callable[[], Any]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as refused:
        call()
    return refused.value


def test_the_largest_message_passes_and_one_byte_more_does_not(
    start: Start, calls: tuple[Calls, int]
) -> None:
    guarded = start(calls[1])
    with channel(guarded) as opened:
        call = opened.unary_unary(GRPC_PREDICT)
        assert len(call(b"x" * (LARGEST - 5), timeout=20)) == LARGEST - 5
        told = {grpc.StatusCode.RESOURCE_EXHAUSTED: f"the request is larger than {LARGEST} bytes"}
        # Refused before it is there; of HAProxy 2.6 gRPC then reads the end of the stream alone.
        cut = told | {grpc.StatusCode.CANCELLED: "RST_STREAM"}
        for size, possible in ((LARGEST - 4, told), (4 * LARGEST, cut)):
            refused = refusal(partial(call, b"x" * size, timeout=20))
            assert possible[refused.code()] in refused.details()
    assert calls[0].asked == 1
    until(lambda: guarded.count("backend_http_requests_total", "grpc_size") == 2)


def test_by_grpc_compressed_requests_are_refused_in_words(start: Start, calls: tuple[Calls, int]) -> None:
    with channel(start(calls[1]), compression=grpc.Compression.Gzip) as opened:
        refused = refusal(lambda: opened.unary_unary(GRPC_PREDICT)(b"x" * 5000, timeout=20))
        assert (refused.code(), refused.details()) == (
            grpc.StatusCode.UNIMPLEMENTED,
            "compressed requests are not taken",
        )
        assert opened.unary_unary(GRPC_PREDICT)(b"", timeout=20) == b""


def test_a_slow_message_takes_no_place(start: Start, calls: tuple[Calls, int]) -> None:
    guarded = start(calls[1], serving_concurrency=1, serving_queue_length=0)
    more = threading.Event()

    def half() -> Iterator[bytes]:
        yield b"begun"
        more.wait(20)

    with channel(guarded) as slow, channel(guarded) as quick:
        begun = [slow.stream_unary(GRPC_PREDICT).future(half(), timeout=20) for _ in range(4)]
        until(lambda: guarded.count("frontend_http_requests_total", "grpc") == 4)
        assert quick.unary_unary(GRPC_PREDICT)(b"asked", timeout=20) == b"asked"
        assert calls[0].asked == 1
        more.set()
        for call in begun:
            call.cancel()


@pytest.mark.parametrize(("variables", "sources", "kept", "refused_as"), [
    ({"serving_client_requests": 4}, 1, 8, "grpc_client"),
    ({"serving_client_requests": 4}, 3, 16, "grpc_full"),
    ({"serving_external_traffic_policy": "Cluster"}, 1, 16, "grpc_full"),
])  # fmt: skip
def test_of_the_requests_that_begin_so_many_are_held_as_the_memory_has_room_for(
    start: Start, variables: Json, sources: int, kept: int, refused_as: str
) -> None:
    """One connection of HTTP/2 may begin many, and each takes memory until it has come. The counters are of HAProxy 2.8 and newer."""
    guarded = start(serving_concurrency=1, serving_queue_length=7, **variables)
    with ExitStack() as stack:
        for source in range(sources):
            for _ in range(2):
                stack.enter_context(begun_calls(guarded.grpc, 16, f"127.0.0.{source + 1}"))
        until(lambda: guarded.count("frontend_http_requests_total", "grpc") == 32 * sources)
        beyond = 32 * sources - kept if haproxy_version() >= (2, 8) else 0
        until(lambda: refusals(guarded) == beyond)
        assert guarded.count("backend_http_requests_total", refused_as) >= (beyond > 0)


def refusals(guarded: Guarded) -> int:
    return sum(guarded.count("backend_http_requests_total", f"grpc_{why}") for why in ("client", "full"))


@contextmanager
def begun_calls(port: int, count: int, source: str) -> Iterator[None]:
    """Calls on one connection, each with its head alone. RFC 9113 (frames), RFC 7541 (literals without indexing)."""

    def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
        return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content

    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": GRPC_PREDICT,
        ":authority": "m",
        "content-type": "application/grpc",
    }
    head = b"".join(
        b"\0" + bytes([len(k)]) + k.encode() + bytes([len(v)]) + v.encode() for k, v in fields.items()
    )
    with socket.create_connection(("127.0.0.1", port), 20, source_address=(source, 0)) as opened:
        opened.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
        opened.sendall(b"".join(frame(1, 4, 1 + 2 * number, head) for number in range(count)))
        yield


def haproxy_version() -> tuple[int, ...]:
    said = subprocess.run([str(HAPROXY), "-v"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version (\d+)\.(\d+)", said)
    assert found
    return int(found[1]), int(found[2])


def test_a_full_queue_is_told_with_a_pause_that_grpc_clients_read(
    start: Start, calls: tuple[Calls, int]
) -> None:
    guarded = start(calls[1], serving_concurrency=1, serving_queue_length=0)
    calls[0].released.clear()
    with channel(guarded) as opened:
        first = opened.unary_unary(GRPC_PREDICT).future(b"first", timeout=20)
        until(lambda: calls[0].working == 1)
        refused = refusal(lambda: opened.unary_unary(GRPC_PREDICT)(b"second", timeout=20))
        assert (refused.code(), refused.details()) == (
            grpc.StatusCode.UNAVAILABLE,
            "the queue of this replica is full",
        )
        assert ("grpc-retry-pushback-ms", "1000") in (
            refused.trailing_metadata() or refused.initial_metadata()
        )
        calls[0].released.set()
        assert first.result(20) == b"first"


def test_one_client_does_not_fill_the_queue_by_grpc(start: Start, calls: tuple[Calls, int]) -> None:
    guarded = start(calls[1], serving_concurrency=1, serving_queue_length=7, serving_client_requests=4)
    calls[0].released.clear()
    with channel(guarded) as opened:
        call = opened.unary_unary(GRPC_PREDICT)
        asked = [call.future(b"x", timeout=20) for _ in range(4)]
        until(lambda: guarded.count("backend_current_queue", "grpc") == 3)
        refused = refusal(lambda: call(b"x", timeout=20))
        assert refused.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "more than 4 requests of this address are under way" in refused.details()
        for given_up in asked[1:]:
            given_up.cancel()
        until(lambda: guarded.count("backend_current_queue", "grpc") == 0)
        again: list[Any] = []

        def queued_again() -> bool:
            # What was given up may be counted for a moment yet: who is refused for it asks once more.
            again[:] = [one for one in again if not one.done()]
            again.extend(call.future(b"x", timeout=20) for _ in range(3 - len(again)))
            return guarded.count("backend_current_queue", "grpc") == 3

        until(queued_again)
        calls[0].released.set()
        assert [one.result(20) for one in (asked[0], *again)] == [b"x"] * 4


@pytest.mark.parametrize(("channels", "most"), [(1, 2), (2, 4)])
def test_a_connection_has_so_many_calls_at_once(
    start: Start, calls: tuple[Calls, int], channels: int, most: int
) -> None:
    guarded = start(calls[1], serving_max_streams=2)
    calls[0].released.clear()
    with ExitStack() as stack:
        opened = [stack.enter_context(channel(guarded)) for _ in range(channels)]
        asked = [one.unary_unary(GRPC_PREDICT).future(b"x", timeout=20) for one in opened for _ in range(5)]
        until(lambda: calls[0].working == most)
        calls[0].released.set()
        assert [one.result(20) for one in asked] == [b"x"] * len(asked)
    assert calls[0].most == most

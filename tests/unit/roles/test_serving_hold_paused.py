"""What does not wake a replica: a person who took the last one, and who asks for what no replica answers."""

from __future__ import annotations

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from haproxy import until
from holding import HPA, SCALE
from test_serving_hold import Held


def test_who_asks_for_what_is_paused_asks_little_of_the_api_server(tmp_path: Path) -> None:
    """However many ask: their answers are one verdict's."""
    held = Held(tmp_path)
    try:
        until(lambda: held.api.leads() == [True])
        held.api.to_zero(by_hpa=False)
        held.ask()
        before, begun = len(held.api.asked), time.monotonic()
        for _ in range(5):
            with ThreadPoolExecutor(4) as pool:
                assert {one.result()[0] for one in [pool.submit(held.ask) for _ in range(4)]} == {503}
        looks = sum(path == HPA for _method, path, _status in held.api.asked[before:])
        assert looks < 6 * (time.monotonic() - begun) + 2
    finally:
        held.close()


def test_who_looks_for_open_doors_wakes_nothing(tmp_path: Path) -> None:
    held = Held(tmp_path)
    try:
        until(lambda: held.api.leads() == [True])
        for path in ("/", "/.env", "/v1/modelsx", "/metrics"):
            connection = http.client.HTTPConnection("127.0.0.1", held.ports["rest"], timeout=20)
            connection.request("GET", path)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (404, b'{"error": "no such path"}')
            connection.close()
        with (
            grpc.insecure_channel(f"127.0.0.1:{held.ports['grpc']}") as channel,
            pytest.raises(grpc.RpcError) as refused,
        ):
            channel.unary_unary("/grpc.reflection.v1.ServerReflection/Info")(b"", timeout=20)
        assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
        assert refused.value.details() == "no such path"
        assert held.gauge("tfserving_idle_seconds") > 1_000_000, "it counts as a request"
        assert [one for one in held.api.asked if one[1] == SCALE] == []
    finally:
        held.close()

"""What the holding proxy asks of the API server where a person took the last replica."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from haproxy import until
from holding import HPA
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

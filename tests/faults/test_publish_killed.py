"""kill -9 at any byte: no reader ever takes what is left for a version, and the next run completes it."""

from __future__ import annotations

import random
import time
from pathlib import Path

from emulator import Emulator
from objects import Objects
from proxy import Proxy
from publisher import MANIFEST, PB, Publisher, claims, hashes, stored

POINTS = 50
SEED = 20260101


def test_killed_at_fifty_points(
    emulator: Emulator, objects: Objects, proxy: Proxy, model: Path, tmp_path: Path
) -> None:
    wanted = hashes(model)
    cache = tmp_path / "cache"
    whole = Publisher(proxy.url, emulator.token, cache, model, version=1).result()
    assert whole["changed"], whole
    total = proxy.sent
    chance = random.Random(SEED)
    # Half of them anywhere, half near the end, where manifest, saved_model.pb and the claim's end are.
    points = [chance.randrange(total) for _ in range(POINTS // 2)]
    points += [total - chance.randrange(40_000) for _ in range(POINTS - len(points))]
    cut_in_between = 0
    for number, point in enumerate(sorted(points), 2):
        running = Publisher(proxy.url, emulator.token, cache, model, version=number)
        before = proxy.sent

        def kill(sent: int, before: int = before, point: int = point, running: Publisher = running) -> None:
            if sent - before >= point:
                running.kill()

        proxy.watch = kill
        running.wait()
        proxy.watch = lambda sent: None
        time.sleep(0.01)  # what was on its way arrives

        there = stored(objects, number)
        if PB in there:
            assert there == wanted, "what TF Serving could load is whole"
            assert f"m/{number}/{MANIFEST}" in objects.names("models"), "and what the fetcher reads, too"
        cut_in_between += PB not in there and bool(there or claims(objects))

        done = Publisher(proxy.url, emulator.token, cache, model, version=number).result()
        assert "msg" not in done, done
        assert stored(objects, number) == wanted
        assert claims(objects) == []
    assert cut_in_between > POINTS // 3, "the points were where there is something to break"


def test_the_next_run_goes_on_where_the_killed_one_was(
    emulator: Emulator, objects: Objects, proxy: Proxy, model: Path, tmp_path: Path
) -> None:
    size = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    running = Publisher(proxy.url, emulator.token, tmp_path / "cache", model)
    proxy.watch = lambda sent: running.kill() if sent > 0.6 * size else None
    running.wait()
    proxy.watch = lambda sent: None
    first, proxy.sent = proxy.sent, 0
    done = Publisher(proxy.url, emulator.token, tmp_path / "cache", model).result()
    assert (done["version"], done["changed"]) == (1, True)
    assert stored(objects, 1) == hashes(model)
    assert first + proxy.sent < 1.25 * size, "what had arrived is not sent again"

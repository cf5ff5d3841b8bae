"""Publishers at the same time: one content, whoever wins."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import make_model
from emulator import Emulator
from objects import Objects
from publisher import Publisher, claims, hashes, stored

PAIRS = 20


@pytest.mark.parametrize("version", [None, 7])
def test_pairs_with_different_content(
    emulator: Emulator, objects: Objects, service: str, tmp_path: Path, version: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    models = [make_model(tmp_path / f"model{seed}", seed) for seed in (1, 2)]
    (models[1] / "assets.extra/only-here").write_text("a file that the other model has not")
    contents = [hashes(model) for model in models]
    refused = 0
    for pair in range(PAIRS // 2):
        options = {"path": "m"} | ({"version": version + pair} if version else {})
        running = [
            Publisher(service, emulator.token, tmp_path / f"cache{n}", model, **options)
            for n, model in enumerate(models)
        ]
        results = [process.result() for process in running]
        won = [n for n, found in enumerate(results) if "msg" not in found]
        lost = [n for n, found in enumerate(results) if "msg" in found]
        assert won, results
        if version:
            assert len(won) == 1, results
        for n in won:
            assert stored(objects, results[n]["version"]) == contents[n], "nobody gets a mixture"
        for n in lost:
            refused += 1
            assert "with other content" in results[n]["msg"], results[n]
            assert "another number" in results[n]["msg"] or "under which number" in results[n]["msg"]
        assert claims(objects) == []
        for name in objects.names("models"):
            objects.delete("models", name)
    assert refused > 0


def test_pairs_with_the_same_content_both_end_well(
    emulator: Emulator,
    objects: Objects,
    service: str,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = hashes(model)
    for number in range(1, 6):
        running = [
            Publisher(service, emulator.token, tmp_path / "cache", model, version=number) for _ in "ab"
        ]
        results = [process.result() for process in running]
        assert all("msg" not in found for found in results), results
        assert results[0]["manifest"] == results[1]["manifest"]
        assert stored(objects, number) == wanted
        assert claims(objects) == []

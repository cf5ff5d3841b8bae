"""A model server and load tests against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from driving import Driven
from loopback import ModelServer, cluster, config


@pytest.fixture
def server() -> Iterator[ModelServer]:
    made = ModelServer()
    yield made
    made.close()


@pytest.fixture
def driven(tmp_path: Path, server: ModelServer) -> Iterator[Callable[..., Driven]]:
    opened = []

    def start(
        shape: dict[str, Any], *, workers: int = 2, host: str | None = None, more_code: str = "", **more: Any
    ) -> Driven:
        settings = config(shape, workers=workers, **more)
        context = cluster(tmp_path, settings, host or server.url, workers=workers, more_code=more_code)
        opened.append(context)
        return Driven(context.__enter__(), tmp_path, shape, workers)

    yield start
    for context in opened:
        context.__exit__(None, None, None)

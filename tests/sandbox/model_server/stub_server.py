"""The stand-in's package is not the project's: it runs in its image. Here its parts run that need no TensorFlow."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "sandbox/images/tensorflow-serving"))

from model_server.config import ModelConfig
from model_server.errors import Code, ServingError
from model_server.flags import Flags
from model_server.lifecycle import ModelManager, Version
from model_server.metrics import Metrics
from model_server.rest import Codec, RestApi
from model_server.storage import LocalStorage
from model_server.tensors import TensorInfo


class Stub:
    """A servable that answers its own version."""

    def __init__(self, name: str, version: int) -> None:
        self.name, self.version = name, version
        self.closed = False
        self.input_infos = {"serving_default": {"x": TensorInfo("x", "float32", (-1, 2))}}

    def close(self) -> None:
        self.closed = True

    def predict(self, *_: Any) -> Any:
        return {"y": np.array([self.version], dtype=np.int64)}


class Server:
    """A manager and its API over folders of versions; versions in ``broken`` can't be loaded."""

    def __init__(self, folder: Path, **flags: Any) -> None:
        self.folder, self.broken, self.attempts = folder, set[int](), list[int]()
        self.loaded: dict[tuple[str, int], Stub] = {}
        self.before_load: Callable[[int], None] = lambda number: None
        settings = {"max_num_load_retries": 0, "load_retry_interval_micros": -1, **flags}
        self.stop = threading.Event()
        self.manager = ModelManager(Flags(**settings), self._load, lambda path: LocalStorage(), self.stop)
        self.metrics = Metrics()
        self.api = RestApi(self.manager, self.metrics, Codec(lambda request: [], lambda servable: "{}"))

    def _load(self, version: Version, path: str) -> Stub:
        name, number = version.model, version.number
        self.attempts.append(number)
        self.before_load(number)
        if number in self.broken or not Path(path).is_dir():
            raise ServingError(Code.NOT_FOUND, "Could not find SavedModel")
        return self.loaded.setdefault((name, number), Stub(name, number))

    def model(self, name: str = "m", **settings: Any) -> ModelConfig:
        return ModelConfig(name, str(self.folder / name), **settings)

    def versions(self, *numbers: int, name: str = "m") -> None:
        """Exactly these are there."""
        base = self.folder / name
        base.mkdir(exist_ok=True)
        for folder in base.iterdir():
            if int(folder.name) not in numbers:
                folder.rmdir()
        for number in numbers:
            (base / str(number)).mkdir(exist_ok=True)

    def poll(self) -> None:
        self.manager.look()
        self.manager.act()

    def until(self, *states: tuple[int, str]) -> None:
        """Polls until exactly these versions of m are known, in these states."""
        deadline = time.monotonic() + 10
        while self.states() != list(states):
            assert time.monotonic() < deadline, self.states()
            self.poll()
            time.sleep(0.001)

    def get(self, path: str) -> tuple[int, Any]:
        answer = self.api.handle("GET", path, b"")
        return answer.status, json.loads(answer.body) if "json" in answer.content_type else answer.body

    def predict(self, where: str = "m") -> tuple[int, Any]:
        answer = self.api.handle("POST", f"/v1/models/{where}:predict", b'{"instances": [[1, 2]]}')
        return answer.status, json.loads(answer.body)

    def states(self, name: str = "m") -> list[tuple[int, str]]:
        return [(version.number, version.state) for version in self.manager.states(name)]

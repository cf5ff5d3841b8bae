"""Writes what became of each task, by its name; and makes waits short, before any process is forked for a task."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

UTILS = "ansible_collections.mlops.tfserving.plugins.module_utils"
PAUSE_SECONDS, SILENCE_SECONDS = 0.02, 1.5


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "recorded"

    def v2_playbook_on_start(self, playbook: Any) -> None:
        retry = importlib.import_module(f"{UTILS}.retry")
        retry.Policy.pause = lambda *_unused: PAUSE_SECONDS
        importlib.import_module(f"{UTILS}.k8s.client").READ_TIMEOUT = SILENCE_SECONDS
        importlib.import_module(f"{UTILS}.gcp.rest").TIMEOUT = (SILENCE_SECONDS, SILENCE_SECONDS)
        rest = importlib.import_module(f"{UTILS}.model_server.rest")
        if hasattr(rest, "TIMEOUT"):
            rest.TIMEOUT = SILENCE_SECONDS

    def _note(self, result: Any, verdict: str) -> None:
        found = result._result if hasattr(result, "_result") else result.result
        task = result._task if hasattr(result, "_task") else result.task
        if verdict == "ok" and found.get("changed"):
            verdict = "changed"
        with Path(os.environ["RECORDED"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps([task.get_name(), verdict]) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._note(result, "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._note(result, "failed")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._note(result, "skipped")

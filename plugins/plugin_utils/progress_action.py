"""The action plugin of modules that take long: runs the module and shows its lines of progress meanwhile."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

VARIABLE = "MLOPS_TFSERVING_PROGRESS"
_SECONDS = 0.5


class ProgressAction(ActionBase):
    """Runs the module of the same name. Lines reach the terminal where the module runs on this machine."""

    _supports_check_mode = True
    _supports_async = True
    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        descriptor, name = tempfile.mkstemp(prefix="progress-")
        os.close(descriptor)
        file, done = Path(name), threading.Event()
        environment = self._task.environment
        self._task.environment = [*(environment or []), {VARIABLE: name}]
        watcher = threading.Thread(target=self._show, args=(file, done), daemon=True)
        watcher.start()
        try:
            result.update(self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val))
        finally:
            self._task.environment = environment
            done.set()
            watcher.join(2)
            file.unlink(missing_ok=True)
        return result

    def _show(self, file: Path, done: threading.Event) -> None:
        """Follows the file until the module has ended and every line is shown."""
        display = Display()
        with file.open(encoding="utf-8") as lines:
            while True:
                ended = done.wait(_SECONDS)
                for line in lines:
                    if not self._task.no_log:
                        display.display(f"    {line.rstrip()}")
                if ended:
                    return

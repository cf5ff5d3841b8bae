"""The action plugin of the collection's modules: where they run, and their lines of progress on the terminal."""

# Copyright: the mlops.tfserving developers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

from ansible import constants
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.json import AnsibleJSONEncoder
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.no_log import secrets, shown
from ..module_utils.outcome import Answer, Packages, failure, needed, negative
from ..module_utils.progress import VARIABLE
from . import before_forks  # noqa: F401

_SECONDS = 0.5

_PACKAGE = "kubernetes"
_WANTED = Path(constants.DEFAULT_LOCAL_TMP) / _PACKAGE
"""There once a task of this run imported that package, which only some kubeconfigs need, and which takes half a second."""

Json = dict[str, Any]


class Module(Protocol):
    """A module of the collection, imported."""

    SPEC: Json
    PACKAGES: Packages
    answer: Answer


class ModuleAction(ActionBase):
    """Runs the module of the same name in Ansible's own process, where it would run on this machine anyway.

    A process of its own takes more than half a second, and most modules of a run ask a question or two. A module
    still has one wherever that makes a difference: on another machine, as another user, in another environment, in
    the background, or where only another Python has the packages.

    A module with an option ``process`` is told which process the whole run is: Ansible forks one for each task, whose
    parent lives as long as the run.
    """

    _supports_check_mode = True
    _supports_async = True
    _requires_connection = True
    _run_by: int | None = None
    """The process whose end ends the module, too: where it runs in Ansible's own."""

    def run(self, tmp: Any = None, task_vars: Json | None = None) -> Json:
        result: Json = super().run(tmp, task_vars)
        if "process" in self._module().SPEC["argument_spec"]:
            self._task.args.setdefault("process", os.getppid())
        with self._progress() as lines:
            if self._needs_a_process():
                result.update(self._in_a_process(task_vars, {VARIABLE: lines}))
            else:
                result.update(self._here(self._module(), lines, task_vars))
        return result

    def _module(self) -> Module:
        return module_of(type(self).__module__)

    def _needs_a_process(self) -> bool:
        return bool(
            self._connection.transport != "local"
            or self._play_context.become
            or self._task.async_val
            or any(self._task.environment or [])
            or self._lacks_a_package()
        )

    def _lacks_a_package(self) -> bool:
        # Paths count from where a module of this play would start.
        with contextlib.chdir(self._loader.get_basedir()):
            return any(needed(self._module().PACKAGES, self._task.args).values())

    def _in_a_process(self, task_vars: Json | None, environment: dict[str, str]) -> Json:
        before = self._task.environment
        self._task.environment = [*(before or []), environment]
        try:
            return dict(self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val))
        finally:
            self._task.environment = before

    def _here(self, module: Module, lines: str, task_vars: Json | None) -> Json:
        spec = {name: value for name, value in module.SPEC.items() if name != "supports_check_mode"}
        # As a module gets them: plain values, and not Ansible's own kinds of text and number.
        given = json.loads(json.dumps(self._task.args, cls=AnsibleJSONEncoder, vault_to_text=True))
        checked = ArgumentSpecValidator(**spec).validate(given)
        params, options = checked.validated_parameters, spec["argument_spec"]
        if checked.error_messages:
            found = self._refused(checked.errors)
        else:
            self._run_by = os.getppid()
            os.environ[VARIABLE] = lines
            with contextlib.chdir(self._loader.get_basedir()):
                found = negative(params) or module.answer(params, check_mode=self._task.check_mode)
            if _PACKAGE in sys.modules:
                _WANTED.touch()
        found = {name: value for name, value in found.items() if name != "warnings" or value}
        if _shows_options(task_vars):
            found["invocation"] = {"module_args": shown(options, params)}
        return dict(remove_values(found, secrets(options, params)))

    def _refused(self, errors: Any) -> Json:
        """As a module in a process says it. An exception would show a wrong value, be it a secret."""
        unknown = isinstance(errors[0], UnsupportedError)
        before = f"Unsupported parameters for ({self._task.action}) module: " if unknown else ""
        return failure(f"{before}{errors.msg}")

    @contextlib.contextmanager
    def _progress(self) -> Iterator[str]:
        """A file whose lines reach the terminal. Another machine's module does not find it, and says nothing."""
        # In Ansible's own folder, which it removes even where this process is killed.
        descriptor, name = tempfile.mkstemp(prefix="progress-", dir=constants.DEFAULT_LOCAL_TMP)
        os.close(descriptor)
        file, done = Path(name), threading.Event()
        watcher = threading.Thread(target=self._show, args=(file, done), daemon=True)
        watcher.start()
        try:
            yield name
        finally:
            done.set()
            watcher.join(2)
            file.unlink(missing_ok=True)

    def _show(self, file: Path, done: threading.Event) -> None:
        """Follows the file until the module has ended and every line is shown."""
        # Python acts on a signal in its main thread only, and would not wake that up for one that comes here.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        display = Display()
        with file.open(encoding="utf-8") as lines:
            while True:
                ended = done.wait(_SECONDS)
                if self._run_by not in (None, os.getppid()):
                    # The run was killed, and nobody waits for what this process would go on changing.
                    os.kill(os.getpid(), signal.SIGKILL)
                for line in lines:
                    if not self._task.no_log:
                        display.display(f"    {line.rstrip()}")
                if ended:
                    return


def module_of(action: str) -> Module:
    """The module that has the name of an action plugin's file.

    Ansible reads that file before it forks a process for each task: a file that calls this or ``action_of`` as it is
    read has its module imported once in a run, and with it what tasks before had to import each by itself. (The files are no links to one: antsibull-docs takes a link for another name of what it
    leads to, and leaves the module's page out.)
    """
    name = action.rpartition(".")[2]
    if _WANTED.exists():
        importlib.import_module(f"{_PACKAGE}.config")
    return cast(Module, importlib.import_module(f"..modules.{name}", __package__))


def action_of(name: str) -> type[ModuleAction]:
    """The action plugin of a module that is run as all are; ``name`` is that of the file that calls this."""
    module = module_of(name)

    class ActionModule(ModuleAction):
        def _module(self) -> Module:
            return module

    return ActionModule


def _shows_options(task_vars: Json | None) -> bool:
    """Whether results hold the task's options. Older releases of Ansible have no setting for that, and always do."""
    try:
        return bool(constants.config.get_config_value("INJECT_INVOCATION", variables=task_vars))
    except AnsibleError:
        return True

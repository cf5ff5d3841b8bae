"""What runs each command of the documentation. The first rule that matches counts; a command without one fails the tests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby

from .documents import Command, commands

HERE, SANDBOX, TESTED, GOOGLE, MACHINE = "here", "sandbox", "tested", "google", "machine"
"""Run by tests/docs; run on the sandbox in the life-cycle test; what it does is run by another test, which is named;
needs a project of Google's: held against the parsers of its programs and, for playbooks, their syntax; changes the
machine or a registry, and is only read."""


@dataclass(frozen=True)
class Rule:
    """``tested``: a file and words in it that run the same."""

    pattern: str
    how: str
    tested: tuple[str, str] = ("", "")


_LIFE = "tests/integration/test_life_cycle.py"
_DRILLS = "tests/drills/test_drills.py"
_PLAYBOOK = r"ansible-playbook (?!-i )"

RULES = (
    Rule(r"make test", TESTED, (".ci/run", "exec make test")),
    Rule(r"make demo", TESTED, (_LIFE, 'playbook("site.yml", "-vv", "-e", "loadtest_enabled=true"')),
    Rule(r"make sandbox-down", TESTED, (_LIFE, 'sandbox("down").ok()')),
    Rule(r"(DRILL_RUNS=\d+ )?make [a-z0-9-]+", HERE),
    Rule(r"(apt-get|ansible-builder build|podman push|pip install) .*", MACHINE),
    Rule(r"ansible-galaxy collection build", TESTED, ("tests/packaging/conftest.py", '"collection", "build"')),
    Rule(r"ansible-galaxy collection install .*", TESTED, ("tests/packaging/conftest.py", '"collection", "install"')),
    Rule(r"tools/setup python", TESTED, ("Makefile", "@tools/setup python")),
    Rule(r"\. \.venv/bin/activate", SANDBOX),
    Rule(r"export [A-Z_]+=\S+( [A-Z_]+=\S+)*", HERE),
    Rule(r"(DRILL_SECONDS=\d+ )?\.venv/bin/pytest .*", HERE),
    Rule(r"ansible-doc .*", HERE),
    Rule(r"ansible localhost -m mlops\.tfserving\.saved_model_info .*", HERE),
    Rule(_PLAYBOOK + r"playbooks/rollback.yml( -e rollback_version=\d+)?", TESTED, (_DRILLS, "playbooks/rollback.yml")),
    Rule(_PLAYBOOK + r"playbooks/promote.yml -e promote_version=\d+", TESTED, (_DRILLS, '"promote_version=2"')),
    Rule(_PLAYBOOK + r"playbooks/teardown.yml", TESTED, (_LIFE, 'playbook("playbooks/teardown.yml").ok()')),
    Rule(_PLAYBOOK + r"playbooks/whatif.yml.*", TESTED, ("tests/unit/scaling/test_whatif.py", '("whatif", "min replicas 2")')),
    Rule(_PLAYBOOK + r"playbooks/canary.yml -e .*", GOOGLE),
    Rule(_PLAYBOOK + r"awx/configure.yml.*", TESTED, ("tests/awx/test_configure.py", "awx/configure.yml")),
    Rule(_PLAYBOOK + r".*", SANDBOX),
    Rule(r"ansible-playbook -i inventories/(dev|prod|existing) .*", GOOGLE),
    Rule(r'eval "\$\(python -m sandbox env\)"', SANDBOX),
    Rule(r"gcloud container clusters list|kubectl get nodes", SANDBOX),
    Rule(r"gcloud .*", GOOGLE),
    Rule(r"kubectl annotate namespace .*", GOOGLE),
    Rule(r".*curl .*", SANDBOX),
)  # fmt: skip


def rule(command: Command) -> Rule | None:
    return next((r for r in RULES if re.fullmatch(r.pattern, command.text, re.DOTALL)), None)


def classified(how: str) -> list[Command]:
    """The commands of a class, each text once."""
    found = {c.text: c for c in reversed(commands()) if (r := rule(c)) and r.how == how}
    return list(reversed(found.values()))


def sandbox_commands() -> list[str]:
    """Scripts for bash, to be run in the checkout on the sandbox with its site: of each block what is of this class.

    None of them takes away what is there. ``198.19.240.10`` stands for the address that status.yml prints.
    """
    blocks = groupby(
        (c for c in commands() if (r := rule(c)) and r.how == SANDBOX), lambda c: (c.page, c.block)
    )
    found = ["\n".join(["set -e", *(command.text for command in block)]) for _, block in blocks]
    return [script for script in dict.fromkeys(found) if not _only_prepares(script)]


def _only_prepares(script: str) -> bool:
    """Whether all that it does is for commands of the same block that are of another class."""
    return all(line == "set -e" or line.startswith(("eval ", ". ")) for line in script.splitlines())

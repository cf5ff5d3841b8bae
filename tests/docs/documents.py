"""The documentation as data: its pages, and the commands in their fenced blocks."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("roles/*/README.md"))]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SHELLS = ("console", "bash", "sh", "shell")


@dataclass(frozen=True)
class Command:
    """A command as it is typed; ``block``: those of one fenced block share it, and a shell."""

    page: str
    block: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"


def fences(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of each fenced block."""
    for indent, language, text in _FENCE.findall(page.read_text()):
        yield language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE)


def rows_of_no_table(page: Path) -> list[str]:
    """Rows with no head above them, which are shown as they are typed: an empty line ends a table."""
    lines = _FENCE.sub("", page.read_text()).splitlines()
    before, found = "", []
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("|") and not before.startswith("|") and not re.fullmatch(r"\|[-:| ]+\|", after):
            found.append(line)
        before = line
    return found


def commands(pages: list[Path] = PAGES) -> list[Command]:
    """Every command; what stands after it until the next prompt is its rest or its output."""
    found = []
    for page in pages:
        for number, (language, text) in enumerate(fences(page)):
            if language in _SHELLS:
                where = str(page.relative_to(ROOT))
                found += [Command(where, number, command) for command in _typed(text)]
    return found


def _typed(block: str) -> Iterator[str]:
    open_command = ""
    for line in block.splitlines():
        if open_command:
            open_command += f"\n{line}"
        elif line.startswith(("$ ", "# ")):
            open_command = line[2:]
        if open_command and _complete(open_command):
            yield re.sub(r"\s+# .*$", "", open_command)
            open_command = ""
    assert not open_command, f"a command without an end: {open_command}"


def _complete(command: str) -> bool:
    if command.rstrip().endswith("\\"):
        return False
    return subprocess.run(["bash", "-n", "-c", command], capture_output=True, check=False).returncode == 0


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())

"""What can be said of a rollout, or of one of its pods: done, under way, or in vain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Ready:
    """Every wanted replica runs the newest template and is available; nothing older is left."""

    text: str


@dataclass(frozen=True)
class Waiting:
    """Under way; `text` says what is being waited for.

    The rest is for the message when time runs out: what to do, and whose log is worth reading.
    """

    text: str
    hint: str = ""
    pod: str | None = None
    container: str | None = None


@dataclass(frozen=True)
class Failed:
    """In vain. `pod` and `container` name whose log is worth reading (`previous`: of its last life)."""

    reason: str
    evidence: tuple[str, ...]
    hint: str
    pod: str | None = None
    container: str | None = None
    previous: bool = False


Verdict: TypeAlias = "Ready | Waiting | Failed"

"""A way in which a rollout hangs, as a test case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.verdicts import Failed, Waiting
from kube_objects import Json, event, verdict


@dataclass(frozen=True)
class Case:
    """What is found in the cluster, what is said of it, and what to do about it."""

    found: Callable[[], Any]
    reason: str
    hint: str = ""
    in_vain: bool = True


def check(case: Case) -> None:
    """Asserts that the case is told as it should be."""
    found = case.found()
    assert isinstance(found, Failed if case.in_vain else Waiting), found
    words = found.reason if isinstance(found, Failed) else found.text
    assert case.reason in " ".join((words, *getattr(found, "evidence", ())))
    assert case.hint in found.hint
    assert not case.in_vain or found.hint, "a failure names a way out"


def told(
    found: Json,
    *told: tuple[str, str],
    nodes: list[Json] | None = None,
    beside: Sequence[Json] = (),
    **about: Any,
) -> Any:
    return verdict(found, *beside, events=tuple(event(found, *words, **about) for words in told), nodes=nodes)

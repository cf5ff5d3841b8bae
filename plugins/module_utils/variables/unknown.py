"""Names that begin as those of a role or playbook do, and are none: most of them are misspelt. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches

from .findings import Finding
from .renamed import RENAMED
from .rules import RULES

GOOGLE = "gcp"
"""How variables of all playbooks begin, but those of other collections, too: only what is nearly one is an error."""

_NEARLY = 0.85
"""How much of two names is the same, from 0 to 1, where one is taken for the other."""


def unknown_names(names: Iterable[str], real: Collection[str], used: Collection[str]) -> Iterator[Finding]:
    """``names``: that a play has. ``real``: those that may be set. ``used``: that roles and playbooks have for themselves."""
    rule = RULES["unknown-variable"]
    for name in sorted(set(names) - {*real, *used}):
        if new := RENAMED.get(name):
            old = RULES["renamed-variable"]
            yield Finding(
                old.id,
                old.severity,
                f"{name} is now called {new}",
                "The next release takes no other name.",
                name,
            )
            continue
        from ..gke.desired import CLUSTER_ARGUMENTS  # noqa: PLC0415 - mistakes are rare

        is_googles = name.startswith(f"{GOOGLE}_")
        near = get_close_matches(name, sorted(real), 1, _NEARLY if is_googles else 0.6)
        if is_googles and not near:
            continue
        option = name.removeprefix("cluster_")
        if name.startswith("cluster_") and option in CLUSTER_ARGUMENTS and "cluster_options" in real:
            near = [f"cluster_options: {{{option}: …}}"]
        meant = f"Write {near[0]}, if that is meant; if" if near else "If"
        yield Finding(
            rule.id,
            rule.severity,
            f"there is no variable {name}: no role and no playbook looks at it",
            f"{meant} it is your own: preflight_ignore: [{rule.id}:{name}].",
            name,
        )

"""All rules about settings and project. ``docs/preflight.md`` has the table."""

from __future__ import annotations

from . import rules_access, rules_capacity, rules_google, rules_model
from .judge import Rule

RULES: tuple[Rule, ...] = (
    *rules_capacity.RULES,
    *rules_google.RULES,
    *rules_access.RULES,
    *rules_model.RULES,
)

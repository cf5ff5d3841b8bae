"""What the limits of a load test promise of a site. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..loadtest.slo import Limit, SloError, parse
from .rules import AVAILABILITY_LEAST

Json = dict[str, Any]
_PERCENTILE = re.compile(r"p([\d.]+)_ms")


def promised(limits: Iterable[Any]) -> Json:
    """``latency_ms`` and ``quantile``, and ``availability``, as far as ``loadtest_slo`` states them; for ``Objectives``.

    Of several limits the first one without `while` counts, else the first. None failed promises no share: nobody keeps
    that for months. A line that is none is the load test's to refuse.
    """
    found: Json = {}
    for limit in sorted(_parsed(limits), key=lambda one: bool(one.conditions)):
        comparison = limit.comparison
        if comparison is None or comparison.relation not in ("<=", "<") or comparison.limit <= 0:
            continue
        percentile = _PERCENTILE.fullmatch(comparison.metric)
        if percentile and "quantile" not in found:
            found |= {"latency_ms": comparison.limit, "quantile": round(float(percentile[1]) / 100, 6)}
        elif comparison.metric == "failed_percent" and 1 - comparison.limit / 100 > AVAILABILITY_LEAST:
            found.setdefault("availability", round(1 - comparison.limit / 100, 9))
    return found


def _parsed(limits: Iterable[Any]) -> Iterable[Limit]:
    for text in limits:
        try:
            yield parse(str(text))
        except SloError:
            continue

"""What the limits of a load test promise of a site."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.monitoring.promised import promised


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        (["requests >= 1000", "failed == 0 while steady"], {}),
        (["p95_ms <= 300"], {"latency_ms": 300, "quantile": 0.95}),
        (["p99.9_ms < 2 s"], {"latency_ms": 2000, "quantile": 0.999}),
        (["p50_ms <= 20 while users <= 2", "p95_ms <= 300"], {"latency_ms": 300, "quantile": 0.95}),
        (["p50_ms <= 20 while users <= 2"], {"latency_ms": 20, "quantile": 0.5}),
        (["p95_ms >= 3", "rate >= 4"], {}),
        (["failed_percent <= 0.1"], {"availability": 0.999}),
        (["failed_percent <= 0", "failed_percent <= 100", "latency is good", 7], {}),
    ],
)
def test_what_is_promised(limits: list[Any], found: dict[str, float]) -> None:
    assert promised(limits) == found

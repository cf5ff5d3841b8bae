"""Which metrics an HPA has not read: it says that it is active as soon as it has read one."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.filter.autoscaling_unread import FilterModule
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.sources import Site, hpa_metric

Json = dict[str, Any]
SITE = Site("m", "x", "tfserving", 60, "prometheus", 15, "")
CPU, IN_FLIGHT = (hpa_metric(one, SITE) for one in ({"type": "cpu"}, {"type": "in_flight", "target": 2}))
READ_CPU: Json = {"type": "ContainerResource", "containerResource": {"name": "cpu", "current": {}}}
READ_IN_FLIGHT: Json = {"type": "External", "external": {"metric": {"name": "m-in-flight"}, "current": {}}}


@pytest.mark.parametrize(
    ("status", "unread"),
    [
        ({}, ["cpu", "m-in-flight"]),
        ({"currentMetrics": None}, ["cpu", "m-in-flight"]),
        ({"currentMetrics": [READ_CPU, {"type": ""}]}, ["m-in-flight"]),
        ({"currentMetrics": [{"type": ""}, READ_IN_FLIGHT]}, ["cpu"]),
        ({"currentMetrics": [READ_CPU, READ_IN_FLIGHT]}, []),
    ],
)
def test_what_has_no_type_in_the_status_was_not_read(status: Json, unread: list[str]) -> None:
    hpa = {"spec": {"maxReplicas": 3, "metrics": [CPU, IN_FLIGHT]}, "status": status}
    assert FilterModule().filters()["autoscaling_unread"](hpa) == unread


def test_of_no_hpa_nothing_is_unread() -> None:
    assert FilterModule().filters()["autoscaling_unread"]({}) == []

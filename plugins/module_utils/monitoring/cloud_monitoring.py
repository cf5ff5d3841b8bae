"""A dashboard as Cloud Monitoring's API takes it. Pure.

https://cloud.google.com/monitoring/api/ref_v3/rest/v1/projects.dashboards
"""

from __future__ import annotations

import re
from typing import Any

from .dashboard import COUNT, MILLISECONDS, MONEY, REQUESTS_A_SECOND, SHARE, Dashboard, Panel

Json = dict[str, Any]

_UNITS = {REQUESTS_A_SECOND: "1/s", SHARE: "10^2.%", MILLISECONDS: "ms", COUNT: "1"}
"""https://unitsofmeasure.org/ucum"""
_COLUMNS, _WIDTH, _HEIGHT = 48, 24, 16


def cloud_monitoring(drawn: Dashboard) -> Json:
    return {
        "displayName": drawn.title,
        "labels": {"tfserving": ""},
        "mosaicLayout": {
            "columns": _COLUMNS,
            "tiles": [
                {
                    "xPos": number * _WIDTH % _COLUMNS,
                    "yPos": number * _WIDTH // _COLUMNS * _HEIGHT,
                    "width": _WIDTH,
                    "height": _HEIGHT,
                    "widget": {"title": panel.title, "xyChart": _chart(panel, drawn.currency)},
                }
                for number, panel in enumerate(drawn.panels)
            ],
        },
    }


def _chart(panel: Panel, currency: str) -> Json:
    unit = f"{{{currency}}}/h" if panel.unit == MONEY else _UNITS[panel.unit]
    chart: Json = {
        "dataSets": [
            {
                "timeSeriesQuery": {"prometheusQuery": query.expr, "unitOverride": unit},
                "plotType": "LINE",
                "targetAxis": "Y1",
                "legendTemplate": re.sub(r"\{(\w+)\}", r"${\1}", query.legend),
            }
            for query in panel.queries
        ],
        "yAxis": {"scale": "LINEAR"},
    }
    if panel.limit is not None:
        chart["thresholds"] = [{"value": panel.limit, "targetAxis": "Y1"}]
    return chart

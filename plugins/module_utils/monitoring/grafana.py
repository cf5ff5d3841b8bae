"""A dashboard as Grafana's JSON. Pure.

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from .dashboard import COUNT, MILLISECONDS, MONEY, REQUESTS_A_SECOND, SHARE, Dashboard, Panel

Json = dict[str, Any]

_UNITS = {REQUESTS_A_SECOND: "reqps", SHARE: "percentunit", MILLISECONDS: "ms", COUNT: "short"}
_COLUMNS, _WIDTH, _HEIGHT = 24, 12, 8
_UID_MAX = 40
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
"""Whichever Prometheus is chosen at the top of the dashboard."""


def grafana(drawn: Dashboard) -> Json:
    return {
        "uid": _uid(drawn.name),
        "title": drawn.title,
        "tags": ["tfserving"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "schemaVersion": 38,
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
            ]
        },
        "panels": [_panel(panel, number, drawn.currency) for number, panel in enumerate(drawn.panels)],
    }


def _uid(name: str) -> str:
    if len(name) <= _UID_MAX:
        return name
    return f"tfserving-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _panel(panel: Panel, number: int, currency: str) -> Json:
    unit = f"currency{currency}" if panel.unit == MONEY else _UNITS[panel.unit]
    steps: list[Json] = [{"value": None, "color": "green"}]
    custom: Json = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "never"}
    if panel.limit is not None:
        steps.append({"value": panel.limit, "color": "red"})
        custom["thresholdsStyle"] = {"mode": "line"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": {
            "x": number * _WIDTH % _COLUMNS, "y": number * _WIDTH // _COLUMNS * _HEIGHT, "w": _WIDTH, "h": _HEIGHT,
        },
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": query.expr,
                "legendFormat": re.sub(r"\{(\w+)\}", r"{{\1}}", query.legend),
                "range": True,
            }
            for index, query in enumerate(panel.queries)
        ],
        "fieldConfig": {
            "defaults": {
                "unit": unit, "min": 0, "custom": custom, "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": {
            "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }  # fmt: skip

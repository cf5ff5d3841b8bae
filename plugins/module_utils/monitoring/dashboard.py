"""What a dashboard of a site shows, once for all that draw it. Pure.

``grafana`` and ``cloud_monitoring`` draw it. Queries are PromQL, which both take.
"""

from __future__ import annotations

from dataclasses import dataclass

from .rules import (
    DESIRED,
    HELD,
    IN_FLIGHT,
    LATENCY,
    LATENCY_MS,
    MAXIMUM,
    MEASURED,
    QUEUED,
    RATE,
    READY,
    REFUSED,
    REQUESTS,
    RESPONSES,
    TARGET,
    WINDOW,
    Objectives,
    ratio,
)

REQUESTS_A_SECOND, SHARE, MILLISECONDS, COUNT, MONEY = "requests/s", "share", "ms", "count", "money/h"
"""Units. A share is from 0 to 1."""

_PROTOCOLS = 'proxy=~"rest|grpc"'
_FAILED_OVER = "5m"


@dataclass(frozen=True)
class Query:
    """``legend``: what its series are called, with labels in braces, as ``p{quantile}``."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """``limit``: where a line is drawn, in the panel's unit."""

    title: str
    about: str
    unit: str
    queries: tuple[Query, ...]
    limit: float | None = None


@dataclass(frozen=True)
class Price:
    """Of a node for an hour; 0 where it is not known."""

    node_hour: float = 0.0
    currency: str = "USD"


@dataclass(frozen=True)
class Dashboard:
    title: str
    name: str
    """As identifiers take it."""
    panels: tuple[Panel, ...]
    currency: str


def dashboard(site: Objectives, price: Price) -> Dashboard:
    panels = [*_load(site), *_replicas(site), *_sides(site)]
    if price.node_hour > 0:
        panels.append(_cost(site, price))
    return Dashboard(
        f"TF Serving: {site.app} in {site.namespace}",
        f"tfserving-{site.namespace}-{site.app}",
        tuple(panels),
        price.currency,
    )


def _load(site: Objectives) -> list[Panel]:
    recorded, of_proxy = site.labels_of_records, f"{site.pods},{_PROTOCOLS}"
    return [
        Panel(
            "Requests a second", f"What clients sent, over {WINDOW}, by protocol.", REQUESTS_A_SECOND,
            (Query(f"{RATE}{{{recorded}}}", "{proxy}"),),
        ),
        Panel(
            "Requests that fail",
            "Share that the server failed, refusals by a full queue and while there is no replica included; the line is what is promised.",
            SHARE, (Query(f"{ratio(_FAILED_OVER)}{{{recorded}}}", "failed"),), 1 - site.availability,
        ),
        Panel(
            "Latency", f"In the model server; the line is for p{site.quantile * 100:g}.", MILLISECONDS,
            (Query(f"{LATENCY_MS}{{{recorded}}}", "quantile {quantile}"),), site.latency_ms,
        ),
        Panel(
            "Requests under way",
            "Of all replicas. Those that wait in the proxies' queues are in both; those that wait for a replica to come in neither.", COUNT,
            (
                Query(f"sum({IN_FLIGHT}{{{of_proxy}}})", "under way"),
                Query(f"sum({QUEUED}{{{of_proxy}}})", "queued"),
                Query(f"sum({HELD}{{{site.holders}}})", "held"),
            ),
        ),
    ]  # fmt: skip


def _replicas(site: Objectives) -> list[Panel]:
    key = "metric_name, metric_target_type"
    return [
        Panel(
            "Replicas", "What the HPA desires, what is ready, and the most that it may have.", COUNT,
            (
                Query(f"max({DESIRED}{{{site.hpa}}})", "desired"),
                Query(f"max({READY}{{{site.deployment}}})", "ready"),
                Query(f"max({MAXIMUM}{{{site.hpa}}})", "maximum"),
            ),
        ),
        Panel(
            "Metrics against their targets", "1 is the target; above it the HPA scales out.", SHARE,
            (
                Query(
                    f"max by ({key}) ({MEASURED}{{{site.hpa}}}) / max by ({key}) ({TARGET}{{{site.hpa}}})",
                    "{metric_name}",
                ),
            ),
            1,
        ),
        Panel("Nodes", "Nodes that have replicas.", COUNT, (Query(_nodes(site), "nodes"),)),
        Panel(
            "Share of each pod", f"Of all requests, over {WINDOW}.", SHARE,
            (
                Query(
                    f"sum by (pod) (rate({REQUESTS}{{{site.pods},{_PROTOCOLS}}}[{WINDOW}]))"
                    f" / scalar(sum(rate({REQUESTS}{{{site.pods},{_PROTOCOLS}}}[{WINDOW}])) > 0)",
                    "{pod}",
                ),
            ),
        ),
    ]  # fmt: skip


def _sides(site: Objectives) -> list[Panel]:
    """The version that runs and a canary's, side by side."""

    def by_track(series: str, matchers: str, by: str = "track") -> str:
        rate = f"rate({series}{{{site.pods}{matchers}}}[{WINDOW}])"
        runs = f'label_replace({rate}, "track", "running", "pod", ".*")'
        return f'sum by ({by}) (label_replace({runs}, "track", "canary", "pod", "{site.canaries}"))'

    requests = by_track(REQUESTS, f",{_PROTOCOLS}")
    failed = by_track(RESPONSES, f',{_PROTOCOLS},code="5xx"')
    refused = by_track(REFUSED, ',proxy="grpc_full"')
    quantile = f"histogram_quantile({site.quantile:g}, {by_track(LATENCY, '', 'track, le')}) / 1000"
    return [
        Panel(
            "Versions: requests a second", "A canary beside the version that runs.", REQUESTS_A_SECOND,
            (Query(requests, "{track}"),),
        ),
        Panel(
            "Versions: requests that fail", "The share of each.", SHARE,
            (Query(f"({failed} + ({refused} or 0 * {failed})) / ({requests} > 0)", "{track}"),),
        ),
        Panel(
            f"Versions: p{site.quantile * 100:g}", "In the model server.", MILLISECONDS,
            (Query(quantile, "{track}"),), site.latency_ms,
        ),
    ]  # fmt: skip


def _nodes(site: Objectives) -> str:
    return f"count(count by (node) ({IN_FLIGHT}{{{site.pods},{_PROTOCOLS}}}))"


def _cost(site: Objectives, price: Price) -> Panel:
    return Panel(
        "Cost of an hour",
        f"Nodes that have replicas, at {price.node_hour:g} {price.currency} each, whole, whatever else runs on them; "
        "not the cluster's fee, load balancer, traffic, storage, discounts and taxes.",
        MONEY,
        (Query(f"{_nodes(site)} * {price.node_hour:g}", "nodes"),),
    )

"""Rules about variables alone: their values, scaling, draining, the endpoint. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable, Iterator

from ..variables.settings import Settings, absolute
from .findings import Rule, Trouble
from .nodes import serving_pools
from .project import NotKnown, Project

SPOT_NOTICE_SECONDS = 15
"""What pods have at least of the 30 s of notice that a Spot VM gets: 15 or 25 s, by GKE's version.
https://cloud.google.com/kubernetes-engine/docs/concepts/spot-vms"""

HPA_TOLERANCE_PERCENT = 10
"""https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details"""

DRAIN_LIMIT_SECONDS = 600
"""How long the node autoscaler waits for a pod to end before it takes the node away all the same: its default,
which GKE does not let change. https://github.com/kubernetes/kubernetes/issues/94435"""


def variables(settings: Settings, _unused: Project) -> Iterator[Trouble]:
    for message, fix in settings.problems:
        yield Trouble(message, fix)


def hpa_request(settings: Settings, _unused: Project) -> Iterator[Trouble]:
    container, serving = settings.autoscaling.container, settings.serving
    requests = dict(serving.containers)
    if container not in requests:
        yield Trouble(
            f"autoscaling_container is {container}, and the pods have {' and '.join(requests)}: the HPA would find "
            "nothing to measure, and never scale",
            "Set autoscaling_container: tfserving.",
        )
    elif requests[container].cpu_milli <= 0:
        variable = "serving_cpu" if container == "tfserving" else "serving_proxy_cpu"
        yield Trouble(
            f"the HPA aims at {settings.autoscaling.target_percent} % of the CPU that {container} requests, and "
            f"{variable} requests none: the HPA would never scale",
            f"Set {variable} to the CPU that one replica needs.",
        )


def target_out_of_reach(settings: Settings, _unused: Project) -> Iterator[Trouble]:
    """Containers may use no more CPU than they request, so 100 % is all that the HPA can see."""
    target = settings.autoscaling.target_percent
    if target * (100 + HPA_TOLERANCE_PERCENT) >= 100 * 100:
        yield Trouble(
            f"autoscaling_target_cpu_percent is {target}, and the HPA acts on {HPA_TOLERANCE_PERCENT} % more than its aim "
            "at least: pods get no more than 100 % of what they request, so it would never scale out",
            "Set it to 50 to 70, so that pods bear the load until others have come; 90 is the most that can work.",
        )


def stabilization_window(settings: Settings, _unused: Project) -> Iterator[Trouble]:
    seconds, window = settings.autoscaling.down_seconds, settings.metrics_window
    if seconds < window:
        yield Trouble(
            f"autoscaling_scale_down_stabilization_seconds is {seconds}, shorter than the {window} s after which a "
            "change of load shows in the metrics: replicas would go on a number that is no longer true, and flap",
            f"Set it to {window} at least; Kubernetes' own default is 300.",
        )


def spot_replicas(settings: Settings, project: Project) -> Iterator[Trouble]:
    if settings.autoscaling.least < 2 and _only_spot(settings, project):
        yield Trouble(
            f"all nodes for {settings.serving.name} are spot, and autoscaling_min_replicas is "
            f"{settings.autoscaling.least}: when Google takes the node away nobody answers until another has come",
            "Set autoscaling_min_replicas: 2, or add a pool without spot.",
        )


def spot_notice(settings: Settings, project: Project) -> Iterator[Trouble]:
    serving = settings.serving
    needed = serving.propagation + serving.drain
    if needed > SPOT_NOTICE_SECONDS and _only_spot(settings, project):
        yield Trouble(
            f"all nodes for {serving.name} are spot, which leaves pods {SPOT_NOTICE_SECONDS} s, and draining takes up "
            f"to {needed} s (serving_propagation_seconds + serving_drain_seconds): each node that Google takes away "
            "can lose requests",
            "Add a pool without spot, or live with it: preflight_ignore: [spot-notice].",
        )


def _only_spot(settings: Settings, project: Project) -> bool:
    try:
        pools = serving_pools(settings, project)
    except NotKnown:
        pools = list(settings.cluster.pools)  # A pool's size does not matter here.
    there = [pool for pool in pools if pool.most]
    return bool(there) and all(pool.spot for pool in there)


def drain_below_request(settings: Settings, _unused: Project) -> Iterator[Trouble]:
    serving = settings.serving
    if serving.drain < serving.request_timeout:
        yield Trouble(
            f"serving_drain_seconds is {serving.drain}, and serving_request_timeout allows a request "
            f"{serving.request_timeout} s: a pod that goes would cut requests that are allowed to last",
            f"Set serving_drain_seconds: {serving.request_timeout} (a pod with nothing open ends sooner), or a "
            "shorter serving_request_timeout.",
        )


def grace_limit(settings: Settings, _unused: Project) -> Iterator[Trouble]:
    serving = settings.serving
    if serving.grace > DRAIN_LIMIT_SECONDS:
        yield Trouble(
            f"a pod may take {serving.grace} s to go (handover, propagation and drain), and the node autoscaler waits "
            f"{DRAIN_LIMIT_SECONDS} s: then the node goes with what is still open",
            "Lower serving_handover_seconds, serving_propagation_seconds or serving_drain_seconds.",
        )


def budget_blocks_draining(settings: Settings, _unused: Project) -> Iterator[Trouble]:
    text = settings.serving.max_unavailable
    if absolute(text, settings.autoscaling.most) <= 0:
        yield Trouble(
            f"serving_max_unavailable is {text}: the PodDisruptionBudget lets no pod go, so no node can be drained, "
            "upgraded or removed",
            "Set serving_max_unavailable: 1.",
        )


def source_ranges(settings: Settings, _unused: Project) -> Iterator[Trouble]:
    serving = settings.serving
    if _is_external(settings) and not serving.source_ranges:
        yield Trouble(
            f"the load balancer of {serving.name} has an external address, and serving_source_ranges is empty: "
            "anybody could use the model, at your cost",
            "Name the ranges that may reach it, or set serving_service_internal: true.",
        )


def open_endpoint(settings: Settings, _unused: Project) -> Iterator[Trouble]:
    ranges = settings.serving.source_ranges
    if _is_external(settings) and _are_everybody(ranges):
        yield Trouble(
            f"serving_source_ranges is {', '.join(ranges)}, which is everybody: anybody can use the model, without a password, at your cost",
            "Name the ranges that need it, or put a gateway that authenticates in front of an internal address.",
        )


def _is_external(settings: Settings) -> bool:
    return settings.serving.service_type == "LoadBalancer" and not settings.serving.internal


def _are_everybody(ranges: Iterable[str]) -> bool:
    """Whether ranges are all addresses together, as 0.0.0.0/1 and 128.0.0.0/1 are."""
    networks = []
    for text in ranges:
        with contextlib.suppress(ValueError):  # No range at all: the serving role refuses it.
            networks.append(ipaddress.ip_network(text, strict=False))
    four = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    six = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    return any(one.prefixlen == 0 for one in ipaddress.collapse_addresses(four)) or any(
        one.prefixlen == 0 for one in ipaddress.collapse_addresses(six)
    )


RULES = (
    Rule("variables", "error", "A variable has a value that its role would refuse.", variables),
    Rule(
        "hpa-request",
        "error",
        "The HPA measures a container that is not there, or that requests no CPU.",
        hpa_request,
    ),
    Rule(
        "target-out-of-reach",
        "error",
        "The HPA's aim is so high that no load can make it scale out.",
        target_out_of_reach,
    ),
    Rule(
        "stabilization-window",
        "warning",
        "The HPA forgets former recommendations before a change of load shows in the metrics.",
        stabilization_window,
    ),
    Rule(
        "spot-replicas", "warning", "All nodes are spot, and one replica may be all there is.", spot_replicas
    ),
    Rule(
        "spot-notice",
        "warning",
        "All nodes are spot, and draining takes longer than their notice.",
        spot_notice,
    ),
    Rule(
        "drain-below-request",
        "warning",
        "A pod that goes drains for less time than a request may take.",
        drain_below_request,
    ),
    Rule("grace-limit", "error", "Pods take longer to go than the node autoscaler waits.", grace_limit),
    Rule(
        "budget-blocks-draining",
        "error",
        "The PodDisruptionBudget lets no pod go, so that nodes can't be drained.",
        budget_blocks_draining,
    ),
    Rule("source-ranges", "error", "An external address without ranges that may reach it.", source_ranges),
    Rule("open-endpoint", "warning", "An external address that everybody may reach.", open_endpoint),
)

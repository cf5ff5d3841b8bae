"""What can be wrong with those who hold requests while there is no replica."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import partial

from .pod_needs import TOLD_SECONDS
from .reading import Variables, whole
from .serving_times import GRACE_MAX

_BUFFER = 65536
"""tune.bufsize in roles/serving/templates/hold.cfg.j2; a request that waits has two at most."""
_BARE = 48 << 20
_CPU_BARE, _CPU_WAITING = Fraction(20, 1000), Fraction(15, 100_000)
"""Processors while anybody waits, and for each request that does: it looks twenty times a second whether there is a replica.
Measured (HAProxy 2.6.12, up to 400 by REST and by gRPC): 0.012, and 0.00007."""


def hold_grace_seconds(variables: Variables) -> int:
    """How long such a pod may take to go: told, then waiting for what it holds, which is answered."""
    names = (
        "serving_propagation_seconds",
        "serving_hold_seconds",
        "serving_queue_timeout",
        "serving_request_timeout",
    )
    return sum(whole(variables.given.get(name)) or 0 for name in names) + TOLD_SECONDS


def check_hold(variables: Variables, kind: str) -> None:
    refuse = partial(variables.refuse, rule="down-to-zero")
    if kind == "Gateway":
        refuse(
            "serving_hold",
            "a Gateway leads to the pods that the Service selects, and to no others (autoscaling_min_replicas: 0)",
            "Set autoscaling_min_replicas: 1, or serving_service_type: LoadBalancer, NodePort or ClusterIP",
        )
    if not variables.flag("serving_proxy_enabled"):
        refuse(
            "serving_hold",
            "without the proxies nobody tells whether a replica is idle (autoscaling_min_replicas: 0)",
            "Set serving_proxy_enabled: true, or autoscaling_min_replicas: 1",
        )
    requests = variables.integer("serving_hold_requests", 1, 10_000, unit="requests")
    seconds = variables.integer("serving_hold_seconds", 1, unit="seconds")
    grace = hold_grace_seconds(variables)
    if seconds is not None and grace > GRACE_MAX:
        refuse(
            "serving_hold_seconds",
            f"a pod that goes waits for what it holds, {grace} s in all, and Google's autoscaler kills it after {GRACE_MAX} s",
            f"Write {max(seconds - (grace - GRACE_MAX), 1)} or less",
        )
    rate = whole(variables.given.get("serving_client_rate")) or 0
    if requests is not None and 0 < 10 * rate < 2 * requests:
        refuse(
            "serving_client_rate",
            f"a replica that comes gets up to {2 * requests} requests that a pod held (serving_hold_requests), from its one address",
            f"Write {-(-2 * requests // 10)} or more, or 0, or fewer serving_hold_requests",
        )
    cpu = variables.amount("serving_hold_cpu", "1m", "50m")
    busy = _CPU_BARE + 2 * (requests or 0) * _CPU_WAITING
    if cpu is not None and cpu < busy:
        refuse(
            "serving_hold_cpu",
            f"{requests} requests by REST and as many by gRPC (serving_hold_requests) look for a replica all the time, which takes "
            f"{math.ceil(busy * 1000)}m, and what is held up there notices late that it came",
            f"Write {math.ceil(busy * 1000)}m or more, or fewer requests",
            rule="hold-cpu",
        )
    memory = variables.amount("serving_hold_memory", "1Mi", "128Mi")
    needed = _BARE + 4 * _BUFFER * (requests or 0)
    if memory is not None and memory < needed:
        refuse(
            "serving_hold_memory",
            f"{requests} requests by REST and as many by gRPC (serving_hold_requests) take {needed >> 20} MiB",
            f"Write {(needed >> 20) + 1}Mi or more, or fewer requests",
            rule="proxy-memory",
        )

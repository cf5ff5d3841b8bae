"""How long and how many: the proxy's queue, a pod's end, the rollout, the gate and the canary."""

from __future__ import annotations

import re
from functools import partial

from .pod_needs import TOLD_SECONDS, grace_seconds
from .reading import Variables, whole

# The cluster autoscaler ends what takes longer (--max-graceful-termination-sec); Google's is not to be changed.
# https://cloud.google.com/kubernetes-engine/docs/concepts/cluster-autoscaler#scheduling-and-disruption
GRACE_MAX = 600

# A number of pods or a share of them, which Kubernetes rounds up to at least one.
_SHARE = re.compile(r"[0-9]+%?")
_NOT_NONE = re.compile(r"[1-9][0-9]*|(?:[1-9][0-9]?|100)%")


def check_times(variables: Variables) -> None:
    if variables.flag("serving_proxy_enabled"):
        _check_queue(variables)
    _check_proxied(variables)
    _check_end(variables)
    _check_rollout(variables)
    _check_gate(variables)
    variables.integer("serving_canary_weight", 1, 99, unit="percent")


def _check_queue(variables: Variables) -> None:
    refuse = partial(variables.refuse, rule="queue")
    concurrency = variables.integer("serving_concurrency", 1, unit="requests")
    queue = variables.integer("serving_queue_length", 0, unit="requests")
    connections = variables.integer("serving_proxy_connections", 1)
    if (
        not (concurrency is None or queue is None or connections is None)
        and concurrency + queue > connections
    ):
        refuse(
            "serving_proxy_connections",
            f"a queue of {queue} behind {concurrency} at work needs more connections than that; the rest would wait "
            "unseen, and never get their 503",
            f"Write {concurrency + queue} or more",
        )
    request = variables.integer("serving_request_timeout", 1, unit="seconds")
    waiting = variables.integer("serving_queue_timeout", 1, unit="seconds")
    variables.integer("serving_load_seconds", 0, 600, unit="seconds")
    if request is not None and waiting is not None and waiting > request:
        reason = f"a request would wait longer for its turn than it may take in all (serving_request_timeout, {request} s)"
        refuse("serving_queue_timeout", reason, f"Write {request} or less")


def _check_proxied(variables: Variables) -> None:
    """What takes the proxies."""
    if variables.text("serving_balancing") != "connection" and not variables.flag("serving_proxy_enabled"):
        variables.refuse(
            "serving_balancing",
            "it is the proxies that hand requests on, and there are none (serving_proxy_enabled)",
            "Write connection, or set serving_proxy_enabled: true",
            rule="balancing-proxy",
        )
    if variables.flag("serving_idlest_first"):
        _check_idlest(variables)


def _check_idlest(variables: Variables) -> None:
    if not variables.flag("serving_proxy_enabled"):
        variables.refuse(
            "serving_idlest_first",
            "it is the proxies that tell how much a replica has to do, and there are none (serving_proxy_enabled)",
            "Leave it out, or set serving_proxy_enabled: true",
            rule="idlest-proxy",
        )
    variables.amount("serving_idlest_cpu", "10m", "50m")
    variables.amount("serving_idlest_memory", "32Mi", "64Mi")


def _check_end(variables: Variables) -> None:
    handover = variables.integer("serving_handover_seconds", unit="seconds")
    propagation = variables.integer("serving_propagation_seconds", unit="seconds")
    drain = variables.integer("serving_drain_seconds", 1, unit="seconds")
    if handover is None or propagation is None or drain is None:
        return
    request = whole(variables.given.get("serving_request_timeout")) or 0
    if drain < request:
        variables.refuse(
            "serving_drain_seconds",
            f"serving_request_timeout allows a request {request} s, and a pod that goes would cut those that last longer",
            f"Set serving_drain_seconds: {request} (a pod with nothing open ends sooner), or a shorter serving_request_timeout",
            rule="drain-below-request",
        )
    proxy = variables.flag("serving_proxy_enabled")
    grace = grace_seconds(handover, propagation, drain, proxy=proxy)
    handover = handover if proxy else 0
    if grace > GRACE_MAX:
        variables.refuse(
            "serving_handover_seconds" if handover > GRACE_MAX // 2 else "serving_drain_seconds",
            f"a pod that goes could take {grace} s in all (handover {handover}, propagation {propagation}, drain {drain}, "
            f"and {TOLD_SECONDS}), and Google's autoscaler kills it after {GRACE_MAX} s",
            f"Make them {GRACE_MAX - TOLD_SECONDS} s together at most",
            rule="grace-limit",
        )


def _check_rollout(variables: Variables) -> None:
    for name, rule, reason in (
        ("serving_max_surge", "surge",
         "with none beyond the wanted number, and none missing, no pod could ever be replaced"),
        ("serving_max_unavailable", "budget-blocks-draining",
         "a PodDisruptionBudget that lets no pod go keeps every node from being drained, upgraded or removed"),
    ):  # fmt: skip
        value = str(variables.given.get(name))
        if not _NOT_NONE.fullmatch(value):
            readable = name != "serving_max_surge" or _SHARE.fullmatch(value) is not None
            hint = "Write 1 or more, or a percentage such as 25%"
            variables.refuse(name, reason, hint, rule=rule, readable=readable)
    start = variables.integer("serving_start_timeout", 1, unit="seconds")
    wait = variables.integer("serving_wait_timeout", 1, unit="seconds")
    if start is not None and wait is not None and wait < start:
        reason = (
            f"it would be over before the model has had its time to load (serving_start_timeout, {start} s)"
        )
        variables.refuse("serving_wait_timeout", reason, f"Write {start} or more", rule="wait-timeout")


def _check_gate(variables: Variables) -> None:
    refuse = partial(variables.refuse, rule="gate")
    variables.integer("serving_gate_requests", 1, 10_000)
    slowdown = variables.number("serving_gate_slowdown")
    if slowdown is not None and 0 < slowdown < 1:
        reason = "a new version would have to be faster than the one before"
        refuse("serving_gate_slowdown", reason, "Write 1 or more, or 0 to compare nothing")
    slowest = variables.number("serving_gate_p95_ms", unit="milliseconds")
    models = [model for model in variables.listing("serving_models") if isinstance(model, dict)]
    golden = variables.listing("serving_golden") or any(model.get("golden") for model in models)
    if slowest and not golden and not variables.text("serving_golden_file"):
        reason = "there is no request whose answer could be measured"
        refuse("serving_gate_p95_ms", reason, "Give serving_golden or serving_golden_file")

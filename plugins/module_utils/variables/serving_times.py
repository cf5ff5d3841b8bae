"""How long and how many: the proxy's queue, a pod's end, the rollout, the gate and the canary."""

from __future__ import annotations

import re

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
    _check_end(variables)
    _check_rollout(variables)
    _check_gate(variables)
    variables.integer("serving_canary_weight", 1, 99, unit="percent")


def _check_queue(variables: Variables) -> None:
    concurrency = variables.integer("serving_concurrency", 1, unit="requests")
    queue = variables.integer("serving_queue_length", 0, unit="requests")
    connections = variables.integer("serving_proxy_connections", 1)
    if None not in (concurrency, queue, connections) and (concurrency or 0) + (queue or 0) > (
        connections or 0
    ):
        variables.refuse(
            "serving_proxy_connections",
            f"a queue of {queue} behind {concurrency} at work needs more connections than that; the rest would wait "
            "unseen, and never get their 503",
            f"Write {(concurrency or 0) + (queue or 0)} or more",
            rule="queue",
        )
    request = variables.integer("serving_request_timeout", 1, unit="seconds")
    waiting = variables.integer("serving_queue_timeout", 1, unit="seconds")
    if request is not None and waiting is not None and waiting > request:
        variables.refuse(
            "serving_queue_timeout",
            f"a request would wait longer for its turn than it may take in all (serving_request_timeout, {request} s)",
            f"Write {request} or less",
            rule="queue",
        )


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
    handover = handover if variables.flag("serving_proxy_enabled") else 0
    grace = handover + propagation + drain + 3
    if grace > GRACE_MAX:
        variables.refuse(
            "serving_handover_seconds" if handover > GRACE_MAX // 2 else "serving_drain_seconds",
            f"a pod that goes could take {grace} s in all (handover {handover}, propagation {propagation}, drain {drain}, "
            f"and 3), and Google's autoscaler kills it after {GRACE_MAX} s",
            f"Make them {GRACE_MAX - 3} s together at most",
            rule="grace-limit",
        )


def _check_rollout(variables: Variables) -> None:
    surge = str(variables.given.get("serving_max_surge"))
    if not _NOT_NONE.fullmatch(surge):
        variables.refuse(
            "serving_max_surge",
            "with none beyond the wanted number, and none missing, no pod could ever be replaced",
            "Write 1 or more, or a percentage such as 25%",
            rule="surge",
            readable=_SHARE.fullmatch(surge) is not None,
        )
    unavailable = str(variables.given.get("serving_max_unavailable"))
    if not _NOT_NONE.fullmatch(unavailable):
        variables.refuse(
            "serving_max_unavailable",
            "a PodDisruptionBudget that lets no pod go keeps every node from being drained, upgraded or removed",
            "Write 1 or more, or a percentage such as 25%",
            rule="budget-blocks-draining",
        )
    start = variables.integer("serving_start_timeout", 1, unit="seconds")
    wait = variables.integer("serving_wait_timeout", 1, unit="seconds")
    if start is not None and wait is not None and wait < start:
        variables.refuse(
            "serving_wait_timeout",
            f"it would be over before the model has had its time to load (serving_start_timeout, {start} s)",
            f"Write {start} or more",
            rule="wait-timeout",
        )


def _check_gate(variables: Variables) -> None:
    variables.integer("serving_gate_requests", 1, 10_000)
    slowdown = variables.number("serving_gate_slowdown")
    if slowdown is not None and 0 < slowdown < 1:
        variables.refuse(
            "serving_gate_slowdown",
            "a new version would have to be faster than the one before",
            "Write 1 or more, or 0 to compare nothing",
            rule="gate",
        )
    slowest = variables.number("serving_gate_p95_ms", unit="milliseconds")
    models = [model for model in variables.listing("serving_models") if isinstance(model, dict)]
    golden = variables.listing("serving_golden") or any(model.get("golden") for model in models)
    if slowest and not golden and not variables.text("serving_golden_file"):
        variables.refuse(
            "serving_gate_p95_ms",
            "there is no request whose answer could be measured",
            "Give serving_golden or serving_golden_file",
            rule="gate",
        )

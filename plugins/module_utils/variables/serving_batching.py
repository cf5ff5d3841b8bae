"""TF Serving's batching parameters, held against its own rules before a pod has to fail by them.

Sources: tensorflow, core/kernels/batching_util/{shared_batch_scheduler.h,batch_scheduler_utils.cc}; tensorflow/serving,
batching/batching_session.cc and servables/tensorflow/session_bundle_config.proto.
"""

from __future__ import annotations

from typing import Any

from .reading import Variables, whole

VARIABLE = "serving_batching"
# The least that each may be.
MINIMA = {"max_batch_size": 1, "batch_timeout_micros": 0, "max_enqueued_batches": 1, "num_batch_threads": 1}
KNOWN = (*MINIMA, "allowed_batch_sizes", "pad_variable_length_inputs")


def check_batching(variables: Variables) -> None:
    batching = variables.mapping(VARIABLE)
    for name in batching:
        if name not in KNOWN:
            _refuse(
                variables,
                batching,
                name,
                "TF Serving knows no such parameter",
                f"It knows {', '.join(KNOWN)}",
            )
    numbers = {}
    for name, minimum in MINIMA.items():
        if batching.get(name) is None:
            continue
        found = whole(batching[name])
        if found is None or found < minimum:
            _refuse(
                variables,
                batching,
                name,
                f"it must be a whole number of at least {minimum}",
                f"Write {minimum} or more",
            )
        else:
            numbers[name] = found
    timeout, request = (
        numbers.get("batch_timeout_micros", 0),
        whole(variables.given.get("serving_request_timeout")),
    )
    if request is not None and timeout >= request * 1_000_000:
        _refuse(
            variables,
            batching,
            "batch_timeout_micros",
            f"a batch would wait longer for more requests than one may take (serving_request_timeout, {request} s)",
            "Write microseconds: 1000 to 10000 are usual",
        )
    if batching.get("allowed_batch_sizes"):
        _check_sizes(variables, batching, numbers.get("max_batch_size"))


def _check_sizes(variables: Variables, batching: dict[str, Any], maximum: int | None) -> None:
    name = "allowed_batch_sizes"
    sizes = batching[name] if isinstance(batching[name], (list, tuple)) else [None]
    numbers = [whole(size) for size in sizes]
    if any(number is None or number < 1 for number in numbers):
        _refuse(
            variables,
            batching,
            name,
            "sizes are whole numbers of at least 1",
            "Write a list such as [1, 4, 16]",
        )
        return
    if numbers != sorted(set(numbers), key=lambda number: number or 0):
        _refuse(variables, batching, name, "the sizes must ascend", "Sort them, each once")
    if maximum is None and "max_batch_size" not in batching:
        _refuse(
            variables,
            batching,
            name,
            "it goes with max_batch_size, which is not given",
            f"Add max_batch_size: {numbers[-1]}",
        )
    elif maximum is not None and numbers[-1] != maximum:
        _refuse(
            variables,
            batching,
            name,
            f"its last entry must be max_batch_size, which is {maximum}",
            f"End the list with {maximum}, or write max_batch_size: {numbers[-1]}",
        )


def _refuse(variables: Variables, batching: dict[str, Any], name: str, reason: str, hint: str) -> None:
    variables.refuse(
        f"{VARIABLE}.{name}",
        reason,
        hint,
        value=batching.get(name),
        rule="batching",
    )

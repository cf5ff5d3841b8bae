"""TF Serving's batching parameters, held against its own rules before a pod has to fail by them.

Sources: tensorflow, core/kernels/batching_util/{shared_batch_scheduler.h,batch_scheduler_utils.cc}; tensorflow/serving,
batching/batching_session.cc and servables/tensorflow/{bundle_factory_util.h,session_bundle_config.proto}.
"""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import re
from typing import Any

from .reading import Variables, is_true, whole

VARIABLE = "serving_batching"
# The least that each may be.
MINIMA = {
    "max_batch_size": 1, "batch_timeout_micros": 0, "max_enqueued_batches": 1, "num_batch_threads": 1,
    "max_execution_batch_size": 1,
}  # fmt: skip
KNOWN = (
    *MINIMA, "allowed_batch_sizes", "pad_variable_length_inputs", "enable_large_batch_splitting", "thread_pool_name",
)  # fmt: skip
SIZE_DEFAULT = 1000
"""max_batch_size where it is not given (SharedBatchScheduler::QueueOptions)."""

_POOL = re.compile(r"[A-Za-z0-9_.-]+")


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
    pool = batching.get("thread_pool_name")
    if pool is not None and not _POOL.fullmatch(str(pool)):
        _refuse(
            variables,
            batching,
            "thread_pool_name",
            "no threads can be called that",
            "Use letters, digits, _, . and -",
        )
    _check_splitting(variables, batching, numbers)
    if batching.get("allowed_batch_sizes"):
        _check_sizes(variables, batching, numbers)


def _check_splitting(variables: Variables, batching: dict[str, Any], numbers: dict[str, int]) -> None:
    splits, name = is_true(batching.get("enable_large_batch_splitting")), "max_execution_batch_size"
    whole_size, part = numbers.get("max_batch_size", SIZE_DEFAULT), numbers.get(name)
    if part is not None and not splits:
        _refuse(
            variables, batching, name, "without enable_large_batch_splitting it has no effect", "Add it, true"
        )
    elif part is not None and part > whole_size:
        _refuse(
            variables, batching, name, f"parts can't be larger than max_batch_size, which is {whole_size}",
            f"Write {whole_size} or less",
        )  # fmt: skip
    elif splits and part is None and "max_batch_size" not in batching:
        _refuse(
            variables, batching, "enable_large_batch_splitting",
            "TF Serving would cut requests into parts of no size, as neither max_execution_batch_size nor max_batch_size is given",
            "Add one of them",
        )  # fmt: skip


def _check_sizes(variables: Variables, batching: dict[str, Any], limits: dict[str, int]) -> None:
    splits = is_true(batching.get("enable_large_batch_splitting"))
    limit = (
        "max_execution_batch_size" if splits and "max_execution_batch_size" in batching else "max_batch_size"
    )
    maximum = limits.get(limit)
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
    if maximum is None and limit not in batching:
        _refuse(
            variables,
            batching,
            name,
            f"it goes with {limit}, which is not given",
            f"Add {limit}: {numbers[-1]}",
        )
    elif maximum is not None and numbers[-1] != maximum:
        _refuse(
            variables,
            batching,
            name,
            f"its last entry must be {limit}, which is {maximum}",
            f"End the list with {maximum}, or write {limit}: {numbers[-1]}",
        )


def _refuse(variables: Variables, batching: dict[str, Any], name: str, reason: str, hint: str) -> None:
    variables.refuse(
        f"{VARIABLE}.{name}",
        reason,
        hint,
        value=batching.get(name),
        rule="batching",
    )

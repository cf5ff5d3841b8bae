"""TF Serving's batching parameters, held against its own rules before a pod has to fail by them.

Sources: tensorflow, core/kernels/batching_util/{shared_batch_scheduler.h,batch_scheduler_utils.cc}; tensorflow/serving,
batching/batching_session.cc and servables/tensorflow/{bundle_factory_util.h,session_bundle_config.proto}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
# max_batch_size where it is not given (SharedBatchScheduler::QueueOptions).
SIZE_DEFAULT = 1000
_POOL = re.compile(r"[A-Za-z0-9_.-]+")


def check_batching(variables: Variables) -> None:
    # Ansible gives what is left out of an option's options as null.
    batching = {name: value for name, value in variables.mapping(VARIABLE).items() if value is not None}

    def refuse(name: str, reason: str, hint: str) -> None:
        variables.refuse(f"{VARIABLE}.{name}", reason, hint, value=batching.get(name), rule="batching")

    for name in batching:
        if name not in KNOWN:
            refuse(name, "TF Serving knows no such parameter", f"It knows {', '.join(KNOWN)}")
    numbers = {}
    for name, minimum in MINIMA.items():
        if batching.get(name) is None:
            continue
        found = whole(batching[name])
        if found is None or found < minimum:
            refuse(name, f"it must be a whole number of at least {minimum}", f"Write {minimum} or more")
        else:
            numbers[name] = found
    request = whole(variables.given.get("serving_request_timeout"))
    if request is not None and numbers.get("batch_timeout_micros", 0) >= request * 1_000_000:
        refuse(
            "batch_timeout_micros",
            f"a batch would wait longer for more requests than one may take (serving_request_timeout, {request} s)",
            "Write microseconds: 1000 to 10000 are usual",
        )
    pool = batching.get("thread_pool_name")
    if pool is not None and not _POOL.fullmatch(str(pool)):
        refuse("thread_pool_name", "no threads can be called that", "Use letters, digits, _, . and -")
    splits, part = is_true(batching.get("enable_large_batch_splitting")), "max_execution_batch_size"
    size = numbers.get("max_batch_size", SIZE_DEFAULT)
    if part in batching and not splits:
        refuse(part, "without enable_large_batch_splitting it has no effect", "Add it, true")
    elif numbers.get(part, 1) > size:
        refuse(part, f"parts can't be larger than max_batch_size, which is {size}", f"Write {size} or less")
    elif splits and not {part, "max_batch_size"} & batching.keys():
        reason = "TF Serving would cut requests into parts of no size, with neither max_execution_batch_size nor max_batch_size"
        refuse("enable_large_batch_splitting", reason, "Add one of them")
    limit = part if splits and part in batching else "max_batch_size"
    for reason, hint in _wrong_sizes(
        batching.get("allowed_batch_sizes"), limit, numbers.get(limit), limit in batching
    ):
        refuse("allowed_batch_sizes", reason, hint)


def _wrong_sizes(sizes: Any, limit: str, maximum: int | None, is_given: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with the sizes of batches, and what would not be. ``limit``: what the last has to be, ``maximum``."""
    if not sizes:
        return
    numbers = [whole(size) for size in (sizes if isinstance(sizes, (list, tuple)) else [None])]
    if any(number is None or number < 1 for number in numbers):
        yield "sizes are whole numbers of at least 1", "Write a list such as [1, 4, 16]"
        return
    if numbers != sorted(set(numbers), key=lambda number: number or 0):
        yield "the sizes must ascend", "Sort them, each once"
    if maximum is None and not is_given:
        yield f"it goes with {limit}, which is not given", f"Add {limit}: {numbers[-1]}"
    elif maximum is not None and numbers[-1] != maximum:
        hint = f"End the list with {maximum}, or write {limit}: {numbers[-1]}"
        yield f"its last entry must be {limit}, which is {maximum}", hint

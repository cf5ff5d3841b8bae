"""Merging of requests: the arithmetic, and the queue with its threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.reading import Variables
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.serving_batching import check_batching
from hypothesis import given
from hypothesis import strategies as st
from model_server.batching import (
    BatchingParameters,
    BatchQueue,
    BatchScheduler,
    batch_size,
    merge,
    padded_size,
    split,
    validate_pool,
    validate_queue,
)
from model_server.errors import ServingError
from model_server.metrics import Metrics

PLAIN = BatchingParameters(1)


def refusal(call: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(ServingError) as caught:
        call(*arguments)
    return caught.value.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"allowed_batch_sizes": (1, 2), "max_batch_size": 4}, "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 2; expected 4"),
        ({"allowed_batch_sizes": (2,)}, "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 2; expected 1000"),
        ({"max_batch_size": 0}, "max_batch_size must be positive; was 0"),
        ({"batch_timeout_micros": -1}, "batch_timeout_micros must be non-negative; was -1"),
        ({"max_enqueued_batches": -1}, "max_enqueued_batches must be non-negative; was -1"),
        ({"enable_large_batch_splitting": True, "allowed_batch_sizes": (4, 2)}, "allowed_batch_sizes entries must be monotonically increasing"),
        ({"enable_large_batch_splitting": True, "max_execution_batch_size": 8, "allowed_batch_sizes": (2, 4)}, "Last entry in allowed_batch_sizes must be equal to max_execution_batch_size; last entry was 4; expected 8"),
    ],
)  # fmt: skip
def test_parameters_that_are_refused(change: Any, message: str) -> None:
    assert refusal(validate_queue, replace(PLAIN, **change)) == f"INVALID_ARGUMENT: {message}"


def test_there_must_be_a_thread() -> None:
    assert refusal(validate_pool, BatchingParameters(0)) == (
        "INVALID_ARGUMENT: num_batch_threads must be positive; was 0"
    )
    validate_queue(replace(PLAIN, max_batch_size=4, allowed_batch_sizes=(2, 4)))


ROWS = st.lists(st.integers(0, 255), min_size=1, max_size=5)


@given(st.lists(ROWS, min_size=1, max_size=6), st.lists(st.integers(1, 40), unique=True).map(sorted))
def test_everyone_gets_their_own_rows_back(tasks: list[list[int]], allowed: list[int]) -> None:
    arrays = [[np.array(rows), np.array(rows)[:, None] * 2] for rows in tasks]
    sizes = [batch_size(inputs) for inputs in arrays]
    total = padded_size(sum(sizes), allowed)
    assert total >= sum(sizes)
    assert not allowed or total in allowed or total > allowed[-1]
    merged = merge(["a", "b"], arrays, total - sum(sizes), pad_variable_length=False)
    assert [len(array) for array in merged] == [total, total]
    for rows, (first, second) in zip(tasks, split(merged, sizes, total), strict=True):
        assert first.tolist() == rows
        assert second.tolist() == [[2 * row] for row in rows]


def test_rows_of_different_length() -> None:
    tasks = [[np.array([[1, 2]])], [np.array([[5, 6, 7]])]]
    assert "Tensors with name 'x' from different tasks have different shapes" in refusal(
        lambda: merge(["x"], tasks, 0, pad_variable_length=False)
    )
    (padded,) = merge(["x"], tasks, 0, pad_variable_length=True)
    assert padded.tolist() == [[1, 2, 1], [5, 6, 7]], "filled with the first element"


def test_what_can_not_be_batched() -> None:
    assert refusal(batch_size, [np.array(1)]).endswith("input tensors must have at least one dimension")
    assert refusal(batch_size, [np.array([1]), np.array([1, 2])]).endswith(
        "must have equal 0th-dimension size"
    )
    assert refusal(batch_size, []).endswith("Batching Run() must have at least one input tensor")
    assert refusal(split, [np.array(1)], [1], 1).startswith(
        "FAILED_PRECONDITION: Batched output tensor has 0"
    )
    assert "does not equal the sum" in refusal(split, [np.array([1])], [2], 2)


class Model:
    """Doubles its input; notes the sizes it was given, and waits while it is held."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.started, self.go = threading.Semaphore(0), threading.Event()
        self.go.set()

    def __call__(self, arrays: Any, timeout: float | None) -> list[np.ndarray]:
        self.sizes.append(len(arrays[0]))
        self.started.release()
        self.go.wait(10)
        if (arrays[0] < 0).any():
            raise ValueError("negative")
        return [arrays[0] * 2]


def queue(model: Model, **settings: Any) -> tuple[BatchQueue, Metrics]:
    metrics = Metrics()
    scheduler = BatchScheduler(replace(PLAIN, **settings), metrics)
    return BatchQueue(scheduler, ["x"], model), metrics


def test_requests_at_the_same_time_are_merged_and_padded() -> None:
    model = Model()
    batches, metrics = queue(
        model, max_batch_size=8, allowed_batch_sizes=(4, 8), batch_timeout_micros=10_000_000
    )
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(batches.submit, [np.array([i, i + 0.5])], None) for i in range(4)]
        answers = [call.result(10)[0].tolist() for call in asked]
    assert answers == [[2 * i, 2 * i + 1] for i in range(4)]
    assert model.sizes == [8], "one run; it began as soon as the batch was full"
    text = metrics.render()
    assert ":tensorflow:serving:batching_session:wrapped_run_count{} 1" in text
    assert ':tensorflow:serving:batching_session:padding_size_sum{execution_batch_size="8"} 0' in text
    assert ":tensorflow:serving:batching_session:input_batch_size_count{} 4" in text
    assert ":tensorflow:serving:batching_session:processed_batch_size_sum{} 8" in text
    assert ':tensorflow:serving:batching_session:queuing_latency_count{thread_pool_name=""} 4' in text


def test_a_lone_request_is_padded_and_does_not_wait_for_others() -> None:
    model = Model()
    batches, _ = queue(model, max_batch_size=4, allowed_batch_sizes=(2, 4))
    assert batches.submit([np.array([3])], None)[0].tolist() == [6]
    assert model.sizes == [2]


def test_what_is_larger_than_a_batch() -> None:
    model = Model()
    batches, _ = queue(model, max_batch_size=4)
    assert refusal(batches.submit, [np.zeros(5)], None) == (
        "INVALID_ARGUMENT: Task size 5 is larger than maximum input batch size 4"
    )
    split_up, _ = queue(
        model, max_batch_size=100, enable_large_batch_splitting=True, max_execution_batch_size=4
    )
    assert split_up.submit([np.arange(10)], None)[0].tolist() == [2 * i for i in range(10)]
    assert model.sizes == [4, 4, 2]


def test_a_full_queue_turns_away() -> None:
    model = Model()
    model.go.clear()
    batches, _ = queue(model, max_batch_size=1, max_enqueued_batches=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batches.submit, [np.array([1])], None)
        assert model.started.acquire(timeout=10)
        second = pool.submit(batches.submit, [np.array([2])], None)
        while batches.due() == float("inf"):
            time.sleep(0.001)
        assert refusal(batches.submit, [np.array([3])], None) == (
            "UNAVAILABLE: The batch scheduling queue to which this task was submitted is full; currently 1 batches "
            "enqueued and max_enqueued_batches is 1"
        )
        model.go.set()
        assert [first.result(10)[0].tolist(), second.result(10)[0].tolist()] == [[2], [4]]


def test_a_request_that_waited_too_long() -> None:
    model = Model()
    model.go.clear()
    batches, _ = queue(model, max_batch_size=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batches.submit, [np.array([1])], None)
        assert model.started.acquire(timeout=10)
        late = pool.submit(batches.submit, [np.array([2])], 0.001)
        threading.Timer(0.05, model.go.set).start()
        assert first.result(10)[0].tolist() == [2]
        with pytest.raises(ServingError) as caught:
            late.result(10)
    assert caught.value.text == "RESOURCE_EXHAUSTED: Run() timeout exceeded while waiting in batching queue"


def test_an_error_reaches_all_of_the_batch() -> None:
    batches, _ = queue(Model(), max_batch_size=2, batch_timeout_micros=10_000_000)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(batches.submit, [np.array([value])], None) for value in (1, -1)]
        assert [type(call.exception(10)) for call in asked] == [ValueError, ValueError]


@given(
    maximum=st.integers(-1, 40),
    timeout=st.integers(-1, 10_000),
    threads=st.integers(-1, 4),
    sizes=st.lists(st.integers(1, 40), max_size=3),
)
def test_what_the_serving_role_lets_pass_the_server_takes(
    maximum: int, timeout: int, threads: int, sizes: list[int]
) -> None:
    variables = Variables(
        {
            "serving_request_timeout": 30,
            "serving_batching": {
                "max_batch_size": maximum, "batch_timeout_micros": timeout, "num_batch_threads": threads,
                "allowed_batch_sizes": sizes,
            },
        }
    )  # fmt: skip
    check_batching(variables)
    parameters = BatchingParameters(
        threads, max_batch_size=maximum, batch_timeout_micros=timeout, allowed_batch_sizes=tuple(sizes)
    )
    try:
        validate_pool(parameters)
        validate_queue(parameters)
    except ServingError:
        assert variables.findings
    else:
        # Sizes that do not ascend TF Serving takes, and then fills batches up to the wrong one.
        assert bool(variables.findings) == (sizes != sorted(set(sizes)))

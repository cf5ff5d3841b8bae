"""Merges requests that come at the same time into one run of the model, along the first dimension.

Sources: tensorflow, core/kernels/batching_util/shared_batch_scheduler.h; tensorflow/serving,
batching/{batching_session.cc,batching_util.h} and servables/tensorflow/bundle_factory_util.cc. One pool of threads
serves the queues of all models; a queue holds tasks that feed and fetch the same tensors.
"""

from __future__ import annotations

import bisect
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .errors import Code, ServingError, invalid
from .metrics import (
    INPUT_BATCH_SIZE,
    PADDING_SIZE,
    PROCESSED_BATCH_SIZE,
    QUEUING_LATENCY,
    WRAPPED_RUN_COUNT,
    Metrics,
)

Arrays = Sequence[np.ndarray]
# The inputs and the seconds that are left (None: no limit) to the outputs.
Run = Callable[[Arrays, float | None], list[np.ndarray]]


@dataclass(frozen=True)
class BatchingParameters:
    """Sizes in rows, the queue's length in batches. Defaults: SharedBatchScheduler::QueueOptions."""

    num_batch_threads: int
    thread_pool_name: str = "batch_threads"
    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int | None = None

    @property
    def execution_limit(self) -> int:
        if self.enable_large_batch_splitting:
            return self.max_execution_batch_size or self.max_batch_size
        return self.max_batch_size


def validate_pool(parameters: BatchingParameters) -> None:
    """What is checked when the server starts."""
    if parameters.num_batch_threads < 1:
        raise invalid(f"num_batch_threads must be positive; was {parameters.num_batch_threads}")


def validate_queue(parameters: BatchingParameters) -> None:
    """What is checked when a model is loaded, so a mistake here is a failed load."""
    sizes, maximum = parameters.allowed_batch_sizes, parameters.max_batch_size
    if sizes and parameters.enable_large_batch_splitting:
        if list(sizes) != sorted(set(sizes)):
            raise invalid("allowed_batch_sizes entries must be monotonically increasing")
        if sizes[-1] > maximum:
            raise invalid(
                "Last entry in allowed_batch_sizes must be less than or equal to max_batch_size; "
                f"last entry was {sizes[-1]}; expected {maximum}"
            )
        if sizes[-1] != parameters.execution_limit:
            raise invalid(
                "Last entry in allowed_batch_sizes must be equal to max_execution_batch_size; "
                f"last entry was {sizes[-1]}; expected {parameters.execution_limit}"
            )
    elif sizes and sizes[-1] != maximum:
        raise invalid(
            "Last entry in allowed_batch_sizes must match max_batch_size; "
            f"last entry was {sizes[-1]}; expected {maximum}"
        )
    if maximum <= 0:
        raise invalid(f"max_batch_size must be positive; was {maximum}")
    if parameters.batch_timeout_micros < 0:
        raise invalid(f"batch_timeout_micros must be non-negative; was {parameters.batch_timeout_micros}")
    if parameters.max_enqueued_batches < 0:
        raise invalid(f"max_enqueued_batches must be non-negative; was {parameters.max_enqueued_batches}")
    if parameters.enable_large_batch_splitting and maximum < parameters.execution_limit:
        raise invalid(
            "max_batch_size must be greater than or equal to max_execution_batch_size; "
            f"was {maximum} < {parameters.execution_limit}"
        )


def batch_size(inputs: Arrays) -> int:
    """The number of rows, which all inputs must share."""
    if not inputs:
        raise invalid("Batching Run() must have at least one input tensor")
    if any(array.ndim == 0 for array in inputs):
        raise invalid("Batching Run() input tensors must have at least one dimension")
    if len({array.shape[0] for array in inputs}) > 1:
        raise invalid("Batching Run() input tensors must have equal 0th-dimension size")
    return int(inputs[0].shape[0])


def padded_size(size: int, allowed: Sequence[int]) -> int:
    """The smallest allowed size that is not below ``size``; ``size`` itself when none is prescribed."""
    place = bisect.bisect_left(allowed, size)
    return allowed[place] if place < len(allowed) else size


def merge(
    names: Sequence[str], tasks: Sequence[Arrays], padding: int, *, pad_variable_length: bool
) -> list[np.ndarray]:
    """One array an input, with ``padding`` copies of the last task's first row at the end."""
    merged = []
    for name, *arrays in zip(names, *tasks, strict=True):
        parts = arrays
        if pad_variable_length:
            parts = _same_shape(parts)
        elif len({part.shape[1:] for part in parts}) > 1:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                f"Tensors with name '{name}' from different tasks have different shapes and padding is turned off."
                "Set pad_variable_length_inputs to true, or ensure that all tensors with the same name"
                "have equal dimensions starting with the first dim.",
            )
        if padding:
            parts += [parts[-1][:1]] * padding
        merged.append(parts[0] if len(parts) == 1 else np.concatenate(parts))
    return merged


def _same_shape(parts: list[np.ndarray]) -> list[np.ndarray]:
    """Each array grown to the largest size in every dimension but the first, filled with its first element."""
    if len({part.ndim for part in parts}) > 1:
        raise invalid("Cannot pad tensors of different ranks")
    largest = np.max([part.shape for part in parts], axis=0)
    grown = []
    for part in parts:
        if part.size == 0:
            raise invalid("Got empty tensor in batch of non-empty tensors.")
        widths = [
            (0, 0),
            *((0, int(most) - size) for most, size in zip(largest[1:], part.shape[1:], strict=True)),
        ]
        grown.append(np.pad(part, widths, constant_values=part.flat[0]))
    return grown


def split(outputs: Arrays, sizes: Sequence[int], total: int) -> list[list[np.ndarray]]:
    """Each task's rows of every output. ``total``: all rows, padding included."""
    for output in outputs:
        if output.ndim == 0:
            raise ServingError(Code.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions")
        if output.shape[0] != total:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of "
                "the input tensors",
            )
    starts = np.cumsum([0, *sizes])
    return [
        [output[starts[i] : starts[i + 1]] for output in outputs]
        for i in range(len(sizes))
    ]  # fmt: skip


@dataclass(eq=False)
class _Task:
    inputs: Arrays
    size: int
    deadline: float | None
    enqueued: float = field(default_factory=time.monotonic)
    done: threading.Event = field(default_factory=threading.Event)
    outputs: list[np.ndarray] | None = None
    error: BaseException | None = None


class BatchScheduler:
    """The threads that process batches, for all queues in turn."""

    def __init__(self, parameters: BatchingParameters, metrics: Metrics) -> None:
        validate_pool(parameters)
        self.parameters, self.metrics = parameters, metrics
        self.wake = threading.Condition()
        self.queues: list[BatchQueue] = []
        for number in range(parameters.num_batch_threads):
            name = f"{parameters.thread_pool_name}_{number}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while True:
            with self.wake:
                while True:
                    now, found = time.monotonic(), None
                    for queue in self.queues:
                        found = queue.take(now)
                        if found:
                            # The next thread begins behind this queue: round robin.
                            self.queues.remove(queue)
                            self.queues.append(queue)
                            break
                    if found:
                        break
                    due = min((queue.due() for queue in self.queues), default=None)
                    self.wake.wait(None if due in (None, float("inf")) else max(0.0, due - now))
            queue.process(found)


class BatchQueue:
    """Tasks that feed and fetch the same tensors. ``inputs``: their names; ``run`` is the model."""

    def __init__(self, scheduler: BatchScheduler, inputs: Sequence[str], run: Run) -> None:
        self._scheduler, self._parameters = scheduler, scheduler.parameters
        self._names, self._run = inputs, run
        # The last batch is open, the others are full.
        self._batches: deque[list[_Task]] = deque([[]])
        with scheduler.wake:
            scheduler.queues.append(self)

    def close(self) -> None:
        """Only once nobody submits any more."""
        with self._scheduler.wake:
            self._scheduler.queues.remove(self)

    def submit(self, inputs: Arrays, timeout: float | None) -> list[np.ndarray]:
        """Waits for the batch that the task gets into. UNAVAILABLE when the queue is full."""
        size = batch_size(inputs)
        for array in inputs:
            self._scheduler.metrics.observe(INPUT_BATCH_SIZE, array.shape[0])
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._scheduler.wake:
            tasks = self._enqueue(inputs, size, deadline)
            self._scheduler.wake.notify()
        results = []
        for task in tasks:
            task.done.wait()
            if task.error is not None:
                raise task.error
            results.append(task.outputs or [])
        if len(results) == 1:
            return results[0]
        return [np.concatenate(parts) for parts in zip(*results, strict=True)]

    def _enqueue(self, inputs: Arrays, size: int, deadline: float | None) -> list[_Task]:
        limit, parameters = self._parameters.execution_limit, self._parameters
        if size > parameters.max_batch_size:
            raise invalid(
                f"Task size {size} is larger than maximum input batch size {parameters.max_batch_size}"
            )
        free = limit - self._open_size()
        full = "The batch scheduling queue to which this task was submitted is full; "
        if parameters.enable_large_batch_splitting:
            capacity = (parameters.max_enqueued_batches - len(self._batches)) * limit + free
            if size > capacity:
                raise ServingError(
                    Code.UNAVAILABLE,
                    f"{full}task size is {size} but scheduling capacity is only {capacity} "
                    f"(num_enqueued_batches={len(self._batches)}, max_enqueued_batches="
                    f"{parameters.max_enqueued_batches}, open_batch_size={self._open_size()}, "
                    f"max_execution_batch_size={limit})",
                )
        elif size > free and len(self._batches) >= parameters.max_enqueued_batches:
            raise ServingError(
                Code.UNAVAILABLE,
                f"{full}currently {len(self._batches)} batches enqueued and max_enqueued_batches is "
                f"{parameters.max_enqueued_batches}",
            )
        tasks = []
        for start, end in self._pieces(size, free, limit):
            task = _Task([array[start:end] for array in inputs], end - start, deadline)
            if self._open_size() + task.size > limit:
                self._batches.append([])
            self._batches[-1].append(task)
            tasks.append(task)
        return tasks

    def _pieces(self, size: int, free: int, limit: int) -> list[tuple[int, int]]:
        if size <= free or not self._parameters.enable_large_batch_splitting:
            return [(0, size)]
        bounds = [0, *([free] if free else []), *range(free + limit, size, limit), size]
        return list(itertools.pairwise(bounds))

    def _open_size(self) -> int:
        return sum(task.size for task in self._batches[-1])

    def due(self) -> float:
        """When the oldest batch may be processed, in the clock of ``time.monotonic``."""
        if not self._batches[0]:
            return float("inf")
        if len(self._batches) > 1 or self._open_size() >= self._parameters.execution_limit:
            return 0
        return self._batches[0][0].enqueued + self._parameters.batch_timeout_micros / 1e6

    def take(self, now: float) -> list[_Task] | None:
        """The next batch if it is full or has waited long enough."""
        if self.due() > now:
            return None
        batch = self._batches.popleft()
        if not self._batches:
            self._batches.append([])
        return batch

    def process(self, tasks: list[_Task]) -> None:
        try:
            for task, outputs in zip(tasks, self._outputs(tasks), strict=True):
                task.outputs = outputs
        except Exception as error:  # noqa: BLE001 handed to the requests, which wait for it
            for task in tasks:
                task.error = error
        for task in tasks:
            task.done.set()

    def _outputs(self, tasks: list[_Task]) -> list[list[np.ndarray]]:
        metrics, now = self._scheduler.metrics, time.monotonic()
        for task in tasks:
            # The pool's name never gets here: upstream creates the session with an empty one.
            metrics.observe(QUEUING_LATENCY, (now - task.enqueued) * 1e6, "")
        # The longest time that any of them has left counts for all.
        timeout = None
        if all(task.deadline is not None for task in tasks):
            timeout = max(task.deadline or 0.0 for task in tasks) - now
            if timeout <= 0:
                raise ServingError(
                    Code.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue"
                )
        size = sum(task.size for task in tasks)
        total = padded_size(size, self._parameters.allowed_batch_sizes)
        metrics.observe(PADDING_SIZE, total - size, str(total))
        metrics.observe(PROCESSED_BATCH_SIZE, total)
        merged = merge(
            self._names,
            [task.inputs for task in tasks],
            total - size,
            pad_variable_length=self._parameters.pad_variable_length_inputs,
        )
        metrics.count(WRAPPED_RUN_COUNT)
        return split(self._run(merged, timeout), [task.size for task in tasks], total)

"""Counters and histograms in the text that TF Serving shows Prometheus.

Names: `/tensorflow/serving/x` becomes `:tensorflow:serving:x` (util/prometheus_exporter.cc); no HELP lines. Every
metric that is known has its TYPE line from the start, its values once there are some.
"""

from __future__ import annotations

import bisect
import re
import threading
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Metric:
    """``buckets``: the upper limits of a histogram without the infinite one; None for a counter."""

    name: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] | None = None


def _exponential(scale: float, growth: float, count: int) -> tuple[float, ...]:
    """tensorflow::monitoring::Buckets::Exponential()."""
    return tuple(scale * growth**k for k in range(count))


_MICROSECONDS = _exponential(10, 1.8, 33)
_BATCH_SIZES = _exponential(1, 2, 14)
_SERVING = "/tensorflow/serving/"
_BATCHING = f"{_SERVING}batching_session/"

# servables/tensorflow/util.cc
REQUEST_COUNT = Metric(f"{_SERVING}request_count", ("model_name", "status"))
REQUEST_LATENCY = Metric(f"{_SERVING}request_latency", ("model_name", "API", "entrypoint"), _MICROSECONDS)
RUNTIME_LATENCY = Metric(f"{_SERVING}runtime_latency", ("model_name", "API", "runtime"), _MICROSECONDS)
EXAMPLE_COUNTS = Metric(f"{_SERVING}request_example_counts", ("model",), _exponential(1, 2, 15))
EXAMPLE_COUNT_TOTAL = Metric(f"{_SERVING}request_example_count_total", ("model",))
REQUEST_LOG_COUNT = Metric(f"{_SERVING}request_log_count", ("model_name", "status"))
# servables/tensorflow/saved_model_warmup_util.cc
WARMUP_LATENCY = Metric(f"{_SERVING}model_warmup_latency", ("model_path", "status"), _MICROSECONDS)
WARMUP_RECORDS = Metric(f"{_SERVING}model_warmup_records_read", ("model_path",))
# batching/batching_session.cc, batching/batching_util.h
QUEUING_LATENCY = Metric(f"{_BATCHING}queuing_latency", ("thread_pool_name",), _exponential(100, 1.2, 52))
WRAPPED_RUN_COUNT = Metric(f"{_BATCHING}wrapped_run_count")
INPUT_BATCH_SIZE = Metric(f"{_BATCHING}input_batch_size", (), _BATCH_SIZES)
PROCESSED_BATCH_SIZE = Metric(f"{_BATCHING}processed_batch_size", (), _BATCH_SIZES)
PADDING_SIZE = Metric(f"{_BATCHING}padding_size", ("execution_batch_size",), _BATCH_SIZES)
# TensorFlow's own: cc/saved_model/loader.cc, core/framework/metrics.cc
LOAD_ATTEMPT_COUNT = Metric("/tensorflow/cc/saved_model/load_attempt_count", ("model_path", "status"))
LOAD_LATENCY = Metric("/tensorflow/cc/saved_model/load_latency", ("model_path",))
GRAPH_RUNS = Metric("/tensorflow/core/graph_runs")
GRAPH_RUN_TIME = Metric("/tensorflow/core/graph_run_time_usecs")

KNOWN = tuple(sorted((m for m in globals().values() if isinstance(m, Metric)), key=lambda m: m.name))


class Metrics:
    """All metrics of a server; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[Metric, dict[tuple[str, ...], int]] = {m: {} for m in KNOWN if m.buckets is None}
        self._histograms: dict[Metric, dict[tuple[str, ...], tuple[list[int], list[float]]]] = {
            m: {} for m in KNOWN if m.buckets is not None
        }

    def count(self, metric: Metric, *labels: str, by: int = 1) -> None:
        with self._lock:
            series = self._counters[metric]
            series[labels] = series.get(labels, 0) + by

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        buckets = metric.buckets or ()
        with self._lock:
            series = self._histograms[metric]
            if labels not in series:
                series[labels] = ([0] * (len(buckets) + 1), [0.0])
            counts, total = series[labels]
            # A value that equals a limit is counted above it, in spite of the name "le": std::upper_bound.
            counts[bisect.bisect_right(buckets, value)] += 1
            total[0] += value

    def total(self, name: str) -> int | None:
        """A counter's sum over all its labels, by TensorFlow's name for it; None when there is no such counter."""
        with self._lock:
            for metric, series in self._counters.items():
                if metric.name == name:
                    return sum(series.values())
        return None

    def render(self) -> str:
        lines = []
        with self._lock:
            for metric in KNOWN:
                name = re.sub(r"[^a-zA-Z0-9_]", ":", metric.name)
                if metric.buckets is None:
                    lines.append(f"# TYPE {name} counter")
                    for values, number in self._counters[metric].items():
                        lines.append(f"{name}{{{_labels(metric, values)}}} {number}")
                    continue
                lines.append(f"# TYPE {name} histogram")
                limits = [*(f"{limit:g}" for limit in metric.buckets), "+Inf"]
                for values, (counts, total) in self._histograms[metric].items():
                    labels, running = _labels(metric, values), 0
                    comma = "," if labels else ""
                    for limit, number in zip(limits, counts, strict=True):
                        running += number
                        lines.append(f'{name}_bucket{{{labels}{comma}le="{limit}"}} {running}')
                    lines.append(f"{name}_sum{{{labels}}} {total[0]:g}")
                    lines.append(f"{name}_count{{{labels}}} {running}")
        return "\n".join(lines) + "\n"


def _labels(metric: Metric, values: tuple[str, ...]) -> str:
    return ",".join(
        '{}="{}"'.format(label, value.replace("\\", "\\\\").replace('"', '\\"'))
        for label, value in zip(metric.labels, values, strict=True)
    )

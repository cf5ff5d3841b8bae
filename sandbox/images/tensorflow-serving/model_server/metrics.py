"""Counters and histograms in the text that TF Serving shows Prometheus.

Names: `/tensorflow/serving/x` becomes `:tensorflow:serving:x` (util/prometheus_exporter.cc); no HELP lines.
"""

from __future__ import annotations

import bisect
import threading

# servables/tensorflow/util.cc: 33 buckets from 10 microseconds, each 1.8 times the one before.
BUCKETS = tuple(10 * 1.8**k for k in range(33))
Labels = tuple[tuple[str, str], ...]


class Metrics:
    """All metrics of a server; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[str, dict[Labels, int]] = {}
        self._histograms: dict[str, dict[Labels, tuple[list[int], list[float]]]] = {}

    def count(self, name: str, by: int = 1, **labels: str) -> None:
        with self._lock:
            series = self._counters.setdefault(name, {})
            key = tuple(labels.items())
            series[key] = series.get(key, 0) + by

    def observe(self, name: str, microseconds: float, **labels: str) -> None:
        with self._lock:
            series = self._histograms.setdefault(name, {})
            counts, total = series.setdefault(tuple(labels.items()), ([0] * (len(BUCKETS) + 1), [0.0]))
            counts[bisect.bisect_left(BUCKETS, microseconds)] += 1
            total[0] += microseconds

    def render(self) -> str:
        lines = []
        with self._lock:
            for name, series in sorted(self._counters.items()):
                lines.append(f"# TYPE {name} counter")
                lines += [f"{name}{_braces(labels)} {value}" for labels, value in series.items()]
            for name, histograms in sorted(self._histograms.items()):
                lines.append(f"# TYPE {name} histogram")
                for labels, (counts, total) in histograms.items():
                    running = 0
                    for bound, number in zip((*BUCKETS, float("inf")), counts, strict=True):
                        running += number
                        text = "+Inf" if bound == float("inf") else f"{bound:g}"
                        lines.append(f"{name}_bucket{_braces((*labels, ('le', text)))} {running}")
                    lines.append(f"{name}_sum{_braces(labels)} {total[0]:g}")
                    lines.append(f"{name}_count{_braces(labels)} {running}")
        return "\n".join(lines) + "\n"


def _braces(labels: Labels) -> str:
    inner = ",".join(
        '{}="{}"'.format(key, value.replace("\\", "\\\\").replace('"', '\\"')) for key, value in labels
    )
    return "{" + inner + "}"

"""How the requests of some samples went: what was answered by its time, and what failed. Pure.

A failed request was never in time, however quickly it failed: it is slower than any that was answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from . import histogram
from .schema import Json
from .timeline import of_kind


@dataclass(frozen=True)
class Answers:
    """Times of the answered requests, and how many were not."""

    answered: histogram.Buckets
    failed: int = 0

    @property
    def total(self) -> int:
        return sum(self.answered.values()) + self.failed

    def percentile(self, share: float) -> float | None:
        """The time that this share (0 to 1) of all requests did not exceed, in ms; None where too many failed."""
        return histogram.percentile(self.answered, share, beyond=self.failed)

    def within(self, milliseconds: float) -> int:
        """Requests that were answered in time."""
        return sum(n for bucket, n in self.answered.items() if histogram.value_of(bucket) <= milliseconds)

    def without(self, part: Answers) -> Answers:
        return Answers(histogram.difference(self.answered, part.answered), self.failed - part.failed)


def together(parts: Iterable[Answers]) -> Answers:
    all_of_them = list(parts)
    return Answers(
        histogram.total(part.answered for part in all_of_them), sum(part.failed for part in all_of_them)
    )


def of(part: Json) -> Answers:
    """Of something with the fields ``histogram`` and ``failed_histogram``."""
    whole, failed = histogram.parse(part["histogram"]), histogram.parse(part["failed_histogram"])
    return Answers(histogram.difference(whole, failed), sum(failed.values()))


def each(events: Iterable[Json]) -> Iterator[tuple[Json, Answers]]:
    """The samples of the load, and what is new in each.

    Earlier versions did not tell the times of failed requests. Of what failed by a timeout there they are taken for the
    longest, and for the shortest of what failed otherwise.
    """
    failed = slow = 0
    for event in of_kind(events, "load"):
        if event["failed_histogram"] is not None:
            yield event, of(event)
            continue
        timeouts = event["errors"].get("timeout", 0)
        fresh, fresh_slow = max(0, event["failures"] - failed), max(0, timeouts - slow)
        failed, slow = max(failed, event["failures"]), max(slow, timeouts)
        whole = histogram.parse(event["histogram"])
        late = _taken(whole, sorted(whole, reverse=True), min(fresh, fresh_slow))
        quick = _taken(late, sorted(late), fresh - min(fresh, fresh_slow))
        yield event, Answers(quick, sum(whole.values()) - sum(quick.values()))


def _taken(buckets: histogram.Buckets, order: list[int], count: int) -> histogram.Buckets:
    """Without so many, in that order."""
    left = dict(buckets)
    for bucket in order:
        gone = min(count, left[bucket])
        left[bucket], count = left[bucket] - gone, count - gone
    return {bucket: number for bucket, number in left.items() if number}

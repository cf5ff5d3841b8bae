"""Response times in buckets 2 % wide, as the locustfile counts them, and the delays that it adds itself. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

GROWTH = 1.02
"""Bucket i holds times above GROWTH**(i-1) and up to GROWTH**i milliseconds."""

DELAYS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Milliseconds; a worker counts the seconds in which an answer would have waited in it for longer than each."""

Buckets = dict[int, int]


def bucket_of(milliseconds: float) -> int:
    return math.ceil(math.log(max(milliseconds, 0.01)) / math.log(GROWTH))


def value_of(bucket: int) -> float:
    """The bucket's middle in milliseconds: at most 1 % from any time in it."""
    return float(GROWTH ** (bucket - 0.5))


def rounded(milliseconds: float | None) -> float | None:
    """To five digits, wherever they begin: an answer may take a minute or the fifth of a millisecond."""
    return None if milliseconds is None else float(f"{milliseconds:.5g}")


def words(milliseconds: float) -> str:
    """For people, without the unit."""
    return f"{milliseconds:.0f}" if milliseconds >= 10 else f"{milliseconds:.2g}"


def parse(buckets: Mapping[str, int]) -> Buckets:
    return {int(bucket): count for bucket, count in buckets.items()}


def difference(later: Buckets, earlier: Buckets) -> Buckets:
    """What was counted between two looks at the same counters."""
    return {b: n - earlier.get(b, 0) for b, n in later.items() if n > earlier.get(b, 0)}


def total(parts: Iterable[Buckets]) -> Buckets:
    whole: Buckets = {}
    for part in parts:
        for bucket, count in part.items():
            whole[bucket] = whole.get(bucket, 0) + count
    return whole


def percentile(buckets: Buckets, share: float, *, beyond: int = 0) -> float | None:
    """The time that this share (0 to 1) of the requests did not exceed, in ms; None without requests.

    ``beyond``: requests that were slower than any in the buckets; None where the share reaches into them.
    """
    count = sum(buckets.values()) + beyond
    if not count:
        return None
    rank, seen = max(1, math.ceil(share * count)), 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= rank:
            return value_of(bucket)
    return None

"""Mergeable latency histogram: log-spaced buckets, 16 to each doubling (relative width 4.4 %).

Bucket i holds durations in [2**(i/16), 2**((i+1)/16)) nanoseconds; a duration below 1 ns is in bucket 0.
Source of the idea: OpenTelemetry's exponential histogram at scale 4.
"""

from __future__ import annotations

import math
from typing import Final

SCALE: Final = 16
MAX_BUCKET: Final = 63 * SCALE


def bucket(duration_ns: int) -> int:
    """The bucket of one duration in nanoseconds."""
    if duration_ns < 1:
        return 0
    return min(MAX_BUCKET, int(math.log2(duration_ns) * SCALE))


def midpoint_ns(index: int) -> float:
    """The geometric middle of a bucket, in nanoseconds."""
    return float(2.0 ** ((index + 0.5) / SCALE))


def merge(into: dict[int, int], other: dict[int, int]) -> None:
    """Add `other` to `into`, in place."""
    for index, count in other.items():
        into[index] = into.get(index, 0) + count


def quantile_ns(histogram: dict[int, int], q: float) -> float:
    """The q-quantile (0..1) in nanoseconds, by bucket middle; NaN when empty."""
    total = sum(histogram.values())
    if total == 0:
        return math.nan
    rank = q * (total - 1)
    seen = 0
    for index in sorted(histogram):
        seen += histogram[index]
        if seen > rank:
            return midpoint_ns(index)
    return math.nan

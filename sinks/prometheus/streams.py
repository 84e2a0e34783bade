"""Streams of data points, and by how much each grew."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from typing import Any, Final, NamedTuple

DELTA, CUMULATIVE = 1, 2  # AggregationTemporality
MAX_STREAMS: Final = 20_000


class Point(NamedTuple):
    """The numbers of one data point: a counter's value, or a histogram's sum and buckets."""

    sum: float
    buckets: tuple[int, ...]


class _Last(NamedTuple):
    start_unix_nano: int
    time_unix_nano: int
    point: Point


class Streams:
    """Remembers the last point of each cumulative stream, of at most 20,000, the longest silent forgotten first.

    A stream that began before `since_unix_nano`, or that may have been forgotten, counts from its next point on:
    too little rather than twice.
    """

    def __init__(self, since_unix_nano: int) -> None:
        self._since_unix_nano = since_unix_nano
        self._last: OrderedDict[bytes, _Last] = OrderedDict()

    def grown(self, point: Point, row: dict[str, Any]) -> Point | None:
        """What a point adds to its counter or histogram; None where that is nothing or no number."""
        if not math.isfinite(point.sum) or point.sum < 0:
            return None
        if row["AggregationTemporality"] == DELTA:
            return point
        key = _key(row)
        now = _Last(row["StartTimeUnix"], row["TimeUnix"], point)
        last = self._last.pop(key, None)
        if (
            last is not None
            and last.time_unix_nano >= now.time_unix_nano
            and last.start_unix_nano == now.start_unix_nano
        ):
            self._last[key] = last  # late or again
            return None
        self._last[key] = now
        if len(self._last) > MAX_STREAMS:
            _, forgotten = self._last.popitem(last=False)
            self._since_unix_nano = max(self._since_unix_nano, forgotten.time_unix_nano)
        if last is None:
            return point if now.start_unix_nano >= self._since_unix_nano else None
        return _difference(last.point, point)


def _difference(last: Point, now: Point) -> Point:
    """Growth since the last point; a value that fell, or other buckets, means that the counter began anew."""
    if now.sum < last.sum or len(now.buckets) != len(last.buckets):
        return now
    buckets = tuple(after - before for before, after in zip(last.buckets, now.buckets, strict=True))
    if any(count < 0 for count in buckets):
        return now
    return Point(now.sum - last.sum, buckets)


def _key(row: dict[str, Any]) -> bytes:
    identity = (row["MetricName"], row["MetricUnit"], sorted(row["Attributes"]), sorted(row["ResourceAttributes"]))
    return hashlib.blake2b(repr(identity).encode("utf-8", "replace"), digest_size=16).digest()

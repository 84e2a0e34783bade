"""Aggregates of a series that add up the same however a minute was cut into slices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.facts import MAX_SESSION_HASHES, Exemplar, Slice
from schemas.histogram import MAX_BUCKET

MAX_COUNT: Final = 10**12
MAX_ERROR_TYPES: Final = 16
MAX_EXEMPLARS: Final = 3
MAX_TEXT: Final = 128
OTHER: Final = "other"


class Totals:
    """Observations of one version over some minutes."""

    __slots__ = ("count", "error_types", "errors", "failed", "hashes", "histogram", "minutes", "slowest")

    def __init__(self) -> None:
        self.count = 0
        self.errors = 0
        self.minutes = 0
        """Minutes that had observations."""
        self.histogram: dict[int, int] = {}
        self.error_types: dict[str, int] = {}
        self.hashes: list[int] = []
        """The 16 smallest hashes of sessions, in order."""
        self.slowest: list[list[Any]] = []
        self.failed: list[list[Any]] = []

    def add_slice(self, part: Slice) -> None:
        """Add a slice; numbers that cannot be are bounded."""
        errors = _count(part.errors)
        self.count += max(_count(part.count), errors)
        self.errors += errors
        for index, number in _pairs(part.histogram):
            place = max(0, min(int(index), MAX_BUCKET))
            self.histogram[place] = self.histogram.get(place, 0) + _count(number)
        for kind, number in _pairs(part.error_types):
            self._add_type(str(kind)[:MAX_TEXT], _count(number))
        self._add_hashes(h for h in part.session_hashes if isinstance(h, int))
        self._add_exemplars([_exemplar(e) for e in part.exemplars if e.outcome != "error"], [])
        self._add_exemplars([], [_exemplar(e) for e in part.exemplars if e.outcome == "error"])

    def add(self, other: Totals) -> None:
        """Add another aggregate."""
        self.count += other.count
        self.errors += other.errors
        self.minutes += other.minutes
        for index, number in other.histogram.items():
            self.histogram[index] = self.histogram.get(index, 0) + number
        for kind, number in sorted(other.error_types.items()):
            self._add_type(kind, number)
        self._add_hashes(other.hashes)
        self._add_exemplars(other.slowest, other.failed)

    def _add_type(self, kind: str, number: int) -> None:
        if kind not in self.error_types and len(self.error_types) >= MAX_ERROR_TYPES:
            kind = OTHER
        self.error_types[kind] = self.error_types.get(kind, 0) + number

    def _add_hashes(self, hashes: Iterable[int]) -> None:
        self.hashes = sorted({*self.hashes, *(h & 0xFFFFFFFF for h in hashes)})[:MAX_SESSION_HASHES]

    def _add_exemplars(self, slowest: list[list[Any]], failed: list[list[Any]]) -> None:
        if slowest:
            self.slowest = sorted([*self.slowest, *slowest], key=lambda e: (-e[3], e))[:MAX_EXEMPLARS]
        if failed:
            self.failed = sorted([*self.failed, *failed], key=lambda e: (e[2], e))[:MAX_EXEMPLARS]

    def sessions(self) -> float:
        """Distinct sessions; over 16 an estimate from how densely their hashes lie; 0 = not known.

        Source: Bar-Yossef et al., Counting Distinct Elements in a Data Stream, 2002 (the k-th smallest hash).
        """
        known = len(self.hashes)
        if known < MAX_SESSION_HASHES:
            return float(known)
        return max(float(known), (known - 1) * 2**32 / max(1, self.hashes[-1]))

    def as_list(self) -> list[Any]:
        """Fit for JSON; the same for equal aggregates."""
        return [
            self.count, self.errors, self.minutes, sorted(self.histogram.items()), sorted(self.error_types.items()),
            self.hashes, self.slowest, self.failed,
        ]  # fmt: skip

    @staticmethod
    def of_list(fields: list[Any]) -> Totals:
        """The inverse of `as_list`."""
        totals = Totals()
        totals.count, totals.errors, totals.minutes, histogram, types, hashes, slowest, failed = fields
        totals.histogram = dict(histogram)
        totals.error_types = dict(types)
        totals.hashes, totals.slowest, totals.failed = list(hashes), list(slowest), list(failed)
        return totals


def _count(value: Any) -> int:
    try:
        return max(0, min(int(value), MAX_COUNT))
    except (ValueError, TypeError, OverflowError):  # NaN, infinity or no number at all
        return 0


def _pairs(table: Mapping[Any, Any]) -> Iterable[tuple[Any, Any]]:
    return table.items()


def _exemplar(one: Exemplar) -> list[Any]:
    duration = one.duration_ns if isinstance(one.duration_ns, int) else -1
    start = one.start_time_unix_nano if isinstance(one.start_time_unix_nano, int) else 0
    bound = 2**62
    return [
        one.trace_id[:MAX_TEXT], one.span_id[:MAX_TEXT], max(-bound, min(start, bound)), max(-1, min(duration, bound))
    ]  # fmt: skip

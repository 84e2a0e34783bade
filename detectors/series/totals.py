"""Aggregates of a series that add up the same however a minute was cut into slices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.facts import MAX_SESSION_HASHES, Exemplar, Slice
from schemas.histogram import MAX_BUCKET

MAX_COUNT: Final = 10**12
MAX_ERROR_TYPES: Final = 16
MAX_EXEMPLARS: Final = 3
MAX_MARKS: Final = 16
MAX_VERSIONS: Final = 8
"""Told apart in one slot or minute."""
MAX_TEXT: Final = 128
OTHER: Final = "other"
VERSION: Final = "version="
"""How the mark of a `service.version` begins."""
PRICES: Final = "prices="
"""How the mark begins that cost was estimated, by prices of the date that follows."""


class Totals:
    """Observations over some minutes. Bounded by the number of buckets (1,009), error types and marks (16 each)."""

    __slots__ = (
        "count", "error_types", "errors", "failed", "failed_hashes", "hashes", "histogram", "marks", "minutes",
        "slowest",
    )  # fmt: skip

    def __init__(self) -> None:
        self.count = 0
        self.errors = 0
        self.minutes = 0
        """Minutes that had observations."""
        self.histogram: dict[int, int] = {}
        self.error_types: dict[str, int] = {}
        self.hashes: list[int] = []
        """The 16 smallest hashes of sessions, in order."""
        self.failed_hashes: list[int] = []
        """The same of sessions in which something failed."""
        self.marks: dict[str, list[int]] = {}
        """What they came with -> [observations, failed, timed, sum of the timed ones' buckets]."""
        self.slowest: list[list[Any]] = []
        self.failed: list[list[Any]] = []

    def add_slice(self, part: Slice) -> None:
        """Add a slice; numbers that cannot be are bounded."""
        errors = _count(part.errors)
        count = max(_count(part.count), errors)
        self.count += count
        self.errors += errors
        timed = buckets = 0
        histogram = self.histogram
        for index, number in part.histogram.items():
            place, many = index, number
            if not (0 <= place <= MAX_BUCKET and number.__class__ is int and 0 <= number <= MAX_COUNT):
                place, many = max(0, min(int(index), MAX_BUCKET)), _count(number)
            histogram[place] = histogram.get(place, 0) + many
            timed += many
            buckets += place * many
        for kind, number in part.error_types.items():
            self._add_type(str(kind)[:MAX_TEXT], _count(number))
        self._add_mark(VERSION + part.service_version[:MAX_TEXT], (count, errors, timed, buckets))
        for mark, numbers in part.marks.items():
            self._add_mark(str(mark)[:MAX_TEXT], [_count(number) for number in (*numbers, 0, 0, 0, 0)[:4]])
        self.hashes = smallest(self.hashes, part.session_hashes)
        self.failed_hashes = smallest(self.failed_hashes, part.failed_hashes)
        shown = [(e.outcome == "error", _exemplar(e)) for e in part.exemplars]
        self._add_exemplars([e for failed, e in shown if not failed], [e for failed, e in shown if failed])

    def add(self, other: Totals) -> None:
        """Add another aggregate."""
        self.count += other.count
        self.errors += other.errors
        self.minutes += other.minutes
        histogram = self.histogram
        if histogram:
            for index, number in other.histogram.items():
                histogram[index] = histogram.get(index, 0) + number
        else:
            histogram.update(other.histogram)
        for kind, number in sorted(other.error_types.items()):
            self._add_type(kind, number)
        for mark in sorted(other.marks):
            self._add_mark(mark, other.marks[mark])
        self.hashes = smallest(self.hashes, other.hashes)
        self.failed_hashes = smallest(self.failed_hashes, other.failed_hashes)
        self._add_exemplars(other.slowest, other.failed)

    def _add_type(self, kind: str, number: int) -> None:
        if kind not in self.error_types and len(self.error_types) >= MAX_ERROR_TYPES:
            kind = OTHER
        self.error_types[kind] = self.error_types.get(kind, 0) + number

    def _add_mark(self, mark: str, numbers: Iterable[int]) -> None:
        known = self.marks.get(mark)
        if known is not None:
            self.marks[mark] = [a + b for a, b in zip(known, numbers, strict=True)]
        elif len(self.marks) < MAX_MARKS:
            self.marks[mark] = list(numbers)

    def _add_exemplars(self, slowest: list[list[Any]], failed: list[list[Any]]) -> None:
        if slowest:
            self.slowest = sorted([*self.slowest, *slowest], key=lambda e: (-e[3], e))[:MAX_EXEMPLARS]
        if failed:
            self.failed = sorted([*self.failed, *failed], key=lambda e: (e[2], e))[:MAX_EXEMPLARS]

    def sessions(self) -> float:
        """Distinct sessions; 0 = not known."""
        return distinct(self.hashes)

    def as_list(self) -> list[Any]:
        """Fit for JSON; the same for equal aggregates."""
        return [
            self.count, self.errors, self.minutes, sorted(self.histogram.items()), sorted(self.error_types.items()),
            self.hashes, self.failed_hashes, sorted(self.marks.items()), self.slowest, self.failed,
        ]  # fmt: skip

    @staticmethod
    def of_list(fields: list[Any]) -> Totals:
        """The inverse of `as_list`."""
        totals = Totals()
        (
            totals.count, totals.errors, totals.minutes, histogram, types, hashes, failed_hashes, marks, slowest, failed
        ) = fields  # fmt: skip
        totals.histogram = dict(histogram)
        totals.error_types = dict(types)
        totals.marks = dict(marks)
        totals.hashes, totals.failed_hashes = list(hashes), list(failed_hashes)
        totals.slowest, totals.failed = list(slowest), list(failed)
        return totals


def counted_as(known: Mapping[str, Totals], version: str) -> str:
    """What a version's observations count as: `other` where too many versions are told apart already."""
    return version if version in known or len(known) < MAX_VERSIONS else OTHER


def merge_versions(known: dict[str, Totals], more: Mapping[str, Totals]) -> None:
    """Add observations by version to others; those of a version that was not there become theirs."""
    for version, totals in more.items():
        one = known.setdefault(counted_as(known, version), totals)
        if one is not totals:
            one.add(totals)


def total(parts: Iterable[Totals], *, is_minute: bool) -> Totals:
    """All of these, as a minute or as a further part of one."""
    found = Totals()
    for part in parts:
        found.add(part)
    found.minutes = int(is_minute)
    return found


def total_of(versions: Mapping[str, Totals], *, is_minute: bool) -> Totals:
    """Those of all versions; of a single one that itself."""
    if len(versions) != 1:
        return total((versions[version] for version in sorted(versions)), is_minute=is_minute)
    [only] = versions.values()
    only.minutes = int(is_minute)
    return only


def distinct(hashes: list[int]) -> float:
    """How many there are, of the smallest hashes; over 16 an estimate from how densely they lie.

    Source: Bar-Yossef et al., Counting Distinct Elements in a Data Stream, 2002 (the k-th smallest hash).
    """
    known = len(hashes)
    if known < MAX_SESSION_HASHES:
        return float(known)
    return max(float(known), (known - 1) * 2**32 / max(1, hashes[-1]))


def smallest(known: list[int], more: Iterable[Any]) -> list[int]:
    """The 16 smallest of all of them, in order."""
    new = [h & 0xFFFFFFFF for h in more if isinstance(h, int)]
    if not new or (len(known) == MAX_SESSION_HASHES and min(new) > known[-1]):
        return known
    return sorted({*known, *new})[:MAX_SESSION_HASHES]


def _count(value: Any) -> int:
    try:
        return max(0, min(int(value), MAX_COUNT))
    except (ValueError, TypeError, OverflowError):  # NaN, infinity or no number at all
        return 0


def share(marks: Mapping[str, list[int]], mark: str, count: float) -> float:
    """Which part of the observations came with a mark."""
    return marks[mark][0] / count if mark in marks and count > 0 else 0.0


def _exemplar(one: Exemplar) -> list[Any]:
    duration = one.duration_ns if isinstance(one.duration_ns, int) else -1
    start = one.start_time_unix_nano if isinstance(one.start_time_unix_nano, int) else 0
    bound = 2**62
    return [
        one.trace_id[:MAX_TEXT], one.span_id[:MAX_TEXT], max(-bound, min(start, bound)), max(-1, min(duration, bound))
    ]  # fmt: skip

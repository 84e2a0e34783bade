"""A series' past: one aggregate that fades, what it looked like lately, and each hour of the last eight days."""

from __future__ import annotations

import math
from typing import Any, Final

from detectors.series.season import Season
from detectors.series.totals import MAX_MARKS, Totals, smallest

_SHED: Final = 0.01
"""Buckets that weigh less than this are forgotten when the past fades."""
RECENT_OBSERVATIONS: Final = 300
RECENT_HALF_LIFE_MINUTES: Final = 30


class Recent:
    """The last half hour or so (at least some 300 observations): where things stood just before."""

    __slots__ = ("count", "located", "marks", "time", "total", "updated")

    def __init__(self) -> None:
        self.count = 0.0
        self.located = 0.0
        """Weight of the observations in `total` and `time`."""
        self.total = 0.0
        """Sum of their locations (see `Measure.location`)."""
        self.time = 0.0
        """Sum of their minutes, in seconds since 1970, by weight."""
        self.marks: dict[str, float] = {}
        self.updated = -1

    def absorb(self, totals: Totals, minute: int, location: tuple[int, float]) -> None:
        """Take a minute in."""
        if self.count > RECENT_OBSERVATIONS and self.updated >= 0:
            passed = max(1.0, (minute - self.updated) / 60)
            keep = max(RECENT_OBSERVATIONS / self.count, 0.5 ** (passed / RECENT_HALF_LIFE_MINUTES))
            self.count *= keep
            self.located, self.total, self.time = self.located * keep, self.total * keep, self.time * keep
            self.marks = {m: n * keep for m, n in self.marks.items() if n * keep >= _SHED}
        self.updated = minute
        self.count += totals.count
        self.located += location[0]
        self.total += location[1]
        self.time += location[0] * minute
        for mark in sorted(totals.marks):
            if mark in self.marks or len(self.marks) < MAX_MARKS:
                self.marks[mark] = self.marks.get(mark, 0.0) + totals.marks[mark][0]

    def share(self, mark: str) -> float:
        """Which part of the observations came with a mark."""
        return self.marks.get(mark, 0.0) / self.count if self.count > 0 else 0.0

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        return [self.count, self.located, self.total, self.time, sorted(self.marks.items()), self.updated]

    @staticmethod
    def of_list(fields: list[Any]) -> Recent:
        """The inverse of `as_list`."""
        one = Recent()
        one.count, one.located, one.total, one.time, marks, one.updated = fields
        one.marks = dict(marks)
        return one


class Baseline:
    """Weighted counts of the past. Bounded by the number of buckets (1,009), error types and marks (16 each)."""

    __slots__ = (
        "count", "error_types", "errors", "hashes", "histogram", "marks", "minutes", "recent", "season", "slowest",
        "timed",
    )  # fmt: skip

    def __init__(self) -> None:
        self.count = 0.0
        self.errors = 0.0
        self.timed = 0.0
        """Observations in `histogram`."""
        self.minutes = 0
        self.hashes: list[int] = []
        """The 16 smallest hashes of all sessions that it was made of."""
        self.histogram: dict[int, float] = {}
        self.error_types: dict[str, float] = {}
        self.marks: dict[str, list[float]] = {}
        """As in `Totals`, weighted."""
        self.slowest: list[list[Any]] = []
        """Exemplars of the last minutes taken in."""
        self.recent = Recent()
        self.season = Season()

    def absorb(self, totals: Totals, minute: int, location: tuple[int, float], cap: float) -> None:
        """Take some minutes in; what is over the cap fades evenly."""
        self.count += totals.count
        self.errors += totals.errors
        self.minutes = min(self.minutes + totals.minutes, 2**40)
        histogram = self.histogram
        for index, number in totals.histogram.items():
            histogram[index] = histogram.get(index, 0.0) + number
            self.timed += number
        for kind, number in sorted(totals.error_types.items()):
            if kind in self.error_types or len(self.error_types) < MAX_MARKS:
                self.error_types[kind] = self.error_types.get(kind, 0.0) + number
        self._absorb_marks(totals)
        self.hashes = smallest(self.hashes, totals.hashes)
        if totals.slowest:
            self.slowest = [list(e) for e in totals.slowest]
        self.recent.absorb(totals, minute, location)
        if self.count > cap:
            self._fade(cap / self.count)

    def _absorb_marks(self, totals: Totals) -> None:
        for mark in sorted(totals.marks):
            known = self.marks.get(mark)
            if known is None and len(self.marks) >= MAX_MARKS:
                rarest = min(self.marks, key=lambda m: (self.marks[m][0], m))
                if self.marks[rarest][0] >= totals.marks[mark][0]:
                    continue
                del self.marks[rarest]
            self.marks[mark] = [a + b for a, b in zip(known or [0.0] * 4, totals.marks[mark], strict=True)]

    def _fade(self, factor: float) -> None:
        self.count *= factor
        self.errors *= factor
        self.histogram = {i: n * factor for i, n in self.histogram.items() if n * factor >= _SHED}
        self.timed = math.fsum(self.histogram[i] for i in sorted(self.histogram))
        self.error_types = {kind: n * factor for kind, n in self.error_types.items() if n * factor >= _SHED}
        self.marks = {m: [n * factor for n in row] for m, row in self.marks.items() if row[0] * factor >= _SHED}

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        return [
            self.count, self.errors, self.timed, self.minutes, sorted(self.histogram.items()),
            sorted(self.error_types.items()), sorted(self.marks.items()), self.slowest, self.recent.as_list(),
            self.season.as_list(), self.hashes,
        ]  # fmt: skip

    @staticmethod
    def of_list(fields: list[Any]) -> Baseline:
        """The inverse of `as_list`."""
        one = Baseline()
        (
            one.count, one.errors, one.timed, one.minutes, histogram, types, marks, one.slowest, recent, season,
            one.hashes,
        ) = fields  # fmt: skip
        one.histogram = dict(histogram)
        one.error_types = dict(types)
        one.marks = dict(marks)
        one.recent = Recent.of_list(recent)
        one.season = Season.of_list(season)
        return one

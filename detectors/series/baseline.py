"""A series' past: one aggregate that fades, with the versions that it came from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from detectors.series.totals import Totals
from schemas.histogram import midpoint_ns

MAX_VERSIONS: Final = 16
_SHED: Final = 0.01
"""Buckets that weigh less than this are forgotten when the past fades."""


class Baseline:
    """Weighted counts of the past. Bounded by the number of buckets (1,009), error types and versions (16 each)."""

    __slots__ = ("count", "error_types", "errors", "histogram", "minutes", "slowest", "timed", "versions")

    def __init__(self) -> None:
        self.count = 0.0
        self.errors = 0.0
        self.timed = 0.0
        """Observations in `histogram`."""
        self.minutes = 0
        self.histogram: dict[int, float] = {}
        self.error_types: dict[str, float] = {}
        self.versions: dict[str, int] = {}
        """Version -> observations taken in from it, the newest version last."""
        self.slowest: list[list[Any]] = []
        """Exemplars of the last minutes taken in."""

    def absorb(self, totals: Totals, version_counts: Mapping[str, int], cap: float) -> None:
        """Take some minutes in; what is over the cap fades evenly."""
        self.count += totals.count
        self.errors += totals.errors
        self.minutes = min(self.minutes + totals.minutes, 2**40)
        for index, number in totals.histogram.items():
            self.histogram[index] = self.histogram.get(index, 0.0) + number
            self.timed += number
        for kind, number in sorted(totals.error_types.items()):
            if kind in self.error_types or len(self.error_types) < MAX_VERSIONS:
                self.error_types[kind] = self.error_types.get(kind, 0.0) + number
        for version, number in version_counts.items():
            self.versions[version] = self.versions.get(version, 0) + number
            if len(self.versions) > MAX_VERSIONS:
                del self.versions[next(iter(self.versions))]
        if totals.slowest:
            self.slowest = [list(e) for e in totals.slowest]
        if self.count > cap:
            self._fade(cap / self.count)

    def _fade(self, factor: float) -> None:
        self.count *= factor
        self.errors *= factor
        self.histogram = {i: n * factor for i, n in self.histogram.items() if n * factor >= _SHED}
        self.timed = math.fsum(self.histogram[i] for i in sorted(self.histogram))
        self.error_types = {kind: n * factor for kind, n in self.error_types.items() if n * factor >= _SHED}

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        return [
            self.count, self.errors, self.timed, self.minutes, sorted(self.histogram.items()),
            sorted(self.error_types.items()), list(self.versions.items()), self.slowest,
        ]  # fmt: skip

    @staticmethod
    def of_list(fields: list[Any]) -> Baseline:
        """The inverse of `as_list`."""
        one = Baseline()
        one.count, one.errors, one.timed, one.minutes, histogram, types, versions, one.slowest = fields
        one.histogram = dict(histogram)
        one.error_types = dict(types)
        one.versions = dict(versions)
        return one


def quantile_s(histogram: Mapping[int, float], q: float) -> float:
    """The q-quantile (0..1) in seconds, by bucket middle; NaN when empty."""
    total = math.fsum(histogram[i] for i in sorted(histogram))
    if total <= 0:
        return math.nan
    rank = q * total
    seen = 0.0
    for index in sorted(histogram):
        seen += histogram[index]
        if seen >= rank:
            return midpoint_ns(index) / 1e9
    return midpoint_ns(max(histogram)) / 1e9

"""The same hour of previous days and of last week: what daily and weekly seasons would lead one to expect."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

HOUR_S: Final = 3600
MINUTE_S: Final = 60
DAY_HOURS: Final = 24
WEEK_HOURS: Final = 7 * DAY_HOURS
MAX_HOURS: Final = 8 * DAY_HOURS
MIN_OBSERVATIONS: Final = 50
"""Fewer in the hours that are compared tell nothing."""
ENOUGH: Final = 1000
"""So many, and days further back are not asked: levels drift."""
MIN_COVERED: Final = 0.7
"""Share of the hours of a window that must be known from another day."""
TREND_HOURS: Final = 5


class Expectation(NamedTuple):
    """Mean location at the same hours, with what it rests on."""

    n: int
    location: float
    age_days: float = 0.0
    """How long ago it was, on average."""


class Season:
    """Location of each hour of the last eight days. Bounded: 192 hours."""

    __slots__ = ("hours",)

    def __init__(self) -> None:
        self.hours: dict[int, list[float]] = {}
        """Hour since 1970 -> [observations, sum of their locations]."""

    def absorb(self, minute: int, location: tuple[int, float]) -> None:
        """Take a minute in, given in seconds since 1970."""
        hour = minute // HOUR_S
        known = self.hours.get(hour)
        if known is None:
            while len(self.hours) >= MAX_HOURS:
                del self.hours[min(self.hours)]
            known = self.hours[hour] = [0, 0.0]
        known[0] += location[0]
        known[1] += location[1]

    def yesterdays(self, since: int, until: int) -> Expectation | None:
        """The same hours of the nearest of the six days before; None where there is not enough of them."""
        return self._pooled(since, until, [DAY_HOURS * day for day in range(1, 7)])

    def highest(self, since: int, until: int) -> Expectation | None:
        """The same hours of that one of the six days before at which they were highest."""
        days = [self._pooled(since, until, [DAY_HOURS * day]) for day in range(1, 7)]
        return max((day for day in days if day is not None), key=lambda day: day.location, default=None)

    def last_week(self, since: int, until: int) -> Expectation | None:
        """The same hours a week before."""
        return self._pooled(since, until, [WEEK_HOURS])

    def _pooled(self, since: int, until: int, lags: Iterable[int]) -> Expectation | None:
        """Each hour counts by how much of it the window covers: what begins at four is no measure of a window to four.

        Whether there is enough is said by whole hours: of the first minutes of one little would be left.
        """
        known = weight = total = age = 0.0
        covered: set[int] = set()
        hours = _hours(since, until)
        shares = {hour: _overlap(hour, since, until + MINUTE_S) for hour in hours}
        for lag in lags:
            if known >= ENOUGH and len(covered) == len(hours):
                break
            for hour in hours:
                n, located = self.hours.get(hour - lag, (0, 0.0))
                # what is itself under suspicion is no measure
                if n > 0 and hour - lag < since // HOUR_S:
                    known += n
                    weight += n * shares[hour]
                    total += located * shares[hour]
                    age += n * shares[hour] * lag / DAY_HOURS
                    covered.add(hour)
        enough = known >= MIN_OBSERVATIONS and len(covered) >= MIN_COVERED * len(hours)
        return Expectation(int(known), total / weight, age / weight) if enough else None

    def trend(self, before: int) -> tuple[float, float]:
        """Slope of the last hours, per hour, and its error per unit of an observation's spread (inf: not known)."""
        last = before // HOUR_S
        rows = [(h, *self.hours[h]) for h in range(last - TREND_HOURS, last) if self.hours.get(h, (0,))[0] > 0]
        n = sum(row[1] for row in rows)
        if len(rows) < 2:
            return 0.0, math.inf
        middle = sum(hour * count for hour, count, _ in rows) / n
        square = sum(count * (hour - middle) ** 2 for hour, count, _ in rows)
        if square <= 0:
            return 0.0, math.inf
        return sum(total * (hour - middle) for hour, _, total in rows) / square, 1 / math.sqrt(square)

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        return [[hour, *row] for hour, row in sorted(self.hours.items())]

    @staticmethod
    def of_list(fields: list[Any]) -> Season:
        """The inverse of `as_list`."""
        one = Season()
        one.hours = {hour: [n, total] for hour, n, total in fields}
        return one


def _overlap(hour: int, since: int, end: int) -> float:
    """Which part of an hour lies in a window, more than none."""
    return max(1, min(end, (hour + 1) * HOUR_S) - max(since, hour * HOUR_S)) / HOUR_S


def _hours(since: int, until: int) -> range:
    """The hours that a window touches, at most a day of them, the last ones."""
    first, last = since // HOUR_S, until // HOUR_S
    return range(max(first, last - DAY_HOURS + 1), last + 1)

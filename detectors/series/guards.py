"""What else a change may be: the hour of the day, or other work than before. And what it came with."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from detectors.series.baseline import Baseline
from detectors.series.measures import Measure
from detectors.series.parameters import SeriesParameters
from detectors.series.quantiles import DECILES, places
from detectors.series.totals import VERSION, Totals, share
from schemas.histogram import SCALE

STEP_SHARE: Final = 0.7
"""So much of the least change that is told must stand above the same hour of other days."""
JUMP: Final = 0.3
"""A mark whose share of the observations grew by so much came with the change."""
BEFORE: Final = 120.0
"""Observations with a mark just before the change, all of them as ever: it was there already. A small change is noticed
later than it begins, but seldom by so many."""
MIN_KNOWN: Final = 20
"""Observations of a mark before its own level is known."""
BENDING: Final = 0.03
"""By so much an hour a trend may grow steeper each hour."""
DRIFT: Final = 0.05
"""By so much a day a level may creep up."""
DOUBT: Final = 2.4
"""Errors of the difference that must lie between it and what a season may do."""
MARKED: Final = 0.85
"""So much of that where something came with it that somebody changed."""
SURE: Final = 4.0
"""Errors of the difference that must lie between it and the same hour of other days."""
_MARKERS: Final = (VERSION, "prompt=", "model=")
"""Marks that somebody changes on purpose. An agent's share of the work changes by itself, its version does not."""
_AGENT: Final = "agent="
_WORK: Final = ("agent=", "prompt=", "model=")
_BUCKETS: Final = SCALE / math.log(2)
"""Buckets for each unit of the logarithm."""


def coinciding(baseline: Baseline, after: Totals) -> list[str]:
    """Marks that came with the change, in order of name."""
    return [
        mark
        for mark in sorted(after.marks)
        if (mark.startswith(_MARKERS) or _is_release(baseline, mark))
        and share(after.marks, mark, after.count) - baseline.recent.share(mark) >= JUMP
        and baseline.recent.marks.get(mark, 0.0) < BEFORE
    ]


def _is_release(baseline: Baseline, mark: str) -> bool:
    """Whether it is another version of an agent that was there before, such as `agent=coder@2`."""
    name, versioned, _ = mark.rpartition("@")
    if not versioned or not mark.startswith(_AGENT):
        return False
    return any(one != mark and one.rpartition("@")[0] == name for one in baseline.marks)


class Suspicion(NamedTuple):
    """What is suspected: that it is another series since then."""

    since: int
    until: int
    """Start of the first and of the last minute, seconds since 1970."""
    after: Totals
    phi: float
    """Over-dispersion of `after`."""
    marked: bool = False
    """Whether something came with it that somebody changed."""


def seasonal(measure: Measure, parameters: SeriesParameters, baseline: Baseline, suspected: Suspicion) -> bool:
    """Whether the hour may explain it: it is no higher than at the same hour of other days.

    While no other day is known, the level may drift as it did in the hours before, and at most as `season_slope` says;
    somewhat less where a new version, prompt or model came with it.
    """
    n, total = measure.location(suspected.after)
    if not measure.seasonal or n == 0:
        return False
    least = STEP_SHARE * measure.step
    spread = _spread(baseline) * math.sqrt(suspected.phi)
    day = baseline.season.yesterdays(suspected.since, suspected.until)
    week = baseline.season.last_week(suspected.since, suspected.until)
    if day is not None and week is None:  # yesterday may have been a Sunday
        highest = baseline.season.highest(suspected.since, suspected.until) or day
        if highest.location - day.location > DOUBT * spread * math.sqrt(1 / highest.n + 1 / day.n):
            day = highest
    if day is None and week is None:
        return total / n < _slope_reaches(parameters, baseline, suspected, (n, spread, least))
    if week is not None and total / n - week.location < least:
        return True
    if day is None:
        return False
    error = spread * math.sqrt(1 / n + 1 / day.n)
    return total / n - day.location < max(least, DRIFT * _BUCKETS * day.age_days, SURE * error)


def _slope_reaches(
    parameters: SeriesParameters, baseline: Baseline, suspected: Suspicion, against: tuple[int, float, float]
) -> float:
    """The level that a season could have come to since; `against`: observations, their spread, the least change."""
    n, spread, least = against
    recent = baseline.recent
    if recent.located < MIN_KNOWN:
        return -math.inf
    hours = max(0.0, ((suspected.since + suspected.until) / 2 - recent.time / recent.located) / 3600)
    allowed = _slope(parameters, baseline, suspected.since, spread) * hours + BENDING * _BUCKETS / 2 * hours**2
    allowed = min(allowed, parameters.season_most * _BUCKETS) + DOUBT * spread * math.sqrt(1 / n + 1 / recent.located)
    return recent.total / recent.located + max(least, MARKED * allowed if suspected.marked else allowed)


def _spread(baseline: Baseline) -> float:
    """Standard deviation of one observation's bucket, by the deciles."""
    low, high = places(baseline.histogram, (DECILES[0], DECILES[-1]))
    return (high - low) / 2.563


def _slope(parameters: SeriesParameters, baseline: Baseline, since: int, spread: float) -> float:
    """Buckets an hour by which the level may grow without anything having happened."""
    slope, error = baseline.season.trend(since)
    upper = max(0.0, slope) + 1.65 * error * spread
    most = parameters.season_slope * _BUCKETS
    return min(most, upper) if math.isfinite(upper) else most


def mixed(measure: Measure, parameters: SeriesParameters, baseline: Baseline, after: Totals) -> str:
    """What has another share in the work than before and explains the change by that: `agent`, ...; "" = nothing."""
    n, total = measure.location(after)
    old_n, old_total = _location_of(measure, baseline)
    if n == 0 or old_n <= 0:
        return ""
    grown = total / n - old_total / old_n
    for prefix in _WORK:
        if grown > 0 and _explained(measure, baseline, after, prefix) >= parameters.mix_share * grown:
            return prefix.rstrip("=")
    return ""


def _explained(measure: Measure, baseline: Baseline, after: Totals, prefix: str) -> float:
    """The growth there would be, had each mark stayed at its own level and only the shares changed."""
    grown = covered = 0.0
    for mark in sorted({m for m in (*baseline.marks, *after.marks) if m.startswith(prefix)}):
        now = share(after.marks, mark, after.count)
        row = baseline.marks.get(mark)
        weight, total = (row[2], row[3]) if row and measure.seasonal else (row[0], row[1]) if row else (0.0, 0.0)
        if weight >= MIN_KNOWN and row:
            grown += (now - row[0] / baseline.count) * total / weight
            covered += now
    return grown if covered >= 0.9 else 0.0


def _location_of(measure: Measure, baseline: Baseline) -> tuple[float, float]:
    if not measure.seasonal:
        return baseline.count, baseline.errors
    return baseline.timed, math.fsum(i * baseline.histogram[i] for i in sorted(baseline.histogram))

"""Intervals at 95 % for what was counted."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import stats


def rate_interval(events: int, exposure: float) -> tuple[float, float]:
    """Of a rate, exact for a Poisson count (Garwood 1936)."""
    low = float(stats.chi2.ppf(0.025, 2 * events)) / 2 if events else 0.0
    high = float(stats.chi2.ppf(0.975 if events else 0.95, 2 * events + 2)) / 2
    return low / exposure, high / exposure


def share_interval(hits: int, of: int) -> tuple[float, float]:
    """Of a share (Wilson 1927)."""
    if not of:
        return 0.0, 1.0
    found = stats.binomtest(hits, of).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and its interval by order statistics; what was never reached is infinite."""
    order = sorted(values)
    n = len(order)
    if not n:
        return math.nan, math.nan, math.nan
    low = int(stats.binom.ppf(0.025, n, 0.5))
    middle = order[n // 2] if n % 2 else (order[n // 2 - 1] + order[n // 2]) / 2
    return middle, order[max(0, low - 1)], order[min(n - 1, n - low)]


def too_many(events: int, exposure: float, highest_rate: float) -> bool:
    """Whether so many events would come by chance less than once in a hundred runs at the highest rate allowed."""
    return bool(events and stats.poisson.sf(events - 1, highest_rate * exposure) < 0.01)

"""Estimates with intervals, and how two of them differ.

Intervals are at 99 %: several measures are compared at once, and nobody asks again in the same way. Sources: Wilson
(1927) for shares; order statistics for quantiles; the difference of two estimates from their own intervals by MOVER
(Zou and Donner 2008, Statistics in Medicine 27), on the logarithm where sizes are ratios.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Final, Literal, NamedTuple

from schemas.histogram import SCALE, midpoint_ns

CONFIDENCE: Final = 0.99
MIN_N: Final = 20
"""Observations on a side below which nothing is concluded."""

MOST_LOGARITHM: Final = 700.0
"""Beyond its exponential there are no floats."""

Verdict = Literal["better", "worse", "same", "insufficient data"]


class Estimate(NamedTuple):
    """A number with its interval; NaN where there is none."""

    value: float
    low: float
    high: float
    n: int
    """Observations that it rests on."""


class Change(NamedTuple):
    """How far a second estimate is from a first; the interval of a ratio has no upper end where `high` is infinite."""

    size: float
    """Of shares: the difference; otherwise the ratio."""
    low: float
    high: float


def z_of(comparisons: int = 1) -> float:
    """How many standard errors an interval reaches, so that all of so many hold together (Bonferroni)."""
    return NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2 / max(1, comparisons))


Z: Final = z_of()
NOTHING: Final = Estimate(math.nan, math.nan, math.nan, 0)


def share(part: int, n: int, z: float = Z) -> Estimate:
    """A proportion, by Wilson's interval."""
    if n <= 0:
        return NOTHING
    p, z2 = part / n, z * z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Estimate(p, max(0.0, middle - half), min(1.0, middle + half), n)


def quantile_s(histogram: Mapping[int, int], q: float, z: float = Z) -> Estimate:
    """A quantile of durations in seconds, from a histogram of `schemas.histogram`.

    The interval reaches from the lower edge of the bucket of its lowest rank to the upper edge of that of its highest.
    Where the ranks leave the observations, a side of it is not finite.
    """
    n = sum(histogram.values())
    if n == 0:
        return NOTHING
    half = z * math.sqrt(n * q * (1 - q))
    ranks = (math.floor(n * q - half), round(q * (n - 1)) + 1, math.ceil(n * q + half) + 1)
    low, middle, high = (_bucket_at(histogram, rank) for rank in ranks)
    return Estimate(
        midpoint_ns(middle or 0) / 1e9,
        0.0 if low is None else 2.0 ** (low / SCALE) / 1e9,
        math.inf if high is None else 2.0 ** ((high + 1) / SCALE) / 1e9,
        n,
    )


def _bucket_at(histogram: Mapping[int, int], rank: int) -> int | None:
    """The bucket of the observation of this rank, from 1; None outside."""
    if rank < 1:
        return None
    seen = 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= rank:
            return bucket
    return None


def mean(n: int, total: float, squares: float, z: float = Z) -> Estimate:
    """A mean by the normal interval, from count, sum and sum of squares."""
    if n < 2 or not math.isfinite(total + squares):
        return NOTHING
    middle = total / n
    half = z * math.sqrt(max(0.0, squares - n * middle * middle) / (n - 1) / n)
    return Estimate(middle, middle - half, middle + half, n)


def difference(before: Estimate, after: Estimate) -> Change:
    """After less before."""
    size = after.value - before.value
    low = size - math.hypot(after.value - after.low, before.high - before.value)
    high = size + math.hypot(after.high - after.value, before.value - before.low)
    return Change(size, low, high)


def ratio(before: Estimate, after: Estimate) -> Change:
    """After over before; NaN where either is not above 0, an end of its interval infinite where none can be told."""
    if not (before.value > 0 and after.value > 0):
        return Change(math.nan, math.nan, math.nan)
    change = difference(_logarithm(before), _logarithm(after))
    return Change(*(math.inf if number > MOST_LOGARITHM else math.exp(number) for number in change))


def _logarithm(one: Estimate) -> Estimate:
    low = math.log(one.low) if one.low > 0 else -math.inf
    return Estimate(math.log(one.value), low, math.log(one.high), one.n)


def verdict(before: Estimate, after: Estimate, change: Change, same: tuple[float, float]) -> Verdict:
    """What may be said, where more is worse.

    Args:
        before: The first estimate.
        after: The second.
        change: Of the two.
        same: Changes from the first to the second number, no change among them, do not matter.
    """
    if min(before.n, after.n) < MIN_N or math.isnan(change.low + change.high):
        return "insufficient data"
    least, most = same
    if least <= change.low and change.high <= most:
        return "same"
    none = 0.0 if least <= 0 else 1.0
    if change.low > none and change.size > most:
        return "worse"
    return "better" if change.high < none and change.size < least else "insufficient data"

"""Quantiles of log-spaced histograms, and how far one lies above another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from schemas.histogram import SCALE

DECILES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_SPREAD: Final = 2.563
"""Standard deviations of a normal distribution between its first and last decile."""
_LN_BUCKET: Final = math.log(2) / SCALE


def places(histogram: Mapping[int, float], wanted: Sequence[float]) -> list[float]:
    """The quantiles (0..1, ascending) as places in buckets, linear within a bucket; NaN when it is empty."""
    order = sorted(histogram)
    total = math.fsum(histogram[index] for index in order)
    if total <= 0:
        return [math.nan] * len(wanted)
    found: list[float] = []
    seen = 0.0
    at = 0
    for q in wanted:
        while at < len(order) - 1 and seen + histogram[order[at]] < q * total:
            seen += histogram[order[at]]
            at += 1
        inside = (q * total - seen) / histogram[order[at]] if histogram[order[at]] > 0 else 0.5
        found.append(order[at] + min(1.0, max(0.0, inside)))
    return found


def value(place: float) -> float:
    """What lies at a place, in the histogram's base unit (nanoseconds, tokens, 1e-9 US dollars)."""
    return float(2.0 ** (place / SCALE)) if math.isfinite(place) else math.nan


class Shift:
    """How many times as large `after` is as `before`: the mean distance of their deciles, with its error.

    Far less noisy than a ratio of medians, and as little bothered by a few huge values.
    """

    __slots__ = ("log_ratio", "log_sd")

    def __init__(self, before: Mapping[int, float], after: Mapping[int, float], phi: float) -> None:
        old, new = places(before, DECILES), places(after, DECILES)
        self.log_ratio = math.fsum(b - a for a, b in zip(old, new, strict=True)) / len(DECILES) * _LN_BUCKET
        n_old, n_new = math.fsum(before.values()), math.fsum(after.values())
        self.log_sd = math.inf
        if n_old > 0 and n_new > 0:
            spreads = [(row[-1] - row[0]) * _LN_BUCKET / _SPREAD for row in (old, new)]
            self.log_sd = math.sqrt(phi * (spreads[0] ** 2 / n_old + spreads[1] ** 2 / n_new))

    def interval(self) -> tuple[float, float, float]:
        """Ratio, and its interval at 95 %."""
        if not math.isfinite(self.log_ratio):
            return math.nan, math.nan, math.nan
        margin = min(700.0, 1.96 * self.log_sd)
        return tuple(math.exp(min(700.0, self.log_ratio + side)) for side in (0.0, -margin, margin))  # type: ignore[return-value]  # three of them

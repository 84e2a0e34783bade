"""What a series is measured by: latency, tokens and cost as ranks within their past, errors as a share.

A frame is the past, made ready for scoring. Scores have a known distribution while nothing changes, whatever the
shape of the latencies: ranks are turned into normal scores by bins of the past's quantiles.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from statistics import NormalDist
from typing import Final, NamedTuple, Protocol

from detectors.series.baseline import Baseline
from detectors.series.evidence import Frame, Scores
from detectors.series.parameters import ErrorParameters
from detectors.series.quantiles import Shift, places, value
from detectors.series.totals import Totals
from schemas.facts import Slice
from schemas.histogram import SCALE

_CUTS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
_NORMAL: Final = NormalDist()
_TAIL_OBSERVATIONS: Final = 100
"""Fewer do not tell a 95th percentile."""
_TAIL_RATIO: Final = 1.3


class Effect(NamedTuple):
    """How large a change is."""

    before: float
    after: float
    unit: str
    what: str
    """`p50`, `p95` or `share of failed calls`."""
    size: tuple[float, float, float]
    """Ratio or difference, with its interval at 95 %."""
    of: str
    """`ratio` or `difference`."""
    worth_telling: bool
    critical: bool


class Measure(Protocol):
    """One way to measure a series."""

    tilts: tuple[float, ...]
    step: float
    """The least change of the location that is worth telling."""
    seasonal: bool
    """Whether the hour of the day may move it."""

    def view(self, part: Slice) -> Slice | None:
        """What it sees of a slice; None: nothing."""
        ...

    def weight(self, baseline: Baseline) -> float:
        """How many observations of the past it can use."""
        ...

    def frame(self, baseline: Baseline) -> Frame:
        """The past, made ready."""
        ...

    def score(self, frame: Frame, totals: Totals) -> Scores:
        """Some observations, scored."""
        ...

    def location(self, totals: Totals) -> tuple[int, float]:
        """Observations, and the sum of where each lies: its bucket, or 1 for an error."""
        ...

    def effect(self, baseline: Baseline, after: Totals, phi: float) -> Effect:
        """How large the change is, and whether that is worth telling."""
        ...


class Quantity(NamedTuple):
    """A magnitude that calls have, and from when on its growth is worth telling."""

    field: str
    """Of `Slice`: the histogram."""
    unit: str
    per_unit: float
    """Of the histogram's base unit."""
    min_ratio: float
    min_increase: float
    """In `unit`, of the median or the 95th percentile."""
    critical_ratio: float


class Magnitude:
    """Latency of calls that did not fail, tokens of a call, cost of a call."""

    tilts: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8, 1.6)
    seasonal = True

    def __init__(self, quantity: Quantity) -> None:
        self._quantity = quantity
        self.step = SCALE * math.log2(quantity.min_ratio)

    def view(self, part: Slice) -> Slice | None:
        """The slice by the quantity's histogram."""
        if self._quantity.field == "histogram":
            return part
        histogram: Mapping[int, int] = getattr(part, self._quantity.field)
        if not histogram:
            return None
        marks = {mark: [*row[:2], 0, 0] for mark, row in part.marks.items()}
        count = sum(histogram.values())
        return part._replace(histogram=dict(histogram), count=count, errors=0, error_types={}, marks=marks)

    def weight(self, baseline: Baseline) -> float:
        """Observations in the histogram."""
        return baseline.timed

    def frame(self, baseline: Baseline) -> Frame:
        """Bins at the past's quantiles, and one on each side for what was never seen."""
        total = baseline.timed
        edges: list[int] = []
        masses = [0.5]
        order = sorted(baseline.histogram)
        if order:
            edges.append(order[0] - 1)
        seen = mass = 0.0
        cuts = iter((*_CUTS, 2.0))
        cut = next(cuts)
        for index in order:
            mass += baseline.histogram[index]
            seen += baseline.histogram[index]
            if seen >= cut * total or index == order[-1]:
                edges.append(index)
                masses.append(mass)
                mass = 0.0
                while seen >= cut * total:
                    cut = next(cuts)
        masses.append(0.5)
        return _normal_frame(total, edges, masses, self.tilts)

    def score(self, frame: Frame, totals: Totals) -> Scores:
        """Sum of the bins' scores."""
        n, total = 0, 0.0
        for index, number in sorted(totals.histogram.items()):
            n += number
            total += number * frame.scores[bisect_left(frame.edges, index)]
        return Scores(n, total)

    def location(self, totals: Totals) -> tuple[int, float]:
        """By bucket, that is by the logarithm."""
        return sum(totals.histogram.values()), float(sum(i * n for i, n in totals.histogram.items()))

    def effect(self, baseline: Baseline, after: Totals, phi: float) -> Effect:
        """By all deciles, or by the 95th percentile where only the tail grew."""
        wanted, shift = self._quantity, Shift(baseline.histogram, after.histogram, phi)
        old, new = ([value(p) / wanted.per_unit for p in places(h, (0.5, 0.95))]
                    for h in (baseline.histogram, after.histogram))  # fmt: skip
        size = shift.interval()
        enough = size[0] >= wanted.min_ratio and new[0] - old[0] >= wanted.min_increase
        tail = new[1] / old[1] if old[1] > 0 else math.nan
        grown = (
            tail >= max(_TAIL_RATIO, wanted.min_ratio)
            and new[1] - old[1] >= wanted.min_increase
            and after.count >= _TAIL_OBSERVATIONS
        )
        if enough or not grown:
            return Effect(
                old[0], new[0], wanted.unit, "p50", size, "ratio", enough, enough and size[0] >= wanted.critical_ratio
            )
        # a quantile of the tail is about four times as uncertain as all deciles together
        margin = math.exp(min(700.0, 4 * 1.96 * shift.log_sd))
        size = (tail, tail / margin, tail * margin)
        return Effect(old[1], new[1], wanted.unit, "p95", size, "ratio", True, tail >= wanted.critical_ratio)


def _normal_frame(total: float, edges: list[int], masses: list[float], tilts: tuple[float, ...]) -> Frame:
    everything = math.fsum(masses)
    scores, below = [], 0.0
    for mass in masses:
        scores.append(_NORMAL.inv_cdf((below + mass / 2) / everything))
        below += mass
    shares = [mass / everything for mass in masses]
    mean = math.fsum(p * s for p, s in zip(shares, scores, strict=True))
    variance = math.fsum(p * (s - mean) ** 2 for p, s in zip(shares, scores, strict=True))
    psi = [math.log(math.fsum(p * math.exp(t * s) for p, s in zip(shares, scores, strict=True))) for t in tilts]
    return Frame(total, mean, variance, psi, edges, scores)


class Errors:
    """Share of calls that failed."""

    tilts: tuple[float, ...] = (0.7, 1.2, 2.0, 3.2)
    """In log-odds."""
    seasonal = False

    def __init__(self, parameters: ErrorParameters) -> None:
        self._parameters = parameters
        self.step = parameters.min_increase

    def view(self, part: Slice) -> Slice | None:
        """The slice without its latencies."""
        return part._replace(histogram={})

    def weight(self, baseline: Baseline) -> float:
        """All calls."""
        return baseline.count

    def frame(self, baseline: Baseline) -> Frame:
        """One error more than seen stands for those that the past could have had."""
        share = (baseline.errors + 1) / (baseline.count + 2)
        psi = [math.log1p(share * math.expm1(t)) for t in self.tilts]
        return Frame(baseline.count, share, share * (1 - share), psi, [], [])

    def score(self, frame: Frame, totals: Totals) -> Scores:
        """An error scores 1."""
        del frame
        return Scores(totals.count, float(totals.errors))

    def location(self, totals: Totals) -> tuple[int, float]:
        """The share of errors."""
        return totals.count, float(totals.errors)

    def effect(self, baseline: Baseline, after: Totals, phi: float) -> Effect:
        """Shares of failed calls."""
        old = baseline.errors / baseline.count if baseline.count > 0 else math.nan
        new = after.errors / after.count if after.count else math.nan
        enough = new - old >= self._parameters.min_increase and new >= old * self._parameters.min_ratio
        size = (math.nan, math.nan, math.nan)
        if baseline.count > 0 and after.count:
            # Agresti and Coull: two observations more of each kind, so that 0 of n has an interval as well
            pairs = ((baseline.errors, baseline.count), (after.errors, after.count))
            p = [(errors + 1) / (count + 2) for errors, count in pairs]
            margin = 1.96 * math.sqrt(phi * sum(q * (1 - q) / (c + 2) for q, (_, c) in zip(p, pairs, strict=True)))
            size = (new - old, max(-1.0, new - old - margin), min(1.0, new - old + margin))
        critical = enough and new >= self._parameters.critical_share
        return Effect(old, new, "ratio", "share of failed calls", size, "difference", enough, critical)

"""What a series is measured by: latency as ranks within its past, errors as a share.

A frame is the past, made ready for scoring. Scores have a known distribution while nothing changes, whatever the
shape of the latencies: ranks are turned into normal scores by bins of the past's quantiles.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from statistics import NormalDist
from typing import Any, Final, NamedTuple, Protocol

from detectors.series.baseline import Baseline, quantile_s
from detectors.series.evidence import Scores
from detectors.series.parameters import ErrorParameters, LatencyParameters
from detectors.series.totals import Totals

_CUTS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
_NORMAL: Final = NormalDist()


class Frame(NamedTuple):
    """The past as a measure needs it."""

    weight: float
    """Observations it rests on."""
    mean: float
    variance: float
    psi: list[float]
    """For each tilt, the log of the mean of exp(tilt * score)."""
    edges: list[int]
    """Latency: the last bucket of each bin but the topmost."""
    scores: list[float]
    """Latency: the score of each bin."""


class Effect(NamedTuple):
    """How large a change is."""

    before: float
    after: float
    unit: str
    what: str
    """`p50`, `p95` or `share of failed calls`."""
    worth_telling: bool
    critical: bool


class Measure(Protocol):
    """One way to measure a series."""

    tilts: tuple[float, ...]

    def weight(self, baseline: Baseline) -> float:
        """How many observations of the past it can use."""
        ...

    def frame(self, baseline: Baseline) -> Frame:
        """The past, made ready."""
        ...

    def score(self, frame: Frame, totals: Totals) -> Scores:
        """Some observations, scored."""
        ...

    def effect(self, baseline: Baseline, after: Totals) -> Effect:
        """How large the change is, and whether that is worth telling."""
        ...


class Latency:
    """Latency of calls that did not fail."""

    tilts: tuple[float, ...] = (0.15, 0.3, 0.6, 1.2, 2.4)

    def __init__(self, parameters: LatencyParameters) -> None:
        self._parameters = parameters

    def weight(self, baseline: Baseline) -> float:
        """Observations with a known duration."""
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

    def effect(self, baseline: Baseline, after: Totals) -> Effect:
        """By the median, or by the 95th percentile where only the tail grew."""
        told: Effect | None = None
        for what, q in (("p50", 0.5), ("p95", 0.95)):
            old, new = quantile_s(baseline.histogram, q), quantile_s(after.histogram, q)
            ratio = new / old if old > 0 else math.nan
            enough = ratio >= self._parameters.min_ratio and (new - old) * 1e3 >= self._parameters.min_increase_ms
            if told is None or (enough and not told.worth_telling):
                told = Effect(old, new, "s", what, enough, enough and ratio >= self._parameters.critical_ratio)
        assert told is not None  # noqa: S101  # the loop above has two rounds
        return told


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

    def __init__(self, parameters: ErrorParameters) -> None:
        self._parameters = parameters

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

    def effect(self, baseline: Baseline, after: Totals) -> Effect:
        """Shares of failed calls."""
        old = baseline.errors / baseline.count if baseline.count > 0 else math.nan
        new = after.errors / after.count if after.count else math.nan
        enough = new - old >= self._parameters.min_increase and new >= old * self._parameters.min_ratio
        return Effect(
            old, new, "ratio", "share of failed calls", enough, enough and new >= self._parameters.critical_share
        )


def frame_of(fields: list[Any]) -> Frame:
    """A frame as `list(frame)` wrote it."""
    return Frame(*fields)

"""Evidence for a change, minute by minute (or slot by slot in one): CUSUM over a grid of exponential tilts.

A measure turns observations into scores whose distribution is known while nothing changes; a change tilts it upwards.
For each tilt t of a grid, W_t = max(0, W_t + t * S - n * psi(t)): the log-likelihood ratio of "tilted since some
minute" to "as ever" (Page 1954; its alarms are rarer than one in e**h updates, Lorden 1971).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

NEVER: Final = -1


class Scores(NamedTuple):
    """What a measure says of some observations."""

    n: int
    total: float


def joined(each: Sequence[Scores]) -> Scores:
    """Of all these observations together."""
    return each[0] if len(each) == 1 else Scores(sum(one.n for one in each), math.fsum(one.total for one in each))


class Frame(NamedTuple):
    """The past as a measure needs it."""

    weight: float
    """Observations it rests on."""
    mean: float
    variance: float
    psi: list[float]
    """For each tilt, the log of the mean of exp(tilt * score)."""
    edges: list[int]
    """Magnitudes: the last bucket of each bin but the topmost."""
    scores: list[float]
    """Magnitudes: the score of each bin."""


def gain(tilts: Sequence[float], frame: Frame, scores: Scores, index: int) -> float:
    """Evidence that observations alone are for a tilt; negative: for the past."""
    return tilts[index] * scores.total - scores.n * frame.psi[index]


def best_tilt(tilts: Sequence[float], frame: Frame, scores: Scores) -> int:
    """Index of the tilt that explains the scores best."""
    gains = [gain(tilts, frame, scores, index) for index in range(len(tilts))]
    return max(range(len(gains)), key=lambda index: (gains[index], -index))


class Cusum:
    """One W for each tilt, with the observations and the minute since it left zero."""

    __slots__ = ("level", "since", "weight")

    def __init__(self, size: int) -> None:
        self.level = [0.0] * size
        self.weight = [0] * size
        self.since = [NEVER] * size

    def copy(self) -> Cusum:
        """The same, to look ahead with."""
        return Cusum.of_list(self.as_list())

    def add(self, scores: Scores, tilts: Sequence[float], psi: Sequence[float], begin: int) -> None:
        """Fold a minute, or a part of one, by its first second."""
        for index, tilt in enumerate(tilts):
            now = self.level[index] + tilt * scores.total - scores.n * psi[index]
            if now > 0 and math.isfinite(now):
                if self.since[index] == NEVER:
                    self.since[index] = begin
                self.level[index] = min(now, 1e9)
                self.weight[index] += scores.n
            else:
                self.level[index], self.weight[index], self.since[index] = 0.0, 0, NEVER

    def reset(self) -> None:
        """Begin anew."""
        self.__init__(len(self.level))  # type: ignore[misc]  # the one place that knows all fields

    def earliest(self) -> int:
        """The first second that any tilt still suspects; NEVER when none does."""
        return min((s for s in self.since if s != NEVER), default=NEVER)

    def suspects(self, baseline_weight: float) -> list[tuple[float, int]]:
        """(evidence, first second) of each tilt that suspects something, strongest first.

        The past is an estimate too: with n0 observations there and m since, a difference of means is
        n0 / (n0 + m) times as sure as against a known past.
        """
        if baseline_weight <= 0:
            return []
        found = [
            (level * baseline_weight / (baseline_weight + weight), since)
            for level, weight, since in zip(self.level, self.weight, self.since, strict=True)
            if since != NEVER
        ]
        return sorted(found, reverse=True)

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        return [self.level, self.weight, self.since]

    @staticmethod
    def of_list(fields: list[Any]) -> Cusum:
        """The inverse of `as_list`."""
        cusum = Cusum(len(fields[0]))
        cusum.level, cusum.weight, cusum.since = list(fields[0]), list(fields[1]), list(fields[2])
        return cusum

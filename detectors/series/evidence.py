"""Evidence for a change, gathered minute by minute: CUSUM over a grid of exponential tilts.

A measure turns observations into scores whose distribution is known while nothing changes; a change tilts it upwards.
For each tilt t of a grid, W_t = max(0, W_t + t * S - n * psi(t)): the log-likelihood ratio of "tilted since some
minute" to "as ever" (Page 1954; its alarms are rarer than one in e**h updates, Lorden 1971). It is divided by
phi >= 1, the over-dispersion of the past: sessions make observations alike, so evidence counts clusters, not calls.
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


class Cusum:
    """One W for each tilt, with the observations and the minute since it left zero."""

    __slots__ = ("level", "since", "weight")

    def __init__(self, size: int) -> None:
        self.level = [0.0] * size
        self.weight = [0] * size
        self.since = [NEVER] * size

    def add(self, scores: Scores, tilts: Sequence[float], psi: Sequence[float], minute: int) -> None:
        """Fold one minute."""
        for index, tilt in enumerate(tilts):
            now = self.level[index] + tilt * scores.total - scores.n * psi[index]
            if now > 0 and math.isfinite(now):
                if self.since[index] == NEVER:
                    self.since[index] = minute
                self.level[index] = min(now, 1e9)
                self.weight[index] += scores.n
            else:
                self.level[index], self.weight[index], self.since[index] = 0.0, 0, NEVER

    def reset(self) -> None:
        """Begin anew."""
        self.__init__(len(self.level))  # type: ignore[misc]  # the one place that knows all fields

    def earliest(self) -> int:
        """The first minute that any tilt still suspects; NEVER when none does."""
        return min((s for s in self.since if s != NEVER), default=NEVER)

    def best(self, baseline_weight: float, phi: float) -> tuple[float, int]:
        """The strongest evidence and its first minute.

        The past is an estimate too: with n0 observations there and m since, a difference of means is
        n0 / (n0 + m) times as sure as against a known past.
        """
        strongest, at = 0.0, 0
        for index, level in enumerate(self.level):
            sure = (
                level / phi * baseline_weight / (baseline_weight + self.weight[index]) if baseline_weight > 0 else 0.0
            )
            if sure > strongest:
                strongest, at = sure, index
        return strongest, self.since[at]

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        return [self.level, self.weight, self.since]

    @staticmethod
    def of_list(fields: list[Any]) -> Cusum:
        """The inverse of `as_list`."""
        cusum = Cusum(len(fields[0]))
        cusum.level, cusum.weight, cusum.since = list(fields[0]), list(fields[1]), list(fields[2])
        return cusum


SCALES: Final = (1, 8, 64)
"""Blocks of minutes over which the past's own variation is measured."""

_PRIOR: Final = ((4.0, 1.25), (4.0, 1.25), (4.0, 1.6))
"""Weight and least value that stand for blocks not yet seen: what is slow is known last, and is not presumed absent."""
_LIKENESS: Final = 0.1
"""Presumed correlation of two calls of one session, until the past tells."""
_MAX_DESIGN: Final = 6.0
_MAX_BLOCKS: Final = 256.0
_MAX_SQUARE: Final = 50.0


class Dispersion:
    """How much more the past's blocks varied than independent observations would (1 = not at all)."""

    __slots__ = ("blocks", "filled", "n", "squares", "total")

    def __init__(self) -> None:
        self.filled = [0] * len(SCALES)
        self.n = [0] * len(SCALES)
        self.total = [0.0] * len(SCALES)
        self.blocks = [0.0] * len(SCALES)
        self.squares = [0.0] * len(SCALES)

    def add(self, scores: Scores, mean: float, variance: float) -> None:
        """Fold one minute of the past, given the mean and variance of one score."""
        if scores.n <= 0 or variance <= 0:
            return
        for at, scale in enumerate(SCALES):
            self.filled[at] += 1
            self.n[at] += scores.n
            self.total[at] += scores.total
            if self.filled[at] < scale:
                continue
            square = (self.total[at] - self.n[at] * mean) ** 2 / (self.n[at] * variance)
            if self.blocks[at] >= _MAX_BLOCKS:
                self.blocks[at] *= 0.5
                self.squares[at] *= 0.5
            self.blocks[at] += 1
            self.squares[at] += min(square, _MAX_SQUARE)
            self.filled[at], self.n[at], self.total[at] = 0, 0, 0.0

    def factor(self, calls_per_session: float = 1.0) -> float:
        """phi: the largest of the scales', never under 1.

        Until the past has shown how alike a session's calls are, the design effect of clusters of that size stands
        in for it (Kish 1965).
        """
        design = min(_MAX_DESIGN, 1 + _LIKENESS * max(0.0, calls_per_session - 1))
        scales = [
            (weight * max(least, design if at else 1.0) + self.squares[at]) / (weight + self.blocks[at])
            for at, (weight, least) in enumerate(_PRIOR)
        ]
        return max(1.0, *scales)

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        return [self.filled, self.n, self.total, self.blocks, self.squares]

    @staticmethod
    def of_list(fields: list[Any]) -> Dispersion:
        """The inverse of `as_list`."""
        one = Dispersion()
        one.filled, one.n, one.total, one.blocks, one.squares = (list(f) for f in fields)
        return one

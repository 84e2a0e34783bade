"""How much less a call says when its session's other calls are counted too.

Calls of one session resemble each other, and things change slowly besides. Both make blocks of the past vary more
than independent calls would; evidence is divided by that factor phi >= 1.
"""

from __future__ import annotations

from typing import Any, Final

from detectors.series.evidence import Frame, Scores
from detectors.series.totals import Totals, distinct, smallest

SCALES: Final = (1, 8, 64)
"""Blocks of minutes over which the past's own variation is measured."""
SESSION_SCALE: Final = 1
"""Index of the scale at which the likeness of a session's calls is learned."""
LAGS: Final = (1, 2, 1)
"""A block is compared with the one so many before it, after von Neumann (1941): a slow season is no dispersion (the
guards see to it), and sessions that go on over a block's end do not make the next one alike."""

_PRIOR_BLOCKS: Final = (8.0, 4.0, 3.0)
"""Blocks that stand for those not yet seen."""
_LEAST: Final = (1.1, 1.15, 1.25)
"""Their value where calls of a session are not alike: slow variation is not presumed absent."""
_LIKENESS: Final = 0.2
"""Presumed correlation of two calls of one session, until the past tells."""
_LIKENESS_WEIGHT: Final = 40.0
_MAX_BLOCKS: Final = 256.0
_MAX_SQUARE: Final = 50.0
_MAX_DESIGN: Final = 60.0


class Dispersion:
    """Mean square between the past's blocks, in units of what independent calls would give, at three scales."""

    __slots__ = ("alike", "before", "blocks", "filled", "hashes", "n", "pairs", "squares", "total")

    def __init__(self) -> None:
        self.filled = [0] * len(SCALES)
        self.n = [0] * len(SCALES)
        self.total = [0.0] * len(SCALES)
        self.blocks = [0.0] * len(SCALES)
        self.squares = [0.0] * len(SCALES)
        self.before: list[list[list[float]]] = [[] for _ in SCALES]
        """The last blocks of each scale: [observations, mean]."""
        self.hashes: list[int] = []
        """The smallest ones of the sessions in the present block of the session scale."""
        self.alike = 0.0
        self.pairs = 0.0
        """Excess of the squares, and the calls per session beyond the first that it came from, weighted: their ratio
        is the correlation of two calls of a session (Kish 1965)."""

    def add(self, scores: Scores, totals: Totals, frame: Frame) -> None:
        """Fold some minutes of the past, scored by a frame."""
        if scores.n <= 0 or frame.variance <= 0:
            return
        self.hashes = smallest(self.hashes, totals.hashes)
        for at, scale in enumerate(SCALES):
            self.filled[at] += totals.minutes
            self.n[at] += scores.n
            self.total[at] += scores.total
            if self.filled[at] >= scale:
                self._full(at, frame)

    def _full(self, at: int, frame: Frame) -> None:
        """A block is over: the square of its distance to an earlier one."""
        n, mean = self.n[at], self.total[at] / self.n[at]
        if len(self.before[at]) == LAGS[at]:
            old_n, old_mean = self.before[at].pop(0)
            square = min((mean - old_mean) ** 2 / (frame.variance * (1 / n + 1 / old_n)), _MAX_SQUARE)
            if self.blocks[at] >= _MAX_BLOCKS:
                self.blocks[at] *= 0.5
                self.squares[at] *= 0.5
            self.blocks[at] += 1
            self.squares[at] += square
            if at == SESSION_SCALE:
                self._learn_likeness(square)
        self.before[at].append([n, mean])
        self.filled[at], self.n[at], self.total[at] = 0, 0, 0.0
        if at == SESSION_SCALE:
            self.hashes = []

    def _learn_likeness(self, square: float) -> None:
        sessions = distinct(self.hashes)
        if sessions:
            if self.pairs > _MAX_BLOCKS * 16:
                self.pairs *= 0.5
                self.alike *= 0.5
            others = max(0.0, self.n[SESSION_SCALE] / sessions - 1)
            weight = others / (1 + _LIKENESS * others) ** 2  # the more calls a session has, the wilder is its square
            self.pairs += weight * others
            self.alike += weight * (square - 1)

    def likeness(self) -> float:
        """Correlation of two calls of one session, 0..1."""
        learned = (_LIKENESS * _LIKENESS_WEIGHT + self.alike) / (_LIKENESS_WEIGHT + self.pairs)
        return min(1.0, max(0.0, learned))

    def from_sessions(self, calls_per_session: float) -> float:
        """Which part of a mean's variance comes from the sessions being different, 0..1."""
        excess = self.likeness() * max(0.0, calls_per_session - 1)
        return excess / (1 + excess)

    def factor(self, calls_per_session: float = 1.0, minutes: int = SCALES[-1]) -> float:
        """The factor phi for observations of so many minutes, with so many calls to a session.

        The largest of what sessions and the scales say, of those that are not much longer than the minutes.
        """
        design = min(_MAX_DESIGN, 1 + self.likeness() * max(0.0, calls_per_session - 1))
        scales = [
            (prior * max(least, design if at else 1.0) + self.squares[at]) / (prior + self.blocks[at])
            for at, (prior, least) in enumerate(zip(_PRIOR_BLOCKS, _LEAST, strict=True))
            if SCALES[at] <= 2 * minutes
        ]
        return max(1.0, design, *scales)

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        return [
            self.filled, self.n, self.total, self.blocks, self.squares, self.hashes, self.alike, self.pairs,
            self.before,
        ]  # fmt: skip

    @staticmethod
    def of_list(fields: list[Any]) -> Dispersion:
        """The inverse of `as_list`."""
        one = Dispersion()
        one.filled, one.n, one.total, one.blocks, one.squares, one.hashes = (list(f) for f in fields[:6])
        one.alike, one.pairs, one.before = fields[6:]
        return one

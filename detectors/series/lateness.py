"""How late the slices of a series come, and so how long its minutes have to be waited for."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final

BOUNDS_S: Final = (0, 60, 150, 330)
"""What is waited for beside `grace_s`: nothing, an exporter of once a minute, of every two, of every five."""
MEMORY: Final = 400
"""Observations that are remembered, by and large."""
LEFT_OUT: Final = 0.02
"""So much may come later than is waited for."""
FEW: Final = 3
"""So many are an accident."""


class Lateness:
    """Observations by how long after the latest slice they came. Bounded: five numbers.

    What comes later than the last bound is no reason to wait: a recording that was posted out of order, or a clock that
    is wrong.
    """

    __slots__ = ("_counts", "wait_s")

    def __init__(self) -> None:
        self._counts = [0.0] * (len(BOUNDS_S) + 1)
        self.wait_s = 0
        """Seconds; a function of the counts."""

    def note(self, late_s: int, observations: int) -> None:
        """So many came so long after the latest slice."""
        if late_s <= 0 and not any(self._counts[1:]):  # nearly always
            self._counts[0] = min(MEMORY, self._counts[0] + observations)
            return
        fresh = min(MEMORY, observations)
        over = max(0.0, sum(self._counts) + fresh - MEMORY)
        if over:
            self._counts = [count * (1 - min(1.0, over / MEMORY)) for count in self._counts]
        self._counts[bisect_left(BOUNDS_S, late_s)] += fresh
        self.wait_s = self._wait_s()

    def _wait_s(self) -> int:
        counted = self._counts[:-1]
        allowed = max(FEW, LEFT_OUT * sum(counted))
        left = 0.0
        for bound, count in zip(reversed(BOUNDS_S), reversed(counted), strict=True):
            left += count
            if left > allowed:
                return bound
        return 0

    def as_list(self) -> list[float]:
        """Fit for JSON."""
        return self._counts

    @staticmethod
    def of_list(fields: list[Any]) -> Lateness:
        """The inverse of `as_list`."""
        one = Lateness()
        one._counts = list(fields)
        one.wait_s = one._wait_s()
        return one

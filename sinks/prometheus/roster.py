"""Who is shown by name: the busiest keys, so that the number of time series stays bounded."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)

CANDIDATES_PER_PLACE: Final = 4
HALVE_EVERY: Final = 10_000
"""Admissions after which all weights are halved: who was busy long ago makes room."""


class Admission(NamedTuple, Generic[K]):
    """Whether a key is shown by name, and which key lost its place to it."""

    named: bool
    evicted: K | None = None


class Roster(Generic[K]):
    """Hands out `places` names to the keys with the most weight.

    A key keeps its place, so that its counters only grow, until a key without one has been twice as busy as the
    least busy named one. Memory: at most 5 x `places` keys. Deterministic, no clock.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._named: dict[K, float] = {}
        self._candidates: dict[K, float] = {}
        self._admissions = 0

    def admit(self, key: K, weight: float) -> Admission[K]:
        """Count `weight` for a key and say whether it has a name now."""
        self._admissions += 1
        if self._admissions % HALVE_EVERY == 0:
            self._halve()
        if key in self._named or len(self._named) < self._places:
            self._named[key] = self._named.get(key, 0.0) + weight
            return Admission(named=True)
        self._candidates[key] = own = self._candidates.get(key, 0.0) + weight
        least = min(self._named, key=self._named.__getitem__)
        if own <= 2 * self._named[least]:
            self._make_room()
            return Admission(named=False)
        self._candidates[least] = self._named.pop(least)
        self._named[key] = self._candidates.pop(key)
        return Admission(named=True, evicted=least)

    def _make_room(self) -> None:
        if len(self._candidates) > CANDIDATES_PER_PLACE * self._places:
            del self._candidates[min(self._candidates, key=self._candidates.__getitem__)]

    def _halve(self) -> None:
        for weights in (self._named, self._candidates):
            for key in weights:
                weights[key] /= 2

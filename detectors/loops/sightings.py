"""How often what calls compare by was seen: where nothing came three times, no call can be part of a loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from detectors.loops.calls import ACKNOWLEDGED, IGNORED, NOTE, SIZE_RANK, WRAPPER, Call
from detectors.loops.session import Session

FEWEST: Final = 3
"""Repeats that any pattern takes: see `Lane.candidate`."""
SPARE_KEYS: Final = 128
_NEVER_REPEATS: Final = IGNORED | WRAPPER


class Sightings:
    """Counts of arguments keys and of result keys since the last `begin`.

    They may count too much, calls that have left the window and equal results of different tools, and never too
    little: what they call new is new.
    """

    __slots__ = ("_bound", "_counts")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._bound = SPARE_KEYS

    def begin(self, session: Session, calls: Iterable[Call]) -> bool:
        """Count what a session holds and these calls after it; whether one of the calls may be part of a loop."""
        self._counts.clear()
        for lane in session.lanes.values():
            for step in lane.steps:
                self.note(step.call)
        repeats = [self.note(call) for call in calls]
        self._bound = 2 * len(self._counts) + SPARE_KEYS
        return True in repeats

    def note(self, call: Call) -> bool:
        """Count a call; whether it may be part of a loop, together with those counted before."""
        if call.kind != "tool":
            return call.kind == "verdict"
        flags = call.flags
        if flags & _NEVER_REPEATS:
            return False
        counts = self._counts
        key = call.arguments_key
        seen = counts[key] = counts.get(key, 0) + 1
        if call.confidence < SIZE_RANK and not flags & NOTE:
            key = call.result_key
            equal = counts[key] = counts.get(key, 0) + 1
            if equal >= FEWEST and not flags & ACKNOWLEDGED:
                return True
        return seen >= FEWEST

    @property
    def are_stale(self) -> bool:
        """Whether so much has been counted since `begin` that it is time for it: most of it may be gone."""
        return len(self._counts) > self._bound

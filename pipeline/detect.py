"""The folds over `telltale.calls` and `telltale.slices`: detectors side by side on the state of one key.

Contract: `pipeline.stages.keyed.Fold`. The detectors do the deciding; here stands only who is asked when.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from detectors.contract import Detector
from pipeline import wire
from schemas.facts import SessionFact, Slice
from schemas.finding import Finding

MOVED: Final = "moved"
"""Event kind: what this key holds is told again under another key; begin anew, say nothing."""


class Sides:
    """One state for each detector, in the catalogue's order."""

    __slots__ = ("last_seen", "states")

    def __init__(self, states: list[Any], last_seen: int = 0) -> None:
        self.states = states
        self.last_seen = last_seen


class DetectorFold:
    """Folds one key's events through several detectors."""

    def __init__(self, detectors: Sequence[Detector[Any, Any]], expire_ns: int) -> None:
        self._detectors = tuple(detectors)
        self._observers = tuple((at, detector.observe) for at, detector in enumerate(detectors))
        self._dues = tuple((at, detector.due) for at, detector in enumerate(detectors))
        self._expire_ns = expire_ns

    def initial(self, key: str) -> Sides:
        """Every detector's first state."""
        del key
        return Sides([d.initial() for d in self._detectors])

    def apply(self, state: Sides, kind: str, fields: list[Any]) -> list[Finding]:
        """Fold one fact through every detector."""
        if kind == MOVED:
            state.states = [d.initial() for d in self._detectors]
            return []
        fact: SessionFact | Slice
        if kind == "slice":
            fact = wire.slice_of(fields)
            at = fact.minute_unix_s * 1_000_000_000
        else:
            fact = wire.session_fact(kind, fields)
            at = fact.start_time_unix_nano
        state.last_seen = max(state.last_seen, at)
        states = state.states
        found: list[Finding] = []
        for index, observe in self._observers:
            states[index], findings = observe(states[index], fact)
            if findings:
                found += findings
        return found

    def advance(self, state: Sides, watermark_unix_nano: int) -> list[Finding]:
        """Let every detector judge the silence."""
        found: list[Finding] = []
        for index, detector in enumerate(self._detectors):
            state.states[index], findings = detector.advance(state.states[index], watermark_unix_nano)
            found += findings
        return found

    def due(self, state: Sides) -> int | None:
        """The earliest moment at which a detector wants to be asked."""
        first: int | None = None
        for index, due in self._dues:
            at = due(state.states[index])
            if at is not None and (first is None or at < first):
                first = at
        return first

    def expired(self, state: Sides, watermark_unix_nano: int) -> bool:
        """Whether the key has been silent for so long that it is over."""
        return watermark_unix_nano > state.last_seen + self._expire_ns

    def encode(self, state: Sides) -> bytes:
        """A line of JSON that names the detectors, then a line with each one's own encoding (JSON has no newline)."""
        head = orjson.dumps([state.last_seen, [d.name for d in self._detectors]])
        return b"\n".join([head, *(d.encode(s) for d, s in zip(self._detectors, state.states, strict=True))])

    def decode(self, data: bytes) -> Sides:
        """The inverse of `encode`; a detector that the bytes do not know starts anew."""
        head, *rest = data.split(b"\n")
        last_seen, names = orjson.loads(head)
        own = dict(zip(names, rest, strict=True))
        return Sides([d.decode(own[d.name]) if d.name in own else d.initial() for d in self._detectors], last_seen)

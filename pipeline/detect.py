"""The folds over `telltale.calls`, `.attempts` and `.slices`: detectors side by side on the state of one key.

Contract: `pipeline.stages.keyed.Fold`. The detectors do the deciding; here stands only who is asked when.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from detectors.contract import Detector
from detectors.series.detector import Verdict
from pipeline import wire
from schemas.facts import Attempt, SessionFact, Slice
from schemas.finding import Finding

MOVED: Final = "moved"
"""Event kind: what this key holds is told again under another key; begin anew, say nothing."""


SUCCEEDED: Final = 3
"""Fields of an attempt that did not fail."""


class Sides:
    """One state for each detector, in the order of their names."""

    __slots__ = ("last_seen", "names", "states")

    def __init__(self, names: tuple[str, ...], states: list[Any], last_seen: int = 0) -> None:
        self.names = names
        self.states = states
        self.last_seen = last_seen


class DetectorFold:
    """Folds one key's events through several detectors."""

    def __init__(self, detectors: Sequence[Detector[Any, Any]], expire_ns: int) -> None:
        self._expire_ns = expire_ns
        self.use(detectors)

    def use(self, detectors: Sequence[Detector[Any, Any]]) -> None:
        """Fold with these detectors from now on: a state goes on under the detector of the same name."""
        self._detectors = tuple(detectors)
        self._names = tuple(detector.name for detector in detectors)
        self._observers = tuple((at, detector.observe) for at, detector in enumerate(detectors))
        self._verdicts = tuple(getattr(detector, "verdict", None) for detector in detectors)
        self._concerns = tuple(getattr(detector, "concerns", None) for detector in detectors)
        self._dues = tuple((at, detector.due) for at, detector in enumerate(detectors))

    def initial(self, key: str) -> Sides:
        """Every detector's first state."""
        del key
        return Sides(self._names, [d.initial() for d in self._detectors])

    def _fit(self, state: Sides) -> None:
        """After `use`: a state for each of the present detectors."""
        known = dict(zip(state.names, state.states, strict=True))
        state.states = [known[d.name] if d.name in known else d.initial() for d in self._detectors]
        state.names = self._names

    def apply(self, state: Sides, kind: str, fields: Sequence[Any]) -> list[Finding]:
        """Fold one fact through every detector."""
        if kind == MOVED:
            state.names, state.states = self._names, [d.initial() for d in self._detectors]
            return []
        if kind == wire.ATTEMPTS:
            return self._attempts(state, fields)
        fact: SessionFact | Slice
        if kind == "slice":
            fact = wire.slice_of(fields)
            at = fact.minute_unix_s * 1_000_000_000
        else:
            fact = wire.session_fact(kind, fields)
            at = fact.start_time_unix_nano
        return self.fold(state, fact, at)

    def _attempts(self, state: Sides, rows: Sequence[list[Any]]) -> list[Finding]:
        """Fold attempts in order of time; most succeed where nothing failed, and concern no detector."""
        if state.names is not self._names:
            self._fit(state)
        state.last_seen = max(state.last_seen, rows[-1][2])
        found: list[Finding] = []
        for index, detector in enumerate(self._detectors):
            concerns = self._concerns[index]
            for row in rows:
                if len(row) > SUCCEEDED or concerns is None or concerns(state.states[index], row[0], row[1]):
                    state.states[index], findings = detector.observe(state.states[index], Attempt(*row))
                    found += findings
        return found

    def fold(self, state: Sides, fact: SessionFact | Slice | Attempt, at_unix_nano: int) -> list[Finding]:
        """Fold one fact that happened at this time through every detector."""
        if state.names is not self._names:
            self._fit(state)
        state.last_seen = max(state.last_seen, at_unix_nano)
        states = state.states
        found: list[Finding] = []
        for index, observe in self._observers:
            states[index], findings = observe(states[index], fact)
            if findings:
                found += findings
        return found

    def advance(self, state: Sides, watermark_unix_nano: int) -> list[Finding]:
        """Let every detector judge the silence."""
        if state.names is not self._names:
            self._fit(state)
        found: list[Finding] = []
        for index, detector in enumerate(self._detectors):
            state.states[index], findings = detector.advance(state.states[index], watermark_unix_nano)
            found += findings
        return found

    def verdicts(self, state: Sides) -> Iterator[tuple[str, Verdict]]:
        """(rule, verdict) of every detector of series that has seen something."""
        if state.names is not self._names:
            self._fit(state)
        for name, one, verdict in zip(state.names, state.states, self._verdicts, strict=True):
            if verdict is not None and one.frontier >= 0:
                yield name, verdict(one)

    def due(self, state: Sides) -> int | None:
        """The earliest moment at which a detector wants to be asked."""
        if state.names is not self._names:
            self._fit(state)
        first: int | None = None
        for index, due in self._dues:
            at = due(state.states[index])
            if at is not None and (first is None or at < first):
                first = at
        return first

    def expires(self, state: Sides) -> int:
        """When the key has been silent for so long that it is over."""
        return state.last_seen + self._expire_ns

    def encode(self, state: Sides) -> bytes:
        """A line of JSON that names the detectors, then a line with each one's own encoding (JSON has no newline)."""
        if state.names is not self._names:
            self._fit(state)
        head = orjson.dumps([state.last_seen, [d.name for d in self._detectors]])
        return b"\n".join([head, *(d.encode(s) for d, s in zip(self._detectors, state.states, strict=True))])

    def decode(self, data: bytes) -> Sides:
        """The inverse of `encode`; a detector that the bytes do not know starts anew."""
        head, *rest = data.split(b"\n")
        last_seen, names = orjson.loads(head)
        own = dict(zip(names, rest, strict=True))
        states = [d.decode(own[d.name]) if d.name in own else d.initial() for d in self._detectors]
        return Sides(self._names, states, last_seen)

"""`latency_regression`, `error_spike`, `token_surge`, `cost_surge`: one fold over a series' minutes, by measure.

Slices add up to minutes; a minute is judged once, when it is over, so how it was cut into slices changes nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from detectors.contract import Step
from detectors.series.evidence import NEVER
from detectors.series.judge import Judge
from detectors.series.measures import Measure
from detectors.series.parameters import SeriesParameters
from detectors.series.state import MAX_OPEN_MINUTES, MAX_OPEN_VERSIONS, SeriesState
from detectors.series.totals import MAX_TEXT, Totals
from schemas.facts import Slice
from schemas.finding import Finding, Kind

SECOND_NS: Final = 1_000_000_000
MINUTE_S: Final = 60
MAX_MINUTE_S: Final = 2**40
LATE_LIMIT: Final = 16
"""So many slices in a row for minutes already judged, and it was one slice that came from the future."""
OTHER: Final = "other"
INSUFFICIENT: Final = "insufficient data"


class Verdict(NamedTuple):
    """What is known of a series now, for people who ask."""

    state: str
    """`insufficient data`, `steady`, `watching` (something may have begun) or `changed`."""
    baseline_count: int
    baseline_minutes: int
    observed_count: int
    """Observations since what is watched or told began."""
    missing: str = ""
    """Of `insufficient data`: what it takes, such as `100 observations (has 40)`."""


class SeriesDetector:
    """Judges one series against its past and its new versions against the older ones.

    State: see `SeriesState`. A slice for a minute already judged is left out.
    """

    def __init__(self, name: str, kind: Kind, parameters: SeriesParameters, measure: Measure) -> None:
        self.name = name
        self._parameters = parameters
        self._measure = measure
        self._judge = Judge(name, kind, parameters, measure)

    def initial(self) -> SeriesState:
        """No minute yet."""
        return SeriesState(len(self._measure.tilts))

    def observe(self, state: SeriesState, event: Slice) -> Step[SeriesState]:
        """Fold one slice; judges the minutes that are over because of it."""
        part = self._measure.view(event)
        if part is None:
            return Step(state)
        minute = _minute(event.minute_unix_s)
        state.series = [part[:MAX_TEXT] for part in event.series]
        if minute <= state.closed_to and not self._begins_again(state, minute):
            return Step(state)
        state.late = 0
        versions = state.minutes.setdefault(minute, {})
        version = event.service_version[:MAX_TEXT]
        if version not in versions and len(versions) >= MAX_OPEN_VERSIONS:
            version = OTHER
        versions.setdefault(version, Totals()).add_slice(part)
        state.frontier = max(state.frontier, minute)
        grace = MINUTE_S * -(-self._parameters.grace_s // MINUTE_S)
        return Step(state, self._close(state, state.frontier - MINUTE_S - grace))

    def advance(self, state: SeriesState, watermark_unix_nano: int) -> Step[SeriesState]:
        """Judge the minutes that are over, and close a finding on which nothing more came."""
        now = max(-1, min(watermark_unix_nano // SECOND_NS, MAX_MINUTE_S))
        found = self._close(state, now - MINUTE_S - self._parameters.grace_s)
        return Step(state, found + self._judge.silence(state, now))

    def due(self, state: SeriesState) -> int | None:
        """When the first open minute is over, or an open finding is to be closed for silence."""
        times = [(minute + MINUTE_S + self._parameters.grace_s) * SECOND_NS for minute in state.minutes]
        alert = state.alert
        if alert is not None and alert.closed < 0:
            times.append((alert.last + MINUTE_S * (1 + self._parameters.quiet_minutes)) * SECOND_NS)
        return min(times, default=None)

    def verdict(self, state: SeriesState) -> Verdict:
        """What is known of the series; `insufficient data` is an answer, not silence."""
        past = state.baseline
        watched = sum(chunk.totals.count for chunk in state.held)
        if state.alert is not None and state.alert.closed < 0:
            return Verdict("changed", int(past.count), past.minutes, state.alert.after.count)
        if not self._judge.is_ready(state):
            return Verdict(INSUFFICIENT, int(past.count), past.minutes, 0, self._judge.missing(state))
        watching = state.cusum.earliest() != NEVER
        return Verdict("watching" if watching else "steady", int(past.count), past.minutes, watched)

    def encode(self, state: SeriesState) -> bytes:
        """JSON without a newline."""
        return state.encode()

    def decode(self, data: bytes) -> SeriesState:
        """The inverse of `encode`."""
        return SeriesState.decode(data)

    def _begins_again(self, state: SeriesState, minute: int) -> bool:
        """Whether so many slices are late that the frontier must have been wrong; it is set back then."""
        state.late += 1
        if state.late < LATE_LIMIT:
            return False
        state.minutes.clear()
        state.frontier, state.closed_to = minute, minute - MINUTE_S
        return True

    def _close(self, state: SeriesState, last: int) -> tuple[Finding, ...]:
        """Judge the open minutes up to `last`, and the oldest beyond what is held."""
        found: tuple[Finding, ...] = ()
        order = sorted(state.minutes)
        for at, minute in enumerate(order):
            if minute > last and len(order) - at <= MAX_OPEN_MINUTES:
                break
            versions = state.minutes.pop(minute)
            state.closed_to = max(state.closed_to, minute)
            found += self._judge.minute(state, minute, versions)
        return found


def _minute(value: int) -> int:
    whole = value if isinstance(value, int) else 0
    bounded = max(0, min(whole, MAX_MINUTE_S))
    return bounded - bounded % MINUTE_S

"""`latency_regression`, `error_spike`, `token_surge`, `cost_surge`: one fold over a series' minutes, by measure.

Slices add up to slots, slots to minutes. A minute is judged once, when it is over; of a busy series what has come of it
is looked at after each slot. Slots are fixed times, so how they were cut into slices changes nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from detectors.contract import Step
from detectors.series.evidence import NEVER
from detectors.series.judge import Judge, is_busy
from detectors.series.measures import Measure
from detectors.series.parameters import SeriesParameters
from detectors.series.state import MAX_OPEN_SLOTS, MINUTE_S, SeriesState, minute_of
from detectors.series.totals import MAX_COUNT, MAX_TEXT, Totals, counted_as, merge_versions
from schemas.facts import SLOT_S, Slice
from schemas.finding import Finding, Kind

SECOND_NS: Final = 1_000_000_000
MAX_MINUTE_S: Final = 2**40
LATE_LIMIT: Final = 16
"""So many slices in a row for minutes already judged, and it was one slice that came from the future."""
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
        slot = minute + _second(event.second)
        if state.frontier >= 0:
            state.lateness.note(state.frontier - slot - SLOT_S, max(0, min(part.count, MAX_COUNT)))
        if minute <= state.closed_to and not self._begins_again(state, minute):
            return Step(state)
        state.late = 0
        versions = state.slots.setdefault(slot, {})
        version = counted_as(versions, event.service_version[:MAX_TEXT])
        versions.setdefault(version, Totals()).add_slice(part)
        state.frontier = max(state.frontier, slot)
        grace = MINUTE_S * -(-self._grace_s(state) // MINUTE_S)
        return Step(state, self._close(state, state.frontier - SLOT_S - grace))

    def advance(self, state: SeriesState, watermark_unix_nano: int) -> Step[SeriesState]:
        """Judge the minutes that are over, and close a finding on which nothing more came."""
        now = max(-1, min(watermark_unix_nano // SECOND_NS, MAX_MINUTE_S))
        found = self._close(state, now - SLOT_S - self._grace_s(state))
        return Step(state, found + self._judge.silence(state, now))

    def due(self, state: SeriesState) -> int | None:
        """When an open minute or a slot that looks raised is over, or an open finding is to be closed for silence.

        Only what is told sooner for it depends on how a slot looks: every busy one is judged when it is taken.
        """
        alert, begun = state.open_alert, _begun(state)
        times = [minute_of(slot) + MINUTE_S for slot in state.slots]
        if begun is not None:
            times.append(begun + MINUTE_S)
        if state.frame is not None and alert is None:
            times += [
                slot + SLOT_S
                for slot, versions in state.slots.items()
                if is_busy(versions) and self._judge.is_raised(state, versions)
            ]
        grace_s = self._grace_s(state)
        wanted = [time + grace_s for time in times]
        if alert is not None:
            wanted.append(alert.last + MINUTE_S * self._parameters.quiet_minutes)
        return min(wanted) * SECOND_NS if wanted else None

    def verdict(self, state: SeriesState) -> Verdict:
        """What is known of the series; `insufficient data` is an answer, not silence."""
        past = state.baseline
        watched = sum(chunk.totals.count for chunk in state.held)
        if state.open_alert is not None:
            return Verdict("changed", int(past.count), past.minutes, state.open_alert.after.count)
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

    def _grace_s(self, state: SeriesState) -> int:
        """How long a minute, or a slot of it, is waited for when it is over."""
        return self._parameters.grace_s + state.lateness.wait_s

    def _begins_again(self, state: SeriesState, minute: int) -> bool:
        """Whether so many slices are late that the frontier must have been wrong; it is set back then."""
        state.late += 1
        if state.late < LATE_LIMIT:
            return False
        state.slots.clear()
        state.parts.clear()
        state.frontier, state.closed_to, state.counted = minute, minute - MINUTE_S, -1
        return True

    def _close(self, state: SeriesState, last: int) -> tuple[Finding, ...]:
        """Take the open slots up to `last`, and the oldest beyond what is held; judge the minutes that are over."""
        found: tuple[Finding, ...] = ()
        order = sorted(state.slots)
        for at, slot in enumerate(order):
            if slot > last and len(order) - at <= MAX_OPEN_SLOTS:
                break
            found += self._finish(state, minute_of(slot) - MINUTE_S)
            self._take(state, slot, state.slots.pop(slot))
            if is_busy(state.parts[slot]):
                found += self._judge.look(state, slot)
        return found + self._finish(state, last + SLOT_S - MINUTE_S)

    def _finish(self, state: SeriesState, last: int) -> tuple[Finding, ...]:
        """Judge the minute that was begun, if it is none later than `last`."""
        minute = _begun(state)
        if minute is None or minute > last:
            return ()
        state.closed_to = max(state.closed_to, minute)
        return self._judge.minute(state, minute)

    @staticmethod
    def _take(state: SeriesState, slot: int, versions: dict[str, Totals]) -> None:
        """A slot that is over; what came late for one that was taken already is added."""
        state.closed_to = max(state.closed_to, minute_of(slot) - MINUTE_S)  # one minute at a time
        merge_versions(state.parts.setdefault(slot, {}), versions)


def _begun(state: SeriesState) -> int | None:
    """The minute of which some slots are over and that is not judged yet."""
    if state.parts:
        return minute_of(next(iter(state.parts)))
    return state.counted if state.counted > state.closed_to else None


def _second(value: int) -> int:
    whole = value if isinstance(value, int) else 0
    bounded = max(0, min(whole, MINUTE_S - 1))
    return bounded - bounded % SLOT_S


def _minute(value: int) -> int:
    whole = value if isinstance(value, int) else 0
    bounded = max(0, min(whole, MAX_MINUTE_S))
    return minute_of(bounded)

"""A finding that is open: does it go on, grow, or is it over?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from detectors.series.evidence import Frame, best_tilt, gain
from detectors.series.measures import Effect, Measure
from detectors.series.parameters import SeriesParameters
from detectors.series.report import Rule, finding
from detectors.series.sessions import phi_of
from detectors.series.state import Alert, SeriesState
from detectors.series.totals import Totals, distinct
from schemas.finding import ESCALATED, LASTING, NEW_NORMAL, QUIET, RECOVERED, VERSION_GONE, Finding, Status

MINUTE_S: Final = 60
STALE_VERSION_S: Final = 1_800
STALE_VERSION_GAPS: Final = 10
"""Or for so many times as long as usually lies between two observations of it."""


class Follow:
    """Policy of one rule; everything that changes is in the state."""

    def __init__(self, rule: Rule, parameters: SeriesParameters, measure: Measure) -> None:
        self._rule = rule
        self._parameters = parameters
        self._measure = measure

    def minute(
        self,
        state: SeriesState,
        alert: Alert,
        seen_in: tuple[int, Totals],
        versions: Mapping[str, Totals],
        frame: Frame,
    ) -> tuple[Finding, ...]:
        """A minute (its start, and all that was seen in it) while a finding is open."""
        minute, seen = seen_in
        if alert.scoped:
            if alert.scope not in versions:
                stale = minute + MINUTE_S - alert.last >= _stale_s(alert)
                return (self._resolve(state, alert, minute, VERSION_GONE),) if stale else ()
            minutes, seen = seen.minutes, Totals()
            seen.add(versions[alert.scope])
            seen.minutes = minutes
        alert.last = minute + MINUTE_S
        if self._is_over(state, alert, seen, frame):
            return (self._resolve(state, alert, minute, RECOVERED),)
        if minute - alert.opened >= self._parameters.accept_hours * 3600:
            return (self._accept(state, alert, minute),)
        return self._grown(state, alert, minute)

    def silence(self, state: SeriesState, now_s: int) -> tuple[Finding, ...]:
        """Close a finding on which nothing more came."""
        alert = state.open_alert
        if alert is None or now_s < alert.last + MINUTE_S * self._parameters.quiet_minutes:
            return ()
        return (self._resolve(state, alert, now_s - now_s % MINUTE_S, QUIET),)

    def severity(self, alert: Alert, effect: Effect) -> int:
        """0 to 2: few sessions and what has another explanation stay `suspect`."""
        seen = alert.after
        least = self._parameters.min_sessions
        few = 0 < seen.sessions() < least or (
            self._rule.kind == "error_spike" and 0 < distinct(seen.failed_hashes) < least
        )
        if few or alert.doubt:
            return 0
        return 2 if effect.critical else 1

    def tell(self, state: SeriesState, alert: Alert, effect: Effect, status: Status, reason: str) -> Finding:
        """The next revision."""
        alert.revision += 1
        alert.count_told = alert.after.count
        return finding(self._rule, state, alert, effect, (status, reason))

    def _is_over(self, state: SeriesState, alert: Alert, seen: Totals, frame: Frame) -> bool:
        """The sequential test the other way round, for so many minutes in a row."""
        tilt = self._tilt(alert, frame)
        scores = self._measure.score(frame, seen)
        against = gain(self._measure.tilts, frame, scores, tilt)
        alert.calm_level = max(0.0, alert.calm_level - against / phi_of(state, seen))
        if alert.calm_level > 0:
            alert.calm.add(seen)
            alert.calm_minutes = alert.calm_minutes + seen.minutes if against < 0 else 0
        else:
            alert.after.add(alert.calm)
            alert.after.add(seen)
            alert.calm, alert.calm_minutes = Totals(), 0
        calm = alert.calm_level >= self._parameters.recovery_evidence
        return calm and alert.calm_minutes >= self._parameters.recovery_minutes

    def _tilt(self, alert: Alert, frame: Frame) -> int:
        """That of all that was seen since the change: the minutes that opened it were the worst of them by chance.

        What looks calm belongs to it while it is the lesser part.
        """
        since = alert.after
        if 0 < 2 * alert.calm.count < since.count:
            since = Totals()
            since.add(alert.after)
            since.add(alert.calm)
        return best_tilt(self._measure.tilts, frame, self._measure.score(frame, since))

    def _grown(self, state: SeriesState, alert: Alert, minute: int) -> tuple[Finding, ...]:
        if alert.calm_level > 0:
            return ()
        effect = self._effect(state, alert)
        severity = self.severity(alert, effect)
        if severity > alert.severity and effect.worth_telling:
            alert.severity, alert.detected = severity, minute + MINUTE_S
            return (self.tell(state, alert, effect, "updated", ESCALATED),)
        if alert.after.count >= 2 * alert.count_told:
            return (self.tell(state, alert, effect, "updated", LASTING),)
        return ()

    def _effect(self, state: SeriesState, alert: Alert) -> Effect:
        return self._measure.effect(state.baseline, alert.after, phi_of(state, alert.after))

    def _resolve(self, state: SeriesState, alert: Alert, minute: int, reason: str) -> Finding:
        alert.closed = minute
        told = self.tell(state, alert, self._effect(state, alert), "resolved", reason)
        state.cusum.reset()
        state.held.clear()
        state.streams.clear()
        return told

    def _accept(self, state: SeriesState, alert: Alert, minute: int) -> Finding:
        """It has lasted so long that it is how things are now."""
        told = self._resolve(state, alert, minute, NEW_NORMAL)
        state.baseline = type(state.baseline)()
        location = self._measure.location(alert.after)
        state.baseline.absorb(alert.after, minute, location, self._parameters.baseline_cap)
        state.baseline.season.hours.clear()
        state.frame, state.absorbed = None, 0.0
        return told


def _stale_s(alert: Alert) -> float:
    """Without an observation for so long the version that a finding is about is gone."""
    gap_s = (alert.last - alert.since) / max(1, alert.after.count)
    return max(STALE_VERSION_S, STALE_VERSION_GAPS * gap_s)

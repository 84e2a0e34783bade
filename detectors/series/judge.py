"""The judgement of one minute: is it still the past, may something have begun, has it begun, is it over?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from detectors.series.evidence import NEVER
from detectors.series.measures import Effect, Frame, Measure
from detectors.series.parameters import SeriesParameters
from detectors.series.report import Rule, finding, fingerprint
from detectors.series.state import MAX_HELD, MAX_STREAMS, Alert, Chunk, SeriesState, Stream
from detectors.series.totals import Totals
from schemas.finding import Finding, Kind, Status

MINUTE_S: Final = 60
REFRAME: Final = 0.1
"""The past is made ready anew when it has grown by this share."""
WATCH_WEIGHT: Final = 2
"""What is suspected in vain for this many times the past's observations was no change."""
WATCH_FACTOR: Final = 10
"""Or for so many times as long as an open finding may last: a quiet series needs days for a small change."""
STALE_VERSION_MINUTES: Final = 30


class Change(NamedTuple):
    """What the evidence is for."""

    since: int
    after: Totals
    evidence: float
    version: str | None = None
    """Only this version is judged; None: the series as a whole."""


class Judge:
    """Policy of one rule; everything that changes is in the state."""

    def __init__(self, rule: str, kind: Kind, parameters: SeriesParameters, measure: Measure) -> None:
        self._rule = Rule(rule, kind)
        self._parameters = parameters
        self._measure = measure

    def is_ready(self, state: SeriesState) -> bool:
        """Whether there is a past to compare with."""
        enough = self._measure.weight(state.baseline) >= self._parameters.min_baseline
        return enough and state.baseline.minutes >= self._parameters.min_baseline_minutes

    def minute(self, state: SeriesState, minute: int, versions: Mapping[str, Totals]) -> tuple[Finding, ...]:
        """Judge one minute that is over."""
        everything = Totals()
        for version in sorted(versions):
            everything.add(versions[version])
        everything.minutes = 1
        counts = {version: versions[version].count for version in sorted(versions)}
        chunk = Chunk(minute, minute, everything, counts)
        if state.alert is not None and state.alert.closed < 0:
            return self._follow(state, state.alert, chunk, versions)
        if not self.is_ready(state):
            self._absorb(state, chunk)
            return ()
        frame = self._frame(state)
        state.cusum.add(self._measure.score(frame, everything), self._measure.tilts, frame.psi, minute)
        state.held.append(chunk)
        self._fold_versions(state, frame, minute, versions)
        opened = self._decide(state, minute)
        if not opened:
            self._let_go(state)
        return opened

    def silence(self, state: SeriesState, now_s: int) -> tuple[Finding, ...]:
        """Close a finding on which nothing more came."""
        alert = state.alert
        if alert is None or alert.closed >= 0 or now_s < alert.last + MINUTE_S * (1 + self._parameters.quiet_minutes):
            return ()
        return (self._resolve(state, alert, now_s - now_s % MINUTE_S, "quiet"),)

    # While nothing is known to have changed.

    def _frame(self, state: SeriesState) -> Frame:
        if state.frame is None or state.absorbed >= REFRAME * state.frame.weight:
            state.frame = self._measure.frame(state.baseline)
            state.absorbed = 0.0
        return state.frame

    def _absorb(self, state: SeriesState, chunk: Chunk) -> None:
        if state.frame is not None:
            scores = self._measure.score(state.frame, chunk.totals)
            state.dispersion.add(scores, state.frame.mean, state.frame.variance)
        state.baseline.absorb(chunk.totals, chunk.versions, self._parameters.baseline_cap)
        state.absorbed += chunk.totals.count

    def _fold_versions(self, state: SeriesState, frame: Frame, minute: int, versions: Mapping[str, Totals]) -> None:
        """Versions that the past knows little of are also judged alone: a canary is lost in the crowd."""
        settled = self._parameters.baseline_cap / 2
        for version in sorted(versions):
            stream = state.streams.get(version)
            if stream is None:
                if len(versions) < 2 or state.baseline.versions.get(version, 0) > settled or not version:
                    continue
                if len(state.streams) >= MAX_STREAMS:
                    del state.streams[min(state.streams, key=lambda v: (state.streams[v].last, v))]
                stream = state.streams[version] = Stream(len(self._measure.tilts))
            stream.cusum.add(self._measure.score(frame, versions[version]), self._measure.tilts, frame.psi, minute)
            stream.last = minute
            one = Totals()
            one.add(versions[version])
            one.minutes = 1
            stream.totals.add(one)
            if stream.cusum.earliest() == NEVER:
                stream.totals = Totals()
                if state.baseline.versions.get(version, 0) > settled:
                    del state.streams[version]

    def _decide(self, state: SeriesState, minute: int) -> tuple[Finding, ...]:
        weight = self._measure.weight(state.baseline)
        wanted = self._parameters.evidence
        evidence, since = state.cusum.best(weight, 1.0)
        if evidence >= wanted:  # what is too little even without over-dispersion needs no closer look
            after = Totals()
            for chunk in state.held:
                if chunk.last >= since:
                    after.add(chunk.totals)
            evidence /= _phi(state, after)
            opened = self._open(state, minute, Change(since, after, evidence)) if evidence >= wanted else ()
            if opened:
                return opened
        for version in sorted(state.streams):
            stream = state.streams[version]
            evidence, since = stream.cusum.best(weight, _phi(state, stream.totals))
            if evidence >= wanted and stream.last == minute:
                opened = self._open(state, minute, Change(since, stream.totals, evidence, version))
                if opened:
                    return opened
        return ()

    def _let_go(self, state: SeriesState) -> None:
        """Take into the past what no tilt suspects any more, or what has been suspected for too long in vain."""
        earliest = state.cusum.earliest()
        watched = sum(chunk.totals.count for chunk in state.held)
        span = state.held[-1].last - state.held[0].first if state.held else 0
        too_long = span > WATCH_FACTOR * self._parameters.accept_hours * 3600
        if (
            watched > WATCH_WEIGHT * max(self._measure.weight(state.baseline), self._parameters.min_baseline)
            or too_long
        ):
            state.cusum.reset()
            earliest = NEVER
        while state.held and (earliest == NEVER or state.held[0].last < earliest):
            self._absorb(state, state.held.pop(0))
        while len(state.held) > MAX_HELD:
            at = min(range(len(state.held) - 1), key=lambda i: (state.held[i].totals.minutes, i))
            state.held[at].add(state.held.pop(at + 1))

    # Something changed.

    def _open(self, state: SeriesState, minute: int, change: Change) -> tuple[Finding, ...]:
        since, after, evidence, version = change
        effect = self._measure.effect(state.baseline, after)
        wanted = self._parameters
        if not effect.worth_telling or after.count < wanted.min_observed or after.minutes < wanted.min_observed_minutes:
            return ()
        old = state.alert
        alert = Alert(fingerprint(self._rule.name, state.series, since), since, minute, after)
        again = old is not None and minute - old.closed <= MINUTE_S * wanted.reopen_minutes
        if old is not None and again:
            alert.mark, alert.since, alert.revision = old.mark, old.since, old.revision
        alert.scoped, alert.scope = version is not None, version or ""
        alert.version, alert.before_version = self._versions(state, since, version)
        alert.confidence = evidence
        alert.tilt = self._best_tilt(self._frame(state), after)
        alert.severity, alert.detected = self._severity(alert, effect), minute
        state.alert = alert
        return (self._tell(state, alert, effect, "open", "reopened" if again else "opened"),)

    def _severity(self, alert: Alert, effect: Effect) -> int:
        if 0 < alert.after.sessions() < self._parameters.min_sessions:
            return 0
        return 2 if effect.critical else 1

    def _versions(self, state: SeriesState, since: int, version: str | None) -> tuple[str, str]:
        """The version that the change came with, and the one before it."""
        known = state.baseline.versions
        before = max(known, key=lambda v: (known[v], v), default="")
        if version is not None:
            return version, max((v for v in known if v != version), key=lambda v: (known[v], v), default="")
        counts: dict[str, int] = {}
        for chunk in state.held:
            if chunk.last >= since:
                for name, count in chunk.versions.items():
                    counts[name] = counts.get(name, 0) + count
        return max(counts, key=lambda v: (counts[v], v), default=""), before

    def _best_tilt(self, frame: Frame, after: Totals) -> int:
        scores = self._measure.score(frame, after)
        gains = [t * scores.total - scores.n * p for t, p in zip(self._measure.tilts, frame.psi, strict=True)]
        return max(range(len(gains)), key=lambda i: (gains[i], -i))

    def _follow(
        self, state: SeriesState, alert: Alert, chunk: Chunk, versions: Mapping[str, Totals]
    ) -> tuple[Finding, ...]:
        """A minute while a finding is open."""
        minute = chunk.first
        seen = chunk.totals
        if alert.scoped:
            if alert.scope not in versions:
                stale = minute - alert.last >= MINUTE_S * STALE_VERSION_MINUTES
                return (self._resolve(state, alert, minute, "version gone"),) if stale else ()
            seen = Totals()
            seen.add(versions[alert.scope])
            seen.minutes = 1
        alert.last = minute
        frame = self._frame(state)
        scores = self._measure.score(frame, seen)
        against = self._measure.tilts[alert.tilt] * scores.total - scores.n * frame.psi[alert.tilt]
        alert.calm_level = max(0.0, alert.calm_level - against / _phi(state, seen))
        if alert.calm_level > 0:
            alert.calm.add(seen)
            alert.calm_minutes = alert.calm_minutes + 1 if against < 0 else 0
        else:
            alert.after.add(alert.calm)
            alert.after.add(seen)
            alert.calm, alert.calm_minutes = Totals(), 0
        calm = alert.calm_level >= self._parameters.recovery_evidence
        if calm and alert.calm_minutes >= self._parameters.recovery_minutes:
            return (self._resolve(state, alert, minute, "recovered"),)
        if minute - alert.opened >= self._parameters.accept_hours * 3600:
            return (self._accept(state, alert, minute),)
        return self._grown(state, alert, minute)

    def _grown(self, state: SeriesState, alert: Alert, minute: int) -> tuple[Finding, ...]:
        effect = self._measure.effect(state.baseline, alert.after)
        severity = self._severity(alert, effect)
        if severity > alert.severity and effect.worth_telling:
            alert.severity, alert.detected = severity, minute
            return (self._tell(state, alert, effect, "updated", "escalated"),)
        if alert.after.count >= 2 * alert.count_told:
            return (self._tell(state, alert, effect, "updated", "lasting"),)
        return ()

    def _tell(self, state: SeriesState, alert: Alert, effect: Effect, status: Status, reason: str) -> Finding:
        alert.revision += 1
        alert.count_told = alert.after.count
        return finding(self._rule, state, alert, effect, (status, reason))

    def _resolve(self, state: SeriesState, alert: Alert, minute: int, reason: str) -> Finding:
        effect = self._measure.effect(state.baseline, alert.after)
        alert.closed = minute
        told = self._tell(state, alert, effect, "resolved", reason)
        state.cusum.reset()
        state.held.clear()
        state.streams.clear()
        return told

    def _accept(self, state: SeriesState, alert: Alert, minute: int) -> Finding:
        """It has lasted so long that it is how things are now."""
        told = self._resolve(state, alert, minute, "new normal")
        versions = {alert.version: alert.after.count}
        state.baseline = type(state.baseline)()
        state.baseline.absorb(alert.after, versions, self._parameters.baseline_cap)
        state.frame, state.absorbed = None, 0.0
        return told


def _phi(state: SeriesState, seen: Totals) -> float:
    """Over-dispersion, given how many calls of a session are among these."""
    sessions = seen.sessions()
    return state.dispersion.factor(seen.count / sessions if sessions else 1.0)

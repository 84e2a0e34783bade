"""The judgement of one minute while nothing is known to have changed: may something have begun, has it begun?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from detectors.series import guards
from detectors.series.baseline import Baseline
from detectors.series.evidence import NEVER, Frame
from detectors.series.follow import Follow
from detectors.series.measures import Effect, Measure
from detectors.series.parameters import SeriesParameters
from detectors.series.report import Rule, fingerprint
from detectors.series.sessions import phi_of, sure
from detectors.series.state import MAX_HELD, MAX_STREAMS, Alert, Chunk, SeriesState, Stream
from detectors.series.totals import VERSION, Totals, distinct
from schemas.finding import OPENED, REOPENED, Finding, Kind

MINUTE_S: Final = 60
REFRAME: Final = 0.1
"""The past is made ready anew when it has grown by this share."""
WATCH_WEIGHT: Final = 2
"""What is suspected in vain for this many times the past's observations was no change."""
WATCH_FACTOR: Final = 10
"""Or for so many times as long as an open finding may last: a quiet series needs days for a small change."""
SWIFT: Final = 2.0
"""So many times the evidence that is wanted, and half the minutes are enough."""


class Change(NamedTuple):
    """What the evidence is for."""

    since: int
    after: Totals
    evidence: float
    phi: float
    version: str | None = None
    """Only this version is judged; None: the series as a whole."""


class Judge:
    """Policy of one rule; everything that changes is in the state."""

    def __init__(self, rule: str, kind: Kind, parameters: SeriesParameters, measure: Measure) -> None:
        self._parameters = parameters
        self._measure = measure
        self._rule = Rule(rule, kind)
        self._follow = Follow(self._rule, parameters, measure)

    def is_ready(self, state: SeriesState) -> bool:
        """Whether there is a past to compare with."""
        past, wanted = state.baseline, self._parameters
        sessions = distinct(past.hashes)
        return (
            self._measure.weight(past) >= wanted.min_baseline
            and past.minutes >= wanted.min_baseline_minutes
            and (not sessions or sessions >= wanted.min_baseline_sessions)
        )

    def missing(self, state: SeriesState) -> str:
        """What it takes until there is; "" = nothing."""
        past, wanted = state.baseline, self._parameters
        rows = [
            (wanted.min_baseline, int(self._measure.weight(past)), "observations"),
            (wanted.min_baseline_minutes, past.minutes, "minutes"),
            (wanted.min_baseline_sessions if past.hashes else 0, round(distinct(past.hashes)), "sessions"),
        ]
        return ", ".join(f"{least} {what} (has {has})" for least, has, what in rows if has < least)

    def minute(self, state: SeriesState, minute: int, versions: Mapping[str, Totals]) -> tuple[Finding, ...]:
        """Judge one minute that is over."""
        everything = _sum(versions[version] for version in sorted(versions))
        if self._measure.seasonal:
            state.baseline.season.absorb(minute, self._measure.location(everything))
        if state.alert is not None and state.alert.closed < 0:
            return self._follow.minute(state, state.alert, (minute, everything), versions, self._frame(state))
        chunk = Chunk(minute, minute, everything)
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
        return self._follow.silence(state, now_s)

    # The past

    def _frame(self, state: SeriesState) -> Frame:
        if state.frame is None or state.absorbed >= REFRAME * state.frame.weight:
            state.frame = self._measure.frame(state.baseline)
            state.absorbed = 0.0
        return state.frame

    def _absorb(self, state: SeriesState, chunk: Chunk) -> None:
        if state.frame is not None:
            scores = self._measure.score(state.frame, chunk.totals)
            state.dispersion.add(scores, chunk.totals, state.frame)
        location = self._measure.location(chunk.totals)
        state.baseline.absorb(chunk.totals, chunk.last, location, self._parameters.baseline_cap)
        state.absorbed += chunk.totals.count

    def _let_go(self, state: SeriesState) -> None:
        """Take into the past what no tilt suspects any more, or what has been suspected for too long in vain."""
        earliest = state.cusum.earliest()
        watched = sum(chunk.totals.count for chunk in state.held)
        span = state.held[-1].last - state.held[0].first if state.held else 0
        too_long = span > WATCH_FACTOR * self._parameters.accept_hours * 3600
        past = max(self._measure.weight(state.baseline), self._parameters.min_baseline)
        if watched > WATCH_WEIGHT * past or too_long:
            state.cusum.reset()
            earliest = NEVER
        while state.held and (earliest == NEVER or state.held[0].last < earliest):
            self._absorb(state, state.held.pop(0))
        while len(state.held) > MAX_HELD:
            at = min(range(len(state.held) - 1), key=lambda i: (state.held[i].totals.minutes, i))
            state.held[at].add(state.held.pop(at + 1))

    # Versions side by side

    def _fold_versions(self, state: SeriesState, frame: Frame, minute: int, versions: Mapping[str, Totals]) -> None:
        """Versions that the past knows little of are also judged alone: a canary is lost in the crowd."""
        for version in sorted(versions):
            known = _seen(state.baseline, version) > self._parameters.baseline_cap / 2
            stream = state.streams.get(version)
            if stream is None:
                if len(versions) < 2 or known or not version:
                    continue
                if len(state.streams) >= MAX_STREAMS:
                    del state.streams[min(state.streams, key=lambda v: (state.streams[v].last, v))]
                stream = state.streams[version] = Stream(len(self._measure.tilts))
            stream.cusum.add(self._measure.score(frame, versions[version]), self._measure.tilts, frame.psi, minute)
            stream.last = minute
            stream.totals.add(_sum([versions[version]]))
            stream.rest.add(_sum(versions[other] for other in sorted(versions) if other != version))
            if stream.cusum.earliest() == NEVER:
                stream.totals, stream.rest = Totals(), Totals()
                if known:
                    del state.streams[version]

    # Decision

    def _decide(self, state: SeriesState, minute: int) -> tuple[Finding, ...]:
        weight, wanted = self._measure.weight(state.baseline), self._parameters.evidence
        latest = NEVER
        for evidence, since in state.cusum.suspects(weight):
            if evidence < wanted:  # too little even if calls were independent
                break
            if since <= latest:  # a longer window would only add what the likeliest one leaves out
                continue
            latest = since
            after = Totals()
            for chunk in state.held:
                if chunk.last >= since:
                    after.add(chunk.totals)
            phi = phi_of(state, after)
            opened = self._open(state, minute, Change(since, after, sure(state, after, evidence, phi), phi))
            if opened:
                return opened
        for version in sorted(state.streams):
            stream = state.streams[version]
            for evidence, since in stream.cusum.suspects(weight)[:1]:
                if evidence >= wanted and stream.last == minute:
                    phi = phi_of(state, stream.totals)
                    worth = sure(state, stream.totals, evidence, phi)
                    opened = self._open(state, minute, Change(since, stream.totals, worth, phi, version))
                    if opened:
                        return opened
        return ()

    def _open(self, state: SeriesState, minute: int, change: Change) -> tuple[Finding, ...]:
        effect = self._measure.effect(state.baseline, change.after, change.phi)
        if not self._is_enough(change, effect):
            return ()
        coincides = guards.coinciding(state.baseline, change.after)
        if change.version is not None:
            coincides = [VERSION + change.version]
            if not self._stands_out(state.streams[change.version].rest, change):
                return ()
        else:
            suspected = guards.Suspicion(change.since, minute, change.after, change.phi, bool(coincides))
            if guards.seasonal(self._measure, self._parameters, state.baseline, suspected):
                return ()
        alert = self._alert(state, minute, change)
        alert.coincides = coincides
        named = [mark[len(VERSION) :] for mark in coincides if mark.startswith(VERSION)]
        if named:
            alert.version = named[-1]
        if not coincides:
            alert.doubt = guards.mixed(self._measure, self._parameters, state.baseline, change.after)
        alert.severity = self._follow.severity(alert, effect)
        state.alert = alert
        return (self._follow.tell(state, alert, effect, "open", REOPENED if alert.revision else OPENED),)

    def _is_enough(self, change: Change, effect: Effect) -> bool:
        wanted = self._parameters
        minutes = wanted.min_observed_minutes
        if change.evidence >= SWIFT * wanted.evidence:
            minutes = -(-minutes // 2)
        return (
            change.evidence >= wanted.evidence
            and effect.worth_telling
            and change.after.count >= wanted.min_observed
            and change.after.minutes >= minutes
        )

    def _stands_out(self, rest: Totals, change: Change) -> bool:
        """Whether a version is also worse than the others at the same time: else it is not the version."""
        if rest.count < self._parameters.min_observed:
            return True
        others = Baseline()
        others.absorb(rest, 0, (0, 0.0), rest.count + 1)
        return self._measure.effect(others, change.after, change.phi).worth_telling

    def _alert(self, state: SeriesState, minute: int, change: Change) -> Alert:
        old = state.alert
        alert = Alert(fingerprint(self._rule.name, state.series, change.since), change.since, minute, change.after)
        if old is not None and minute - old.closed <= MINUTE_S * self._parameters.reopen_minutes:
            alert.mark, alert.since, alert.revision = old.mark, old.since, old.revision
        alert.scoped, alert.scope = change.version is not None, change.version or ""
        alert.version, alert.before_version = _versions(state.baseline, change)
        alert.confidence, alert.detected = change.evidence, minute
        return alert


def _versions(baseline: Baseline, change: Change) -> tuple[str, str]:
    """The version that most of the change is of, and the one before it."""
    now = {m[len(VERSION) :]: row[0] for m, row in change.after.marks.items() if m.startswith(VERSION)}
    version = change.version if change.version is not None else max(now, key=lambda v: (now[v], v), default="")
    old = {m[len(VERSION) :]: row[0] for m, row in baseline.marks.items() if m.startswith(VERSION)}
    if change.version is not None:
        old.pop(version, None)
    return version, max(old, key=lambda v: (old[v], v), default="")


def _seen(baseline: Baseline, version: str) -> float:
    row = baseline.marks.get(VERSION + version)
    return row[0] if row else 0.0


def _sum(parts: Iterable[Totals]) -> Totals:
    """Some versions' observations of one minute."""
    total = Totals()
    for part in parts:
        total.add(part)
    total.minutes = 1
    return total

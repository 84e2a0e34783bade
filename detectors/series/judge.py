"""The judgement of one minute while nothing is known to have changed: may something have begun, has it begun?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from detectors.series import guards
from detectors.series.baseline import Baseline
from detectors.series.evidence import NEVER, Frame, Scores, best_tilt, gain, joined
from detectors.series.follow import Follow
from detectors.series.measures import Effect, Measure
from detectors.series.parameters import SeriesParameters
from detectors.series.report import Rule, fingerprint
from detectors.series.sessions import phi_of, sure
from detectors.series.state import MAX_HELD, MAX_STREAMS, MINUTE_S, Alert, Chunk, SeriesState, Stream, minute_of
from detectors.series.totals import VERSION, Totals, distinct, merge_versions, total, total_of
from schemas.facts import SLOT_S
from schemas.finding import OPENED, REOPENED, Finding, Kind

REFRAME: Final = 0.1
"""The past is made ready anew when it has grown by this share."""
WATCH_WEIGHT: Final = 2
"""What is suspected in vain for this many times the past's observations was no change."""
WATCH_FACTOR: Final = 10
"""Or for so many times as long as an open finding may last: a quiet series needs days for a small change."""
SWIFT: Final = 2.0
"""So many times the evidence that is wanted, and half the minutes and observations are enough."""
EARLY: Final = 1.25
"""The same where a minute is looked at before it is over: looks are four times as many."""
LASTING_S: Final = 2 * SLOT_S
"""So long it must have lasted: what is shorter is more often a stall."""
BUSY: Final = 12
"""Observations of a slot that is worth a look before its minute is over; fewer do not tell that a change is gone."""
CARRIED: Final = 0.75
"""So much of the evidence may come from one slot or minute: more, and it was a stall."""


class Moment(NamedTuple):
    """When it is judged, and on what."""

    begin: int
    """Start of the last minute or slot that counts, seconds since 1970."""
    end: int
    slots: Sequence[tuple[int, Scores]] = ()
    """The slots of the minute that is over, in order, as (observations, scores); none where it is all in one."""
    early: bool = False
    """The minute is not over: what would be no alert can wait."""

    @property
    def minute(self) -> int:
        """Its start."""
        return minute_of(self.begin)


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

    def is_raised(self, state: SeriesState, versions: Mapping[str, Totals]) -> bool:
        """Whether some observations lie above the level of late, by half of what is worth telling: a guess."""
        recent = state.baseline.recent
        n, total = 0, 0.0
        for totals in versions.values():
            count, located = self._measure.location(totals)
            n, total = n + count, total + located
        return n > 0 and recent.located > 0 and total / n > recent.total / recent.located + self._measure.step / 2

    def minute(self, state: SeriesState, minute: int) -> tuple[Finding, ...]:
        """Judge a minute that is over, or what of it no look has judged yet."""
        slots, state.parts = state.parts, {}
        alert = state.open_alert
        if not slots:
            is_idle = alert is not None or not state.held
            return () if is_idle else self._conclude(state, Moment(state.held[-1].first, minute + MINUTE_S))
        begin = minute if state.counted != minute else min(slots)
        is_judged = alert is None and self.is_ready(state)
        each = self._each(self._frame(state), slots) if is_judged and len(slots) > 1 else []
        versions: dict[str, Totals] = {}
        for slot in sorted(slots):
            merge_versions(versions, slots[slot])
        chunk = self._chunk(state, begin, versions)
        if alert is not None:
            return self._follow.minute(state, alert, (minute, chunk.totals), versions, self._frame(state))
        if not is_judged:
            self._absorb(state, chunk)
            return ()
        self._suspect(state, chunk, versions)
        return self._conclude(state, Moment(begin, minute + MINUTE_S, each))

    def look(self, state: SeriesState, slot: int) -> tuple[Finding, ...]:
        """Judge what has come of a minute up to this slot, where that proves more than a minute would have to."""
        frame = state.frame
        if frame is None or state.open_alert is not None:
            return ()
        [(_, newest)] = self._each(frame, {slot: state.parts[slot]})
        if gain(self._measure.tilts, frame, newest, 0) <= 0:
            return ()
        if self._ahead(state, frame) < EARLY * self._parameters.evidence:
            return ()
        slots, state.parts = state.parts, {}
        for begin, versions in sorted(slots.items()):
            self._suspect(state, self._chunk(state, begin, versions), versions)
            state.counted = minute_of(begin)
        return self._decide(state, Moment(slot, slot + SLOT_S, early=True))

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

    # What may have begun

    def _chunk(self, state: SeriesState, begin: int, versions: Mapping[str, Totals]) -> Chunk:
        """All of a minute from `begin` on, or of a slot; its hour takes it in, whatever becomes of it."""
        minute = minute_of(begin)
        everything = total_of(versions, is_minute=state.counted != minute)
        if self._measure.seasonal:
            state.baseline.season.absorb(minute, self._measure.location(everything))
        return Chunk(begin, begin, everything)

    def _suspect(self, state: SeriesState, chunk: Chunk, versions: Mapping[str, Totals]) -> None:
        frame = self._frame(state)
        state.cusum.add(self._measure.score(frame, chunk.totals), self._measure.tilts, frame.psi, chunk.first)
        state.held.append(chunk)
        self._fold_versions(state, frame, chunk, versions)

    def _each(self, frame: Frame, slots: Mapping[int, Mapping[str, Totals]]) -> list[tuple[int, Scores]]:
        """Observations and scores of each slot, in order."""
        return [
            (
                _count(versions),
                joined([self._measure.score(frame, totals) for _, totals in sorted(versions.items())]),
            )
            for _, versions in sorted(slots.items())
        ]

    def _ahead(self, state: SeriesState, frame: Frame) -> float:
        """The most evidence there would be, were the open minute's slots judged now."""
        ahead = state.cusum.copy()
        for slot, (_, scores) in zip(sorted(state.parts), self._each(frame, state.parts), strict=True):
            ahead.add(scores, self._measure.tilts, frame.psi, slot)
        suspects = ahead.suspects(self._measure.weight(state.baseline))
        return suspects[0][0] if suspects else 0.0

    def _lasts(self, state: SeriesState, now: Moment, change: Change) -> bool:
        """Whether it is more than a stall: its last slot still shows it, and no single slot or minute carries it."""
        if change.version is not None:
            return True
        frame = self._frame(state)
        tilt = best_tilt(self._measure.tilts, frame, self._measure.score(frame, change.after))
        held = [chunk.totals for chunk in state.held if chunk.last >= change.since]
        parts = [(totals.count, self._measure.score(frame, totals)) for totals in held]
        if now.slots:  # the minute is the last of what is held
            parts = [*parts[:-1], *now.slots]
        gains = [gain(self._measure.tilts, frame, scores, tilt) for _, scores in parts]
        if len(gains) < 2:
            return True
        is_over = parts[-1][0] >= BUSY and gains[-1] <= 0
        return not is_over and max(gains) <= CARRIED * math.fsum(gains)

    # Versions side by side

    def _fold_versions(self, state: SeriesState, frame: Frame, chunk: Chunk, versions: Mapping[str, Totals]) -> None:
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
            stream.cusum.add(self._measure.score(frame, versions[version]), self._measure.tilts, frame.psi, chunk.first)
            stream.last = chunk.first
            is_minute = chunk.totals.minutes > 0
            stream.totals.add(total([versions[version]], is_minute=is_minute))
            rest = (versions[other] for other in sorted(versions) if other != version)
            stream.rest.add(total(rest, is_minute=is_minute))
            if stream.cusum.earliest() == NEVER:
                stream.totals, stream.rest = Totals(), Totals()
                if known:
                    del state.streams[version]

    # Decision

    def _conclude(self, state: SeriesState, now: Moment) -> tuple[Finding, ...]:
        opened = self._decide(state, now)
        if not opened:
            self._let_go(state)
        return opened

    def _decide(self, state: SeriesState, now: Moment) -> tuple[Finding, ...]:
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
            opened = self._open(state, now, Change(since, after, sure(state, after, evidence, phi), phi))
            if opened:
                return opened
        for version in sorted(state.streams):
            stream = state.streams[version]
            for evidence, since in stream.cusum.suspects(weight)[:1]:
                if evidence >= wanted and stream.last == now.begin:
                    phi = phi_of(state, stream.totals)
                    worth = sure(state, stream.totals, evidence, phi)
                    opened = self._open(state, now, Change(since, stream.totals, worth, phi, version))
                    if opened:
                        return opened
        return ()

    def _open(self, state: SeriesState, now: Moment, change: Change) -> tuple[Finding, ...]:
        effect = self._measure.effect(state.baseline, change.after, change.phi)
        if not self._is_enough(state, now, change, effect):
            return ()
        coincides = guards.coinciding(state.baseline, change.after)
        if change.version is not None:
            coincides = [VERSION + change.version]
            if not self._stands_out(state.streams[change.version].rest, change):
                return ()
        else:
            suspected = guards.Suspicion(change.since, now.minute, change.after, change.phi, bool(coincides))
            if guards.seasonal(self._measure, self._parameters, state.baseline, suspected):
                return ()
        alert = self._alert(state, now, change)
        alert.coincides = coincides
        named = [mark[len(VERSION) :] for mark in coincides if mark.startswith(VERSION)]
        if named:
            alert.version = named[-1]
        if not coincides:
            alert.doubt = guards.mixed(self._measure, self._parameters, state.baseline, change.after)
        alert.severity = self._follow.severity(alert, effect)
        if now.early and alert.severity == 0:
            return ()
        state.alert = alert
        return (self._follow.tell(state, alert, effect, "open", REOPENED if alert.revision else OPENED),)

    def _is_enough(self, state: SeriesState, now: Moment, change: Change, effect: Effect) -> bool:
        wanted = self._parameters
        evidence, minutes = wanted.evidence * (EARLY if now.early else 1), wanted.min_observed_minutes
        observed, swift = wanted.min_observed, change.evidence >= SWIFT * evidence
        if swift:
            observed = -(-observed // 2)
        if swift or now.early:
            minutes = -(-minutes // 2)
        return (
            change.evidence >= evidence
            and effect.worth_telling
            and change.after.count >= observed
            and max(1, change.after.minutes) >= minutes
            and now.end - change.since >= LASTING_S
            and self._lasts(state, now, change)
        )

    def _stands_out(self, rest: Totals, change: Change) -> bool:
        """Whether a version is also worse than the others at the same time: else it is not the version."""
        if rest.count < self._parameters.min_observed:
            return True
        others = Baseline()
        others.absorb(rest, 0, (0, 0.0), rest.count + 1)
        return self._measure.effect(others, change.after, change.phi).worth_telling

    def _alert(self, state: SeriesState, now: Moment, change: Change) -> Alert:
        old = state.alert
        alert = Alert(fingerprint(self._rule.name, state.series, change.since), change.since, now.minute, change.after)
        if old is not None and now.minute - old.closed <= MINUTE_S * self._parameters.reopen_minutes:
            alert.mark, alert.since, alert.revision = old.mark, old.since, old.revision
        alert.scoped, alert.scope = change.version is not None, change.version or ""
        alert.version, alert.before_version = _versions(state.baseline, change)
        alert.confidence, alert.detected, alert.last = change.evidence, now.end, now.end
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


def is_busy(versions: Mapping[str, Totals]) -> bool:
    """Whether a slot has enough observations to be looked at by itself."""
    return _count(versions) >= BUSY


def _count(versions: Mapping[str, Totals]) -> int:
    return sum(totals.count for totals in versions.values())

"""`retried_failure`: one call, the same error, in one fresh session after the other, and no success between.

A session counts as a retry of the one before when that one had been silent for a while: sessions that run side by
side and meet the same passing error are not a job that is retried. One that goes on with other work after its failure
did not fail on it. The order in which attempts arrive makes no difference to what is counted.
"""

from __future__ import annotations

from typing import Final

from detectors.contract import Step
from detectors.loops.calls import TRUNCATED
from detectors.loops.ladder import severity
from detectors.loops.policies import ToolPolicies
from detectors.retries.attempts import SEPARATOR
from detectors.retries.parameters import RetryParameters
from detectors.retries.report import finding, fingerprint
from detectors.retries.state import KEPT_FIRST, MAX_ITEMS, MAX_SESSIONS, MAX_TOLD, Failing, Item, RetryState
from schemas.facts import Attempt
from schemas.finding import (
    CORRECTED,
    ESCALATED,
    MOVED_ON,
    OPENED,
    QUIET,
    RECOVERED,
    REOPENED,
    REPEATED,
    Finding,
    Status,
)

SECOND_NS: Final = 1_000_000_000


class RetriedFailure:
    """Finds calls that sessions of one service fail on one after the other.

    State: see `RetryState`.
    """

    def __init__(self, name: str, parameters: RetryParameters, policies: ToolPolicies) -> None:
        self.name = name
        self._parameters = parameters
        self._policies = policies
        self._settle_ns = parameters.settle_seconds * SECOND_NS
        self._window_ns = parameters.window_minutes * 60 * SECOND_NS

    def initial(self) -> RetryState:
        """Nothing failed yet."""
        return RetryState()

    def concerns(self, state: RetryState, call: str, session_id: str) -> bool:
        """Whether an attempt that did not fail could change anything: nearly never."""
        return call in state.items or session_id in state.sessions

    def observe(self, state: RetryState, event: Attempt) -> Step[RetryState]:
        """Fold one attempt."""
        if not event.failed:
            if event.call in state.items:
                return Step(state, self._succeeded(state, event))
            if event.session_id not in state.sessions:
                return Step(state)  # nearly always
            return Step(state, self._went_on(state, event))
        found = self._went_on(state, event) if event.session_id in state.sessions else ()
        tool, _, known = event.call.partition(SEPARATOR)
        if not (known and event.error) or self._policies.of(tool).ignored:
            return Step(state, found)
        state.service_name = event.service_name or state.service_name
        return Step(state, found + self._failed(state, event, tool))

    def advance(self, state: RetryState, watermark_unix_nano: int) -> Step[RetryState]:
        """Findings on which nothing more came within the window are over."""
        found: list[Finding] = []
        for call, item in [*state.items.items()]:
            if item.last + self._window_ns < watermark_unix_nano:
                found += self._forget(state, call, QUIET)
        return Step(state, tuple(found))

    def due(self, state: RetryState) -> int | None:
        """When the first finding would be over by silence."""
        return min((item.last + self._window_ns + 1 for item in state.items.values() if item.mark), default=None)

    def encode(self, state: RetryState) -> bytes:
        """JSON without a newline."""
        return state.encode()

    def decode(self, data: bytes) -> RetryState:
        """The inverse of `encode`."""
        return RetryState.decode(data)

    # What an attempt changes.

    def _failed(self, state: RetryState, event: Attempt, tool: str) -> tuple[Finding, ...]:
        found: tuple[Finding, ...] = ()
        item = state.items.get(event.call)
        if item is not None and item.error != event.error:
            found = self._forget(state, event.call, MOVED_ON)  # the same call fails in another way now
            item = None
        if item is None:
            if len(state.items) >= MAX_ITEMS:
                found += self._forget(state, _least_told(state), QUIET)
            item = Item(tool, event.error)
        state.items[event.call] = state.items.pop(event.call, item)
        item.arguments = item.arguments or event.arguments
        item.result, item.strength = event.result, max(item.strength, event.strength)
        self._note(state, item, event)
        return found + self._tell(state, item)

    def _note(self, state: RetryState, item: Item, event: Attempt) -> None:
        """Add the failure to its session; one told before under a trace id gives way to the session found."""
        place = (event.trace_id, event.span_id, event.call_id)
        at = event.end_time_unix_nano
        for one in item.sessions:
            if one.session_id == event.session_id:
                one.first, one.last, one.moved = min(one.first, at), max(one.last, at), 0
                break
        else:
            for one in [one for one in item.sessions if event.span_id and one.span_id == event.span_id]:
                _remove(state, event.call, one)
            item.sessions.append(Failing(event.session_id, at, place, event.service_version))
            state.join(event.session_id, event.call)
            if len(item.sessions) > MAX_SESSIONS:
                self._drop_one(state, event.call)
        item.sessions.sort(key=_order)

    def _succeeded(self, state: RetryState, event: Attempt) -> tuple[Finding, ...]:
        """What failed before it is repaired; a failure after it, heard of before it, stays."""
        item = state.items[event.call]
        later = [one for one in item.sessions if one.first > event.end_time_unix_nano]
        if len(later) == len(item.sessions):
            return ()
        found = self._forget(state, event.call, RECOVERED)
        if later:
            fresh = state.items[event.call] = Item(item.tool, item.error)
            fresh.arguments, fresh.result, fresh.strength = item.arguments, item.result, item.strength
            fresh.sessions = later
            for one in later:
                state.join(one.session_id, event.call)
            found += self._tell(state, fresh)
        return found

    def _went_on(self, state: RetryState, event: Attempt) -> tuple[Finding, ...]:
        """The session that failed does something else."""
        found: tuple[Finding, ...] = ()
        ignored = self._policies.of(event.call.partition(SEPARATOR)[0]).ignored
        for call in sorted(state.sessions[event.session_id]):
            item = state.items[call]
            [one] = [one for one in item.sessions if one.session_id == event.session_id]
            if event.end_time_unix_nano <= one.last:
                continue
            one.last = event.end_time_unix_nano
            one.moved += not (event.failed or ignored)
            if one.moved < self._parameters.move_on_calls:
                found += self._tell(state, item)
            elif len(item.sessions) == 1:
                found += self._forget(state, call, MOVED_ON)
            else:
                _remove(state, call, one)
                found += self._tell(state, item)
        return found

    # What is told.

    def _row(self, item: Item) -> list[Failing]:
        """Sessions one after the other, each after the one before had been silent, none too late."""
        row: list[Failing] = []
        for one in item.sessions:
            if row and one.first > row[-1].last + self._window_ns:
                row = []
            if not row or one.first >= row[-1].last + self._settle_ns:
                row.append(one)
        return row

    def _drop_one(self, state: RetryState, call: str) -> None:
        """Hold one session less: one that is not counted, else the fifth, which goes on counting."""
        item = state.items[call]
        item.sessions.sort(key=_order)
        counted = self._row(item)
        beside = next((one for one in item.sessions if one not in counted), None)
        _remove(state, call, beside or item.sessions[KEPT_FIRST])
        item.dropped += beside is None

    def _tell(self, state: RetryState, item: Item) -> tuple[Finding, ...]:
        """A revision, if it says something that the last one did not."""
        row = self._row(item)
        count = len(row) + (item.dropped if row and row[0] is item.sessions[0] else 0)
        seen = item.strength <= TRUNCATED
        reached = severity(self._parameters.sessions if seen else self._parameters.sessions_unseen, count)
        if (reached, count) == (item.severity, item.told_count) or (reached < 0 and not item.mark):
            return ()
        if reached < 0:
            return self._over(state, item, MOVED_ON)
        mark = item.mark or fingerprint(self.name, state.service_name, item)
        status: Status
        if not item.mark:
            status, reason = "open", REOPENED if mark in state.told else OPENED
        elif reached > item.severity:
            status, reason = "updated", ESCALATED
        else:
            status, reason = "updated", REPEATED if count > item.told_count else CORRECTED
        if reached != item.severity:
            item.detected = item.sessions[-1].first
        item.mark, item.severity, item.told_count = mark, reached, count
        return (self._told(state, item, (status, reason)),)

    def _told(self, state: RetryState, item: Item, change: tuple[Status, str]) -> Finding:
        revision = state.told.pop(item.mark, 0) + 1
        if len(state.told) >= MAX_TOLD:
            del state.told[next(iter(state.told))]
        state.told[item.mark] = revision
        return finding(self.name, (state.service_name, item), revision, change)

    def _forget(self, state: RetryState, call: str, reason: str) -> tuple[Finding, ...]:
        """The call is no longer watched; its finding is over."""
        item = state.items.pop(call)
        for one in item.sessions:
            state.leave(one.session_id, call)
        return self._over(state, item, reason)

    def _over(self, state: RetryState, item: Item, reason: str) -> tuple[Finding, ...]:
        if not item.mark:
            return ()
        told = self._told(state, item, ("resolved", reason))
        item.mark, item.severity, item.told_count = "", -1, 0
        return (told,)


def _remove(state: RetryState, call: str, one: Failing) -> None:
    state.items[call].sessions.remove(one)
    state.leave(one.session_id, call)


def _order(one: Failing) -> tuple[int, str]:
    return one.first, one.session_id


def _least_told(state: RetryState) -> str:
    """The call to forget: the one touched longest ago of which nothing was told."""
    return next((call for call, item in state.items.items() if not item.mark), next(iter(state.items)))

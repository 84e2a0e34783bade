"""`tool_call_loop`: order, duplicates and lateness around the fold of `session`, and what is told when."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final

import orjson

from detectors.contract import Step
from detectors.loops.calls import (
    MAX_ID,
    MAX_TIME_NS,
    MESSAGE,
    Call,
    call_of,
    from_marker,
    from_model,
    from_tool,
    identity,
    whole,
)
from detectors.loops.checkpoints import Checkpoints
from detectors.loops.loop import Loop
from detectors.loops.parameters import LoopParameters
from detectors.loops.policies import ToolPolicies
from detectors.loops.report import Origin, Revision, finding, fingerprint
from detectors.loops.session import Session
from schemas.facts import STRENGTHS, ModelCall, SessionFact, ToolCall
from schemas.finding import Finding, Status

MAX_WINDOW: Final = 96
MAX_REMEMBERED: Final = 128
MAX_TOLD: Final = 32
QUIET: Final = "quiet"
SUPERSEDED: Final = "superseded"
MINUTE_NS: Final = 60_000_000_000


_OVER: Final = {"": 0, SUPERSEDED: 2}
"""How far a loop is over: 0 not at all, 1 over, 2 never was."""


class LoopState:
    """A session's last 96 calls in order, the fold before them and after them, and what was told.

    Encoded it stays under 512 KB whatever came, and a usual session's is some 30 KB.
    """

    __slots__ = (
        "base", "checkpoints", "floor", "folded", "now", "remembered", "service_name", "session_id", "tells_calls",
        "told", "watermark", "window",
    )  # fmt: skip

    def __init__(self, parameters: LoopParameters) -> None:
        self.session_id = ""
        self.service_name = ""
        self.tells_calls = False
        """It sends its tool calls itself, so those read from messages are void."""
        self.window: list[Call] = []
        self.base = Session(parameters)
        """The fold of everything before the window."""
        self.now = Session(parameters)
        """The fold of everything: a function of `base` and `window`."""
        self.checkpoints = Checkpoints()
        self.folded = 0
        """Entries of `window` that `now` knows; fewer than it holds when one was taken out."""
        self.floor: tuple[int, int, str] | None = None
        """What is before this is folded into `base` for good; a call that comes later than that is too late."""
        self.remembered: dict[str, list[Any]] = {}
        """Identity -> signal, span id, start, level: what has been seen, for duplicates."""
        self.told: dict[str, list[Any]] = {}
        """Fingerprint -> revision, severity, over, count and verdict count of the last finding told."""
        self.watermark = -MAX_TIME_NS


class ToolCallLoop:
    """Finds tool-call loops in the calls of one session.

    State: see `LoopState`. Late by up to 96 calls is put in place and judged again; later than that is too late.
    """

    def __init__(self, name: str, parameters: LoopParameters, policies: ToolPolicies) -> None:
        self.name = name
        self._parameters = parameters
        self._policies = policies
        self._quiet_ns = parameters.quiet_minutes * MINUTE_NS

    def initial(self) -> LoopState:
        """No call yet."""
        return LoopState(self._parameters)

    def observe(self, state: LoopState, event: SessionFact) -> Step[LoopState]:
        """Fold one tool call, model call or marker."""
        ident = identity(event)
        known = state.remembered.get(ident)
        if known is not None and not self._differs(known, ident, event):
            return Step(state)
        call = self._entry(event, ident)
        order = call[:3]
        if state.floor is not None and order < state.floor:
            return Step(state)
        if isinstance(event, ToolCall) and not self._counts(state, event):
            return Step(state)
        if known is not None and _same(known, event) and not _take_out(state, ident):
            return Step(state)
        self._remember(state, ident, event, call)
        if event.session_id:
            state.session_id = event.session_id
        state.service_name = state.service_name or event.service_name
        gone = self._place(state, call, order)
        if not state.now.loops and not gone:
            return Step(state)
        return Step(state, self._publish(state, gone))

    def advance(self, state: LoopState, watermark_unix_nano: int) -> Step[LoopState]:
        """Let loops that have been silent for long enough be over."""
        state.watermark = max(state.watermark, whole(watermark_unix_nano, 0))
        return Step(state, self._publish(state, []) if state.now.loops else ())

    def due(self, state: LoopState) -> int | None:
        """When the first open loop would be over by silence."""
        if not state.now.loops:
            return None
        times = [
            loop.last_call.end + self._quiet_ns + 1
            for loop in state.now.loops
            if not loop.reason and loop.severity >= 0 and loop.last_call.end + self._quiet_ns >= state.watermark
        ]
        return min(times, default=None)

    # Order and duplicates.

    def _entry(self, event: SessionFact, ident: str) -> Call:
        if isinstance(event, ToolCall):
            return from_tool(event, ident, self._policies, self._parameters.min_result_characters)
        return from_model(event, ident) if isinstance(event, ModelCall) else from_marker(event, ident)

    def _differs(self, known: list[Any], ident: str, event: SessionFact) -> bool:
        """Whether an event with a known identity is another call of that id, or a fuller telling of the same."""
        if not _same(known, event):
            return True
        return isinstance(event, ToolCall) and _strength(self._entry(event, ident)) < known[3]

    def _counts(self, state: LoopState, event: ToolCall) -> bool:
        """Whether a tool call is to be folded; the first one that the session sends itself voids those of messages."""
        if event.signal == "message":
            return not state.tells_calls
        if not state.tells_calls:
            state.tells_calls = True
            state.window = [call for call in state.window if not call.flags & MESSAGE]
            state.checkpoints.clear()
        return True

    def _remember(self, state: LoopState, ident: str, event: SessionFact, call: Call) -> None:
        known = state.remembered
        if len(known) >= MAX_REMEMBERED + MAX_WINDOW:
            del known[next(iter(known))]
        signal, span_id = event.signal[:8], event.span_id[:MAX_ID]
        row = [signal, span_id, call.start, _strength(call)]
        known[ident] = row
        if ident[0] == "c" and span_id and signal == "span":
            known[f"s:{span_id}"] = row

    def _place(self, state: LoopState, call: Call, order: tuple[int, int, str]) -> list[Loop]:
        """Put a call in its place; returns loops that were told and that the new order knows no more."""
        window = state.window
        gone: list[Loop] = []
        if len(window) == state.folded and (not window or order >= window[-1][:3]):
            window.append(call)
            state.now.step(call)
            state.checkpoints.note(len(window), state.now)
        else:
            at = bisect_right(window, order, key=lambda c: c[:3])
            window.insert(at, call)
            gone = self._fold_again(state, at)
        if len(window) > MAX_WINDOW:
            oldest = window.pop(0)
            state.base.step(oldest)
            state.floor = oldest[:3]
            state.checkpoints.dropped_first()
        state.folded = len(window)
        return gone

    def _fold_again(self, state: LoopState, at: int = 0) -> list[Loop]:
        """Fold the window anew, all of it that comes after the last copy from before the call at `at`."""
        before = state.now.loops
        found = state.checkpoints.latest_before(at)
        start, state.now = found or (0, Session.of_list(self._parameters, state.base.as_list()))
        for folded, call in enumerate(state.window[start:], start + 1):
            state.now.step(call)
            state.checkpoints.note(folded, state.now)
        known = {loop.first.ident for loop in state.now.loops if loop.severity >= 0}
        return [loop for loop in before if loop.severity >= 0 and loop.first.ident not in known]

    # What is told.

    def _publish(self, state: LoopState, gone: list[Loop]) -> tuple[Finding, ...]:
        found: list[Finding] = []
        for loop in gone:
            loop.reason = SUPERSEDED
            self._tell(state, loop, found)
        for loop in state.now.loops:
            if loop.severity >= 0:
                self._tell(state, loop, found)
        return tuple(found)

    def _tell(self, state: LoopState, loop: Loop, found: list[Finding]) -> None:
        """Add a revision of the loop's finding if it says something that the last one did not."""
        if not loop.mark:
            loop.mark = fingerprint(self.name, state.service_name, loop.first)
        quiet = state.watermark > loop.last_call.end + self._quiet_ns
        over = loop.reason or (QUIET if quiet else "")
        last = state.told.get(loop.mark)
        now = [loop.severity, _OVER.get(over, 1), loop.count, loop.verdict_count]
        if last is not None and last[1:] == now:
            return
        revision = Revision(last[0] + 1 if last else 1, *_change(last, now, over))
        self._note(state, loop.mark, [revision.number, *now])
        found.append(finding(loop, Origin(self.name, state.service_name, state.session_id), revision))

    def _note(self, state: LoopState, mark: str, row: list[Any]) -> None:
        told = state.told
        if mark not in told and len(told) >= MAX_TOLD:
            over = [known for known, (_, _, is_over, *_) in told.items() if is_over]
            del told[over[0] if over else next(iter(told))]
        told[mark] = row

    # State as bytes.

    def encode(self, state: LoopState) -> bytes:
        """JSON without a newline; NaN travels as null."""
        return orjson.dumps(
            [
                state.session_id, state.service_name, state.tells_calls, [list(c) for c in state.window],
                state.base.as_list(), state.floor, list(state.remembered.items()), list(state.told.items()),
                state.watermark,
            ]
        )  # fmt: skip

    def decode(self, data: bytes) -> LoopState:
        """The inverse of `encode`: what follows the window is folded again."""
        state = self.initial()
        (
            state.session_id, state.service_name, state.tells_calls, window, base, floor, remembered, told,
            state.watermark,
        ) = orjson.loads(data)  # fmt: skip
        state.window = [call_of(fields) for fields in window]
        state.base = Session.of_list(self._parameters, base)
        state.floor = (floor[0], floor[1], floor[2]) if floor else None
        state.remembered = dict(remembered)
        state.told = dict(told)
        state.folded = len(state.window)
        self._fold_again(state)
        return state


def _same(known: list[Any], event: SessionFact) -> bool:
    """Whether it is the same call told again; some models count their call ids anew each turn."""
    signal, span_id, start, _ = known
    return bool(signal != event.signal or span_id == event.span_id[:MAX_ID] or start == event.start_time_unix_nano)


def _strength(call: Call) -> int:
    """How much is known of a call, less is more."""
    return call.level * len(STRENGTHS) + call.confidence


def _take_out(state: LoopState, ident: str) -> bool:
    """Remove the weaker telling of a call from the window; False when it is no longer there."""
    for index in range(len(state.window) - 1, -1, -1):
        if state.window[index].ident == ident:
            del state.window[index]
            state.checkpoints.clear()
            return True
    return False


def _change(last: list[Any] | None, now: list[Any], over: str) -> tuple[Status, str]:
    """Status and reason of the revision that leads from what was told last to what is so now."""
    if over:
        return "resolved", over
    if last is None:
        return "open", "opened"
    _, severity, was_over, count, verdict = last
    if was_over:
        return "open", "reopened"
    if now[0] > severity:
        return "updated", "escalated"
    if now[0] < severity or now[2] < count:
        return "updated", "corrected"
    return "updated", "confirmed by the agent" if now[3] > verdict else "repeated"

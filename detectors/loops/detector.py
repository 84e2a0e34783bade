"""`tool_call_loop`: order, duplicates and lateness around the fold of `session`, and what is told when."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final, NamedTuple

import orjson

from detectors.contract import Step
from detectors.loops.calls import (
    HOOK,
    MAX_ID,
    MAX_TIME_NS,
    MERGED,
    MESSAGE,
    SPAN,
    Call,
    from_marker,
    from_model,
    from_tool,
    identity,
    merged,
    whole,
)
from detectors.loops.checkpoints import Checkpoints
from detectors.loops.columns import as_columns, of_columns
from detectors.loops.loop import Loop
from detectors.loops.parameters import LoopParameters
from detectors.loops.policies import ToolPolicies
from detectors.loops.report import Origin, Revision, begin, finding, fingerprint
from detectors.loops.session import Session
from detectors.loops.texts import NOTHING_SAID, Said, Texts
from schemas.facts import STRENGTHS, ModelCall, SessionFact, ToolCall
from schemas.finding import (
    CONFIRMED,
    CORRECTED,
    ESCALATED,
    OPENED,
    QUIET,
    REOPENED,
    REPEATED,
    SUPERSEDED,
    Finding,
    Status,
)

MAX_WINDOW: Final = 96
MAX_REMEMBERED: Final = 32
"""Identities that have left the window: what is told of them again has the same time as before and is too late by
itself, but for tellings whose times differ a little."""
MAX_TOLD: Final = 32


_OVER: Final = {"": 0, SUPERSEDED: 2}
"""How far a loop is over: 0 not at all, 1 over, 2 never was."""


class Seen(NamedTuple):
    """What is known of a call that came before, to tell a duplicate from another call of that id."""

    signal: str
    span_id: str
    start: int
    strength: int
    """How much is known of it, less is more; -1: told by a hook and by the agent, nothing says more."""


class LoopState:
    """A session's last 96 calls in order, the fold before them and after them, and what was told.

    Encoded it stays under 512 KB whatever came, and a usual session's is some 10 KB.
    """

    __slots__ = (
        "base", "checkpoints", "floor", "folded", "known", "now", "remembered", "service_name", "session_id",
        "tells_calls", "texts", "told", "watermark", "window",
    )  # fmt: skip

    def __init__(self, parameters: LoopParameters) -> None:
        self.session_id = ""
        self.service_name = ""
        self.tells_calls = False
        """It sends its tool calls itself, so those read from messages are void."""
        self.window: list[Call] = []
        self.known: dict[str, Call] = {}
        """Identity -> the last call of the window that has it: a function of `window`."""
        self.base = Session(parameters)
        """The fold of everything before the window."""
        self.now = Session(parameters)
        """The fold of everything: a function of `base` and `window`."""
        self.checkpoints = Checkpoints()
        self.folded = 0
        """Entries of `window` that `now` knows; fewer than it holds when one was taken out."""
        self.floor: tuple[int, int, str] | None = None
        """What is before this is folded into `base` for good; a call that comes later than that is too late."""
        self.remembered: dict[str, Seen] = {}
        """Identity -> what was seen of a call that has left the window."""
        self.texts = Texts()
        self.told: dict[str, list[Any]] = {}
        """Fingerprint -> revision, severity, over, count, verdict count, arguments and result last told."""
        self.watermark = -MAX_TIME_NS

    def seen(self, ident: str) -> Seen | None:
        """What came before under this identity."""
        call = self.known.get(ident)
        return self.remembered.get(ident) if call is None else _seen(call)

    def keep(self, calls: list[Call]) -> None:
        """Let the window be these calls, some of those that it holds."""
        if len(calls) < len(self.window):
            self.window, self.known = calls, _identities(calls)
            self.checkpoints.clear()

    def take_out(self, ident: str) -> Call | None:
        """Remove the last call of this identity from the window; None when it is no longer there."""
        for index in range(len(self.window) - 1, -1, -1):
            if self.window[index].ident == ident:
                call = self.window[index]
                self.keep([*self.window[:index], *self.window[index + 1 :]])
                return call
        return None

    def know(self, call: Call) -> None:
        """A call has come into the window."""
        for ident in _names(call):
            other = self.known.get(ident)
            if other is None or other[:3] <= call[:3]:
                self.known[ident] = call

    def shift(self) -> Call:
        """Take the oldest call out of the window and remember that it was seen."""
        oldest = self.window.pop(0)
        for ident in _names(oldest):
            if self.known.get(ident) is oldest:
                del self.known[ident]
                self.remembered[ident] = _seen(oldest)
                if len(self.remembered) > MAX_REMEMBERED:
                    del self.remembered[next(iter(self.remembered))]
        return oldest


class ToolCallLoop:
    """Finds tool-call loops in the calls of one session.

    State: see `LoopState`. Late by up to 96 calls is put in place and judged again; later than that is too late.
    """

    def __init__(self, name: str, parameters: LoopParameters, policies: ToolPolicies) -> None:
        self.name = name
        self._parameters = parameters
        self._policies = policies
        self._least = (parameters.min_result_characters, parameters.min_answer_characters)
        self._quiet_ns = parameters.quiet_ns

    def initial(self) -> LoopState:
        """No call yet."""
        return LoopState(self._parameters)

    def observe(self, state: LoopState, event: SessionFact) -> Step[LoopState]:
        """Fold one tool call, model call or marker."""
        ident = identity(event)
        known = state.seen(ident)
        if known is not None and not self._differs(known, ident, event):
            return Step(state)
        call = self._entry(event, ident)
        if state.floor is not None and call[:3] < state.floor:
            return Step(state)
        if isinstance(event, ToolCall) and not self._counts(state, event):
            return Step(state)
        if known is not None and _same(known, event):
            weaker = state.take_out(ident)
            if weaker is None:
                return Step(state)
            if (weaker.flags ^ call.flags) & HOOK:
                call = merged(weaker, call)
                state.texts.carry_over(weaker, call)
        if type(event) is ToolCall:
            state.texts.note(call, event.arguments, event.result)
        if event.session_id:
            state.session_id = event.session_id
        if event.signal != "hook" or not state.service_name:
            state.service_name = event.service_name or state.service_name
        gone = self._place(state, call)
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
            return from_tool(event, ident, self._policies, self._least)
        return from_model(event, ident) if isinstance(event, ModelCall) else from_marker(event, ident)

    def _differs(self, known: Seen, ident: str, event: SessionFact) -> bool:
        """Whether an event with a known identity is another call of that id, or a fuller telling of the same."""
        if not _same(known, event):
            return True
        if known.strength >= 0 and (known.signal == "hook") != (event.signal == "hook"):
            return True
        return isinstance(event, ToolCall) and _strength(self._entry(event, ident)) < known.strength

    def _counts(self, state: LoopState, event: ToolCall) -> bool:
        """Whether a tool call is to be folded; the first one that the session sends itself voids those of messages."""
        if event.signal == "message":
            return not state.tells_calls
        if not event.call_id:  # nothing joins what a hook tells to what the agent tells: the hook saw more
            if event.signal == "hook":
                state.keep([c for c in state.window if c.kind != "tool" or c.call_id or c.flags & HOOK])
            elif event.signal == "log" and any(call.flags & HOOK and not call.call_id for call in state.window):
                return False
        if not state.tells_calls:
            state.tells_calls = True
            state.keep([call for call in state.window if not call.flags & MESSAGE])
        return True

    def _place(self, state: LoopState, call: Call) -> list[Loop]:
        """Put a call in its place; returns loops that were told and that the new order knows no more."""
        window, order = state.window, call[:3]
        state.know(call)
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
            oldest = state.shift()
            state.base.step(oldest)
            state.floor = oldest[:3]
            state.checkpoints.dropped_first()
        state.folded = len(window)
        return gone

    def _fold_again(self, state: LoopState, at: int = 0) -> list[Loop]:
        """Fold the window anew, all of it that comes after the last copy from before the call at `at`."""
        before = state.now.loops
        found = state.checkpoints.latest_before(at)
        start, state.now = found or (0, state.base.copy())
        for folded, call in enumerate(state.window[start:], start + 1):
            state.now.step(call)
            state.checkpoints.note(folded, state.now)
        known = {begin(loop.first) for loop in state.now.loops if loop.severity >= 0}
        return [loop for loop in before if loop.severity >= 0 and begin(loop.first) not in known]

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
            loop.mark = fingerprint(self._origin(state), loop.first)
        quiet = state.watermark > loop.last_call.end + self._quiet_ns
        over = loop.reason or (QUIET if quiet else "")
        last = state.told.get(loop.mark)
        now = [loop.severity, _OVER.get(over, 1), loop.count, loop.verdict_count]
        if last is not None and last[1:5] == now:
            return
        revision = Revision(last[0] + 1 if last else 1, *_change(last, now, over))
        said = state.texts.of(loop.first, loop.last_call, Said(*last[5:]) if last else NOTHING_SAID)
        self._note(state, loop.mark, [revision.number, *now, *(NOTHING_SAID if over else said)])
        found.append(finding(loop, self._origin(state), revision, said))

    def _origin(self, state: LoopState) -> Origin:
        return Origin(self.name, state.service_name, state.session_id)

    def _note(self, state: LoopState, mark: str, row: list[Any]) -> None:
        told = state.told
        if mark not in told and len(told) >= MAX_TOLD:
            over = [known for known, (_, _, is_over, *_) in told.items() if is_over]
            del told[over[0] if over else next(iter(told))]
        told[mark] = row

    # State as bytes.

    def encode(self, state: LoopState) -> bytes:
        """JSON without a newline; NaN travels as null."""
        remembered = [[ident, *seen] for ident, seen in state.remembered.items()]
        return orjson.dumps(
            [
                state.session_id, state.service_name, state.tells_calls, as_columns(state.window),
                state.base.as_list(), state.floor, remembered, state.texts.as_list(), list(state.told.items()),
                state.watermark,
            ]
        )  # fmt: skip

    def decode(self, data: bytes) -> LoopState:
        """The inverse of `encode`: what follows the window is folded again."""
        state = self.initial()
        (
            state.session_id, state.service_name, state.tells_calls, window, base, floor, remembered, texts, told,
            state.watermark,
        ) = orjson.loads(data)  # fmt: skip
        state.window = of_columns(window)
        state.known = _identities(state.window)
        state.base = Session.of_list(self._parameters, base)
        state.floor = (floor[0], floor[1], floor[2]) if floor else None
        state.remembered = {ident: Seen(*seen) for ident, *seen in remembered}
        state.texts = Texts.of_list(texts)
        state.told = dict(told)
        state.folded = len(state.window)
        self._fold_again(state)
        return state


def _names(call: Call) -> tuple[str, ...]:
    """What a call may be told again under: its identity, and its span where it has a call id too."""
    ident = call.ident
    return (ident, f"s:{call.span_id}") if call.span_id and ident[0] == "c" and call.flags & SPAN else (ident,)


def _identities(window: list[Call]) -> dict[str, Call]:
    return {ident: call for call in window for ident in _names(call)}


def _seen(call: Call) -> Seen:
    return Seen(call.signal, call.span_id, call.start, -1 if call.flags & MERGED else _strength(call))


def _same(known: Seen, event: SessionFact) -> bool:
    """Whether it is the same call told again; some models count their call ids anew each turn."""
    return (
        known.signal != event.signal
        or known.span_id == event.span_id[:MAX_ID]
        or known.start == event.start_time_unix_nano
    )


def _strength(call: Call) -> int:
    """How much is known of a call, less is more."""
    return call.level * len(STRENGTHS) + call.confidence


def _change(last: list[Any] | None, now: list[Any], over: str) -> tuple[Status, str]:
    """Status and reason of the revision that leads from what was told last to what is so now."""
    if over:
        return "resolved", over
    if last is None:
        return "open", OPENED
    _, severity, was_over, count, verdict, *_ = last
    if was_over:
        return "open", REOPENED
    if now[0] > severity:
        return "updated", ESCALATED
    if now[0] < severity or now[2] < count:
        return "updated", CORRECTED
    return "updated", CONFIRMED if now[3] > verdict else REPEATED

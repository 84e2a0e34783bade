"""`tool_call_loop`: which facts count, duplicates among them, and what is told when. The fold is in `state`."""

from __future__ import annotations

from typing import Any, Final

from detectors.contract import Step
from detectors.loops.calls import (
    HOOK,
    MAX_ID,
    MESSAGE,
    Call,
    from_marker,
    from_model,
    from_tool,
    identity,
    merged,
    whole,
)
from detectors.loops.loop import Loop
from detectors.loops.parameters import LoopParameters
from detectors.loops.policies import ToolPolicies
from detectors.loops.report import Origin, Revision, finding, fingerprint
from detectors.loops.state import LoopState, Seen, strength
from detectors.loops.texts import NOTHING_SAID, Said
from schemas.facts import ModelCall, SessionFact, ToolCall
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

MAX_TOLD: Final = 32
_OVER: Final = {"": 0, SUPERSEDED: 2}
"""How far a loop is over: 0 not at all, 1 over, 2 never was."""


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
        if state.is_too_late(call):
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
        gone = state.place(call)
        if not state.loops and not gone:
            return Step(state)
        return Step(state, self._publish(state, gone))

    def advance(self, state: LoopState, watermark_unix_nano: int) -> Step[LoopState]:
        """Let loops that have been silent for long enough be over."""
        state.watermark = max(state.watermark, whole(watermark_unix_nano, 0))
        return Step(state, self._publish(state, []) if state.loops else ())

    def due(self, state: LoopState) -> int | None:
        """When the first open loop would be over by silence."""
        if not state.loops:
            return None
        times = [
            loop.last_call.end + self._quiet_ns + 1
            for loop in state.loops
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
        return isinstance(event, ToolCall) and strength(self._entry(event, ident)) < known.strength

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

    # What is told.

    def _publish(self, state: LoopState, gone: list[Loop]) -> tuple[Finding, ...]:
        found: list[Finding] = []
        for loop in gone:
            loop.reason = SUPERSEDED
            self._tell(state, loop, found)
        for loop in state.loops:
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
        return state.encode()

    def decode(self, data: bytes) -> LoopState:
        """The inverse of `encode`: what follows the window is folded again."""
        return LoopState.decode(self._parameters, data)


def _same(known: Seen, event: SessionFact) -> bool:
    """Whether it is the same call told again; some models count their call ids anew each turn."""
    return (
        known.signal != event.signal
        or known.span_id == event.span_id[:MAX_ID]
        or known.start == event.start_time_unix_nano
    )


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

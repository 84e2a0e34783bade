"""The state of `tool_call_loop`: the last calls in order of time, and the fold of them, done only where it can matter.

A loop takes three calls that compare equal. Until `Sightings` has seen that, calls only queue in the window: most
sessions are never folded at all, and the result is the same as if each call had been folded when it came.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final, NamedTuple

import orjson

from detectors.loops.calls import MAX_TIME_NS, MERGED, SPAN, Call
from detectors.loops.checkpoints import Checkpoints
from detectors.loops.columns import as_columns, of_columns
from detectors.loops.loop import Loop
from detectors.loops.parameters import LoopParameters
from detectors.loops.report import begin
from detectors.loops.session import Session
from detectors.loops.sightings import Sightings
from detectors.loops.texts import Texts
from schemas.facts import STRENGTHS

MAX_WINDOW: Final = 96
MAX_REMEMBERED: Final = 32
"""Identities that have left the window: what is told of them again has the same time as before and is too late by
itself, but for tellings whose times differ a little."""
UNKNOWN: Final = -1


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
        "_base", "_checkpoints", "_floor", "_folded", "_known", "_now", "_remembered", "_sightings", "_window",
        "service_name", "session_id", "tells_calls", "texts", "told", "watermark",
    )  # fmt: skip

    def __init__(self, parameters: LoopParameters) -> None:
        self.session_id = ""
        self.service_name = ""
        self.tells_calls = False
        """It sends its tool calls itself, so those read from messages are void."""
        self._window: list[Call] = []
        self._known: dict[str, Call] = {}
        """Identity -> the last call of the window that has it: a function of the window."""
        self._base = Session(parameters)
        """The fold of everything before the window."""
        self._now = self._base
        """The fold of everything before the window and of the first `_folded` of its calls; with none, `_base`."""
        self._folded = 0
        """`UNKNOWN`: calls were taken out of the window since."""
        self._sightings = Sightings()
        """Of all that `_now` holds and of what is not folded yet."""
        self._checkpoints = Checkpoints()
        self._floor: tuple[int, int, str] | None = None
        """What is before this is folded into `_base` for good; a call that comes later than that is too late."""
        self._remembered: dict[str, Seen] = {}
        """Identity -> what was seen of a call that has left the window."""
        self.texts = Texts()
        self.told: dict[str, list[Any]] = {}
        """Fingerprint -> revision, severity, over, count, verdict count, arguments and result last told."""
        self.watermark = -MAX_TIME_NS

    @property
    def loops(self) -> list[Loop]:
        """The loops of all calls so far, also those that are over."""
        return self._now.loops

    @property
    def window(self) -> list[Call]:
        """The last calls in order of time."""
        return self._window

    def seen(self, ident: str) -> Seen | None:
        """What came before under this identity."""
        call = self._known.get(ident)
        return self._remembered.get(ident) if call is None else _seen(call)

    def is_too_late(self, call: Call) -> bool:
        """Whether a call belongs before those that are folded for good."""
        return self._floor is not None and call[:3] < self._floor

    # The window

    def keep(self, calls: list[Call]) -> None:
        """Let the window be these calls, some of those that it holds, until `place` folds them anew."""
        if len(calls) < len(self._window):
            self._window, self._known = calls, _identities(calls)
            self._checkpoints.clear()
            self._folded = UNKNOWN

    def take_out(self, ident: str) -> Call | None:
        """Remove the last call of this identity from the window; None when it is no longer there."""
        window = self._window
        for index in range(len(window) - 1, -1, -1):
            if window[index].ident == ident:
                call = window[index]
                self.keep([*window[:index], *window[index + 1 :]])
                return call
        return None

    def place(self, call: Call) -> list[Loop]:
        """Put a call in its place; returns loops that were told and that the new order knows no more."""
        window, order = self._window, call[:3]
        for ident in _names(call):
            other = self._known.get(ident)
            if other is None or other[:3] <= order:
                self._known[ident] = call
        repeats = self._sightings.note(call)
        gone: list[Loop] = []
        at = len(window)
        if window and order < window[-1][:3]:
            at = bisect_right(window, order, key=lambda c: c[:3])
        window.insert(at, call)
        if at < self._folded or self._folded == UNKNOWN:
            gone = self._fold_from(at)
        elif repeats or self._now.loops:
            self._fold()
        if len(window) > MAX_WINDOW:
            self._shift()
        return gone

    def _shift(self) -> None:
        """Fold the oldest call of the window for good, and remember that it was seen."""
        oldest = self._window.pop(0)
        for ident in _names(oldest):
            if self._known.get(ident) is oldest:
                del self._known[ident]
                self._remembered[ident] = _seen(oldest)
                if len(self._remembered) > MAX_REMEMBERED:
                    del self._remembered[next(iter(self._remembered))]
        self._base.step(oldest)
        self._floor = oldest[:3]
        self._checkpoints.dropped_first()
        if self._folded:
            self._folded -= 1
            if not self._folded:
                self._now = self._base
        if self._sightings.are_stale:
            self._sightings.begin(self._now, self._window[self._folded :])

    # The fold

    def _fold(self) -> None:
        """Fold the calls that are not folded yet."""
        if self._folded == len(self._window):
            return
        if not self._folded:
            self._now = self._base.copy()
        for folded, call in enumerate(self._window[self._folded :], self._folded + 1):
            self._now.step(call)
            self._checkpoints.note(folded, self._now)
        self._folded = len(self._window)

    def _fold_from(self, at: int) -> list[Loop]:
        """Forget the fold of the calls from `at` on, and fold them anew where they can be part of a loop."""
        before = self._now.loops
        self._folded, self._now = self._checkpoints.latest_before(at) or (0, self._base)
        if before or self._now.loops or self._sightings.begin(self._now, self._window[self._folded :]):
            self._fold()
        known = {begin(loop.first) for loop in self._now.loops if loop.severity >= 0}
        return [loop for loop in before if loop.severity >= 0 and begin(loop.first) not in known]

    # As bytes

    def encode(self) -> bytes:
        """JSON without a newline; NaN travels as null."""
        remembered = [[ident, *seen] for ident, seen in self._remembered.items()]
        return orjson.dumps(
            [
                self.session_id, self.service_name, self.tells_calls, as_columns(self._window), self._base.as_list(),
                self._floor, remembered, self.texts.as_list(), list(self.told.items()), self.watermark,
            ]
        )  # fmt: skip

    @staticmethod
    def decode(parameters: LoopParameters, data: bytes) -> LoopState:
        """The inverse of `encode`: what follows the window is folded again."""
        state = LoopState(parameters)
        (
            state.session_id, state.service_name, state.tells_calls, window, base, floor, remembered, texts, told,
            state.watermark,
        ) = orjson.loads(data)  # fmt: skip
        state._window = of_columns(window)
        state._known = _identities(state._window)
        state._base = Session.of_list(parameters, base)
        state._floor = (floor[0], floor[1], floor[2]) if floor else None
        state._remembered = {ident: Seen(*seen) for ident, *seen in remembered}
        state.texts = Texts.of_list(texts)
        state.told = dict(told)
        state._now = state._base
        state._fold_from(0)
        return state


def strength(call: Call) -> int:
    """How much is known of a call, less is more."""
    return call.level * len(STRENGTHS) + call.confidence


def _names(call: Call) -> tuple[str, ...]:
    """What a call may be told again under: its identity, and its span where it has a call id too."""
    ident = call.ident
    return (ident, f"s:{call.span_id}") if call.span_id and ident[0] == "c" and call.flags & SPAN else (ident,)


def _identities(window: list[Call]) -> dict[str, Call]:
    return {ident: call for call in window for ident in _names(call)}


def _seen(call: Call) -> Seen:
    return Seen(call.signal, call.span_id, call.start, -1 if call.flags & MERGED else strength(call))

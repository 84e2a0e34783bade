"""Which calls belong to one round: those that one answer of the model asked for.

The agent says so by a round id, or by running them at the same time. A harness that runs them one after the other says
neither; there it is what the model did meanwhile that tells: nothing, although each of the rounds before began with it.
"""

from __future__ import annotations

from typing import Final

from detectors.loops.calls import HOOK, Call

_OVERLAP: Final = 0.5
"""Calls without a round id that overlap by half of the shorter one were asked for together."""
MIN_ANSWERED: Final = 2
"""Rounds in a row that an answer began, before the silence of the model says something."""
CLOCK_NS: Final = 1_000_000
"""Some clocks count milliseconds."""
MAX_FAN_OUT: Final = 8
"""Calls of one answer that run one after the other; of more it is likelier that the model's part was not told."""


class Answers:
    """What the model said between the calls of one agent."""

    __slots__ = ("calls", "ended", "in_a_row")

    def __init__(self, ended: int = 0, in_a_row: int = 0, calls: int = 0) -> None:
        self.ended = ended
        """End of the last model call since the last tool call; 0: there was none."""
        self.in_a_row = in_a_row
        """Rounds up to the present one that each began after an answer; more than two are counted as two."""
        self.calls = calls
        """Of the present round, repeats within it counted too."""

    def heard(self, model: Call) -> None:
        """The model said something."""
        self.ended = max(self.ended, model.end)

    def note(self, call: Call, joins: bool) -> None:
        """A tool call joins the round or begins one. A model call that outlasts it is no answer."""
        if joins:
            self.calls += 1
        else:
            answered = 0 < self.ended <= call.end + CLOCK_NS
            self.in_a_row, self.calls = min(self.in_a_row + 1, MIN_ANSWERED) if answered else 0, 1
        self.ended = 0

    def silent(self, call: Call) -> bool:
        """Whether the model said nothing before a call, though it does before each round.

        A hook tells its calls before telemetry tells what the model did: there silence says nothing.
        """
        quiet = not self.ended and self.in_a_row >= MIN_ANSWERED
        return quiet and self.calls < MAX_FAN_OUT and not call.flags & HOOK

    def copy(self) -> Answers:
        """To be told on by itself."""
        return Answers(self.ended, self.in_a_row, self.calls)

    def as_list(self) -> list[int]:
        """Fit for JSON; the arguments of a twin."""
        return [self.ended, self.in_a_row, self.calls]


def together(call: Call, last: Call) -> bool | None:
    """Whether a call belongs to the round of the one before it, by round ids or by time; None: neither says so."""
    round_id = call.round_id
    if round_id or last.round_id:
        return round_id == last.round_id
    start, ended = call.start, last.end
    if ended <= start:
        return None
    shorter = min(call.end - start, ended - last.start)
    return True if shorter > 0 and ended - start >= shorter * _OVERLAP else None

"""What a rule may set of `tool_call_loop`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from detectors.parameters import bounded

MINUTE_NS: Final = 60_000_000_000
Row = tuple[int, int, int]
"""Repeats for suspect, warning, critical; 0 = never."""


@dataclass(frozen=True, slots=True)
class LoopParameters:
    """Thresholds of the loop rule. A row is `[suspect, warning, critical]` in repeats, 0 = never."""

    full: Row = (3, 4, 8)
    """Arguments and result known in full."""
    truncated: Row = (3, 5, 10)
    """One of them cut, with its size."""
    arguments: Row = (4, 7, 14)
    """Arguments known; of a successful result only its size, or nothing."""
    arguments_cycle: Row = (3, 3, 8)
    """As `arguments`, for several different calls that repeat in turn with nothing between: chance does that less."""
    arguments_stable: Row = (3, 4, 8)
    """As `arguments`, where the tool reads what only an edit changes."""
    arguments_sized: Row = (3, 5, 10)
    """As `arguments`, where the results have one size and it is not a small one."""
    arguments_failed: Row = (3, 4, 8)
    """Arguments known; the call failed and only the kind of error is known."""
    size: Row = (8, 14, 28)
    """Sizes only."""
    size_stable: Row = (4, 6, 12)
    """Sizes only, and the tool reads what only an edit changes."""
    size_sized: Row = (4, 5, 10)
    """Sizes only, and the results' size is not a small one."""
    size_failed: Row = (3, 4, 8)
    """Sizes only, and the call failed each time."""
    name: Row = (0, 0, 0)
    """Only the tool's name: no evidence while it succeeds."""
    name_failed: Row = (6, 12, 24)
    """Only the tool's name, and it failed each time in a row."""
    waiting: Row = (3, 10, 30)
    """The tool or its result says that it waits: far longer than work would take."""
    waiting_hidden: Row = (6, 30, 60)
    """The same where what came back is not known."""
    watching_hidden: Row = (6, 0, 0)
    """Calls that read what others change, their answers hidden: nobody can tell whether they were new."""
    same_error: Row = (3, 4, 8)
    """The same error in a row from one tool although its arguments change."""
    same_result: Row = (4, 5, 10)
    """The same result, no acknowledgement, in a row from one tool although its arguments change."""
    absent: Row = (5, 0, 0)
    """As the two before, where the answer says that something is not there: each question was another one."""
    failed_differently: Row = (0, 4, 8)
    """The same call in a row, failing each time with another text."""
    cycle_discount: int = bounded(1, 0, 10)
    """A cycle of several calls needs so many passes fewer, never under three: chance repeats it more rarely."""
    window_calls: int = bounded(20, 4, 40)
    """Equal calls count together when at most so many calls lie between first and last."""
    move_on_calls: int = bounded(10, 1, 40)
    """So many other calls after the last repeat and the session has moved on."""
    quiet_minutes: int = bounded(10, 1, 1440)
    """So long without a repeat and the loop is over."""
    min_result_characters: int = bounded(10, 1, 4096)
    """Shorter results (`ok`, `0`) say nothing when the arguments differ."""
    min_answer_characters: int = bounded(4096, 1, 1_000_000)
    """Shorter successes may be the answer to many questions, each asked once: only a page that is the same is none."""

    @property
    def quiet_ns(self) -> int:
        """`quiet_minutes` as events measure time."""
        return self.quiet_minutes * MINUTE_NS

"""Which ladder a repeat is judged by: how many repeats are suspect, a warning, critical for what is known of them."""

from __future__ import annotations

from typing import Final, NamedTuple

from detectors.loops.calls import ARGUMENTS, FULL, NAME, SIZE, TRUNCATED
from detectors.loops.parameters import LoopParameters, Row

WATCHES: Final = "watches"
"""All of them read what others change, or were seen to change: equal sizes say little."""
ALONE: Final = "alone"
"""Several calls, of which at most one says something: the others watch or write."""
READS: Final = "reads"
"""One call, which answers the same until something is edited."""
LONG: Final = "long"
"""Each result has one size that is not a small one."""


class Basis(NamedTuple):
    """What is known of the calls that repeat."""

    level: int
    failed: bool = False
    waiting: bool = False
    several: bool = False
    """Different calls that repeat in turn."""
    hidden: str = ""
    """Where their results are hidden: `WATCHES`, `ALONE`, `READS`, `LONG`, or "" = nothing more."""

    @property
    def scattered(self) -> bool:
        """Whether repeats count with other calls between them."""
        return self.level <= TRUNCATED or self.hidden == LONG or (self.level == ARGUMENTS and self.hidden == READS)


def row_of(parameters: LoopParameters, basis: Basis) -> Row:
    """The ladder for what is known."""
    level, failed, waiting, several, hidden = basis
    if hidden == WATCHES and not waiting:
        return parameters.watching_hidden
    if waiting and level < NAME:
        return parameters.waiting if level <= TRUNCATED else parameters.waiting_hidden
    if not failed and level == ARGUMENTS and several and hidden != ALONE:
        return parameters.arguments_cycle
    better = {
        (ARGUMENTS, READS): parameters.arguments_stable,
        (ARGUMENTS, LONG): parameters.arguments_sized,
        (SIZE, READS): parameters.size_stable,
        (SIZE, LONG): parameters.size_sized,
    }.get((level, hidden))
    if better and not failed:
        return better
    ok, bad = {
        FULL: (parameters.full, parameters.full),
        TRUNCATED: (parameters.truncated, parameters.truncated),
        ARGUMENTS: (parameters.arguments, parameters.arguments_failed),
        SIZE: (parameters.size, parameters.size_failed),
    }.get(level, (parameters.name, parameters.name_failed))
    return bad if failed else ok


def severity(row: Row, repeats: int, discount: int = 0) -> int:
    """The step of the ladder that so many repeats reach: 0 suspect, 1 warning, 2 critical, -1 none."""
    reached = -1
    for step, needed in enumerate(row):
        if needed and repeats >= max(min(3, needed), needed - discount):
            reached = step
    return reached

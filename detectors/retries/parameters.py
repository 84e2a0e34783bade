"""What a rule may set of `retried_failure`."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.loops.parameters import Row
from detectors.parameters import bounded


@dataclass(frozen=True, slots=True)
class RetryParameters:
    """When sessions that fail on the same call are one job that is retried."""

    sessions: Row = (3, 4, 8)
    """Sessions, one after the other, for suspect, warning, critical; 0 = never."""
    sessions_unseen: Row = (6, 0, 0)
    """The same where only the kind of error is known: its text may have been another one each time."""
    settle_seconds: int = bounded(60, 1, 86_400)
    """A session is a retry of the one before when that one did nothing for so long before: parallel ones are not."""
    window_minutes: int = bounded(1_500, 1, 10_080)
    """So long from one session to the next at most: a nightly job counts."""
    move_on_calls: int = bounded(5, 1, 1_000)
    """So many successful calls after its failure and a session has moved on: it did not fail on that call."""

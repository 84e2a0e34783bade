"""The keyed stage without Faust, in memory: for `telltale replay`, backtests and tests.

The same states, clock, lag and expiry as the live stage (`states.py`); only nothing is stored and no wall clock runs.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from pipeline.stages.derived import Derived
from pipeline.stages.fold import Fold
from pipeline.stages.states import DEFAULT_LIMITS, HOUR_NS, KeyedStates, Limits

S = TypeVar("S")
O = TypeVar("O")  # noqa: E741 - outputs

NO_CEILING: Final = (1 << 63) - 1


class InlineStage(Generic[S, O]):
    """Feed derived messages in order, collect outputs, finish.

    `ceiling_unix_nano`: no event time counts for more (a recording cannot come from the future, but a producer's
    clock can be wrong); give the time at which the run began, once, so that a run is deterministic.
    """

    def __init__(self, fold: Fold[S, O], limits: Limits = DEFAULT_LIMITS, ceiling_unix_nano: int = NO_CEILING) -> None:
        self._states = KeyedStates(fold, limits)
        self._ceiling = ceiling_unix_nano

    def feed(self, message: Derived) -> list[O]:
        """Fold one message; returns what followed from it, and from the time that passed."""
        self._states.feed(message, self._ceiling)
        return self._collect()

    def finish(self, horizon_ns: int = HOUR_NS) -> list[O]:
        """The input is over: everything that still waits is judged.

        Time passes without events until no key wants to be asked again, at most `horizon_ns` of it; each key is
        asked at exactly the times at which it is due, as it would be if the producers had simply gone quiet.
        """
        self._states.settle(horizon_ns)
        return self._collect()

    @property
    def watermark_unix_nano(self) -> int:
        """The latest event time seen."""
        return self._states.watermark

    def __len__(self) -> int:
        return len(self._states)

    def _collect(self) -> list[O]:
        self._states.drop_changes()
        return self._states.take_outputs()

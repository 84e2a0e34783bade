"""One loop while it lives: what repeats, how often, since when, and what it cost."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from detectors.loops.calls import Call, call_of

MAX_KEYS: Final = 8
KEPT_FIRST: Final = 4
KEPT_LAST: Final = 16

CYCLE: Final = "cycle"
ERROR: Final = "error"
"""The same error from one tool although its arguments change."""
RESULT: Final = "result"
"""The same result from one tool although its arguments change."""
FAILING: Final = "failing"
"""The same call, failing with another text each time."""
AGENT: Final = "agent"
"""The agent's own guard said so and we saw nothing."""


class Cost(NamedTuple):
    """What model calls took: tokens (-1 = not known), money (NaN = not known), time."""

    tokens: int = -1
    cost_usd: float = math.nan
    seconds: float = 0.0
    prices_date: str = ""
    """Latest date of the prices that some of the money is estimated from; "" = none is."""

    def plus(self, tokens: int, cost_usd: float, seconds: float, prices_date: str = "") -> Cost:
        """Add up what is known."""
        if self is NOTHING_SPENT:
            return Cost(tokens, cost_usd, seconds, prices_date)
        if tokens < 0:
            tokens = self.tokens
        elif self.tokens >= 0:
            tokens += self.tokens
        if math.isnan(cost_usd):
            cost_usd = self.cost_usd
        elif not math.isnan(self.cost_usd):
            cost_usd += self.cost_usd
        return Cost(tokens, cost_usd, self.seconds + seconds, max(self.prices_date, prices_date))

    @staticmethod
    def of_list(fields: list[Any]) -> Cost:
        """A cost as `list(cost)` wrote it, through JSON."""
        return Cost(fields[0], math.nan if fields[1] is None else fields[1], *fields[2:])


NOTHING_SPENT: Final = Cost()


class Step:
    """A tool call in its lane: its number there, the round it belongs to and the model's cost of asking for it."""

    __slots__ = ("call", "cost", "ordinal", "unit")

    def __init__(self, call: Call, ordinal: int, unit: int, cost: Cost) -> None:
        self.call = call
        self.ordinal = ordinal
        self.unit = unit
        self.cost = cost


class Loop:
    """A loop and its life.

    At most 8 keys, 20 pieces of evidence and two texts of 160 characters: under 8 KB encoded.
    """

    __slots__ = (
        "agent", "confidence", "counts", "detected_at", "evidence", "failed", "first", "hidden", "last_call",
        "last_ordinal", "level", "mark", "pattern", "period", "raised", "reason", "severity", "tools", "verdict",
        "verdict_count", "waiting", "wasted",
    )  # fmt: skip

    def __init__(self, first: Call, pattern: str, agent: str) -> None:
        self.first = first
        """Its identity: the id of a finding is made of this call."""
        self.pattern = pattern
        self.agent = agent
        self.counts: dict[str, int] = {}
        """Key -> how often it was seen."""
        self.period = 1
        self.level = 0
        self.mark = ""
        """Its fingerprint, once it was told."""
        self.confidence = 0
        self.failed = False
        self.waiting = False
        self.hidden = ""
        """What is known of results that nobody sees: see `ladder.Basis`."""
        self.severity = -1
        """Index into `SEVERITIES`; -1 = not yet worth telling."""
        self.raised = False
        """It is not the session's first loop: one step more severe."""
        self.detected_at = 0
        self.last_call = first
        self.last_ordinal = 0
        self.reason = ""
        """Why it is over; "" while it goes on."""
        self.tools: list[str] = []
        self.wasted = NOTHING_SPENT
        self.evidence: list[list[Any]] = []
        self.verdict = ""
        self.verdict_count = -1

    @property
    def several(self) -> bool:
        """Whether it is several different calls that repeat in turn."""
        return self.pattern == CYCLE and len(self.counts) > 1

    @property
    def count(self) -> int:
        """Passes: how often the call that repeats most was seen."""
        return max(self.counts.values(), default=1)

    def add(self, key: str, step: Step, *, repeat: bool) -> None:
        """One more call of this loop; a repeat is wasted, the first pass is not."""
        if key in self.counts:
            self.counts[key] += 1
        elif len(self.counts) < MAX_KEYS:
            self.counts[key] = 1
        call = step.call
        if call.tool not in self.tools and len(self.tools) < MAX_KEYS:
            self.tools.append(call.tool)
        if repeat:
            tokens, cost_usd, seconds, prices_date = step.cost
            self.wasted = self.wasted.plus(tokens, cost_usd, seconds + call.seconds, prices_date)
        self.confidence = max(self.confidence, call.confidence)
        self.evidence.append([call.trace_id, call.span_id, call.start, call.call_id])
        if len(self.evidence) > KEPT_FIRST + KEPT_LAST:
            del self.evidence[KEPT_FIRST]
        self.last_call = call
        self.last_ordinal = step.ordinal

    def copy(self) -> Loop:
        """A loop to be folded on by itself."""
        twin = Loop.__new__(Loop)
        for name in Loop.__slots__:
            setattr(twin, name, getattr(self, name))
        twin.counts, twin.tools, twin.evidence = self.counts.copy(), self.tools.copy(), self.evidence.copy()
        return twin

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        fields = [getattr(self, name) for name in self.__slots__]
        at = self.__slots__.index
        fields[at("first")] = list(self.first)
        fields[at("last_call")] = list(self.last_call)
        fields[at("counts")] = [list(pair) for pair in self.counts.items()]
        fields[at("wasted")] = list(self.wasted)
        fields[at("tools")] = list(self.tools)
        fields[at("evidence")] = list(self.evidence)
        return fields

    @staticmethod
    def of_list(fields: list[Any]) -> Loop:
        """The inverse of `as_list`."""
        values = dict(zip(Loop.__slots__, fields, strict=True))
        loop = Loop(call_of(list(values["first"])), values["pattern"], values["agent"])
        for name, value in values.items():
            setattr(loop, name, value)
        loop.first = call_of(list(values["first"]))
        loop.last_call = call_of(list(values["last_call"]))
        loop.counts = dict(values["counts"])
        loop.tools = list(values["tools"])
        loop.evidence = list(values["evidence"])
        loop.wasted = Cost.of_list(values["wasted"])
        return loop

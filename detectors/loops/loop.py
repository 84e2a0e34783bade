"""One loop while it lives: what repeats, how often, since when, and what it cost."""

from __future__ import annotations

import math
from typing import Any, Final

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


class Step:
    """A tool call in its lane: its number there, the round it belongs to and the model's cost of asking for it."""

    __slots__ = ("call", "cost_usd", "ordinal", "seconds", "tokens", "unit")

    def __init__(self, call: Call, ordinal: int, unit: int, tokens: int, cost_usd: float, seconds: float) -> None:
        self.call = call
        self.ordinal = ordinal
        self.unit = unit
        self.tokens = tokens
        self.cost_usd = cost_usd
        self.seconds = seconds

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        return [list(self.call), self.ordinal, self.unit, self.tokens, self.cost_usd, self.seconds]

    @staticmethod
    def of_list(fields: list[Any]) -> Step:
        """The inverse of `as_list`."""
        return Step(
            call_of(fields[0]), fields[1], fields[2], fields[3], math.nan if fields[4] is None else fields[4], fields[5]
        )


class Loop:
    """A loop and its life.

    At most 8 keys, 20 pieces of evidence and two texts of 160 characters: under 8 KB encoded.
    """

    __slots__ = (
        "agent", "confidence", "cost_usd", "counts", "detected_at", "evidence", "failed", "first", "last_call",
        "last_ordinal", "level", "mark", "pattern", "period", "raised", "reason", "results", "seconds", "severity", "tokens",
        "tools", "verdict", "verdict_count", "waiting",
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
        self.results = first.result
        self.tokens = -1
        self.cost_usd = math.nan
        self.seconds = 0.0
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
            self.seconds += call.seconds + step.seconds
            if step.tokens >= 0:
                self.tokens = max(0, self.tokens) + step.tokens
            if step.cost_usd == step.cost_usd:
                self.cost_usd = step.cost_usd + (self.cost_usd if self.cost_usd == self.cost_usd else 0.0)
        self.confidence = max(self.confidence, call.confidence)
        self.evidence.append([call.trace_id, call.span_id, call.start, call.call_id])
        if len(self.evidence) > KEPT_FIRST + KEPT_LAST:
            del self.evidence[KEPT_FIRST]
        self.last_call = call
        self.last_ordinal = step.ordinal

    def as_list(self) -> list[Any]:
        """Fit for JSON."""
        fields = [getattr(self, name) for name in self.__slots__]
        at = self.__slots__.index
        fields[at("first")] = list(self.first)
        fields[at("last_call")] = list(self.last_call)
        fields[at("counts")] = [list(pair) for pair in self.counts.items()]
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
        loop.counts = {key: count for key, count in values["counts"]}
        loop.tools = list(values["tools"])
        loop.evidence = list(values["evidence"])
        loop.cost_usd = math.nan if values["cost_usd"] is None else values["cost_usd"]
        return loop

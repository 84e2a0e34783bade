"""Telemetry that differs in one respect at a time: size of messages, attributes, tool calls, sessions, series.

Like `benchmarks.spans`, but every session does one thing at a time in the same few seconds, so that as many sessions
are alive as are asked for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.spans import START_UNIX_NANO, Attributes, PlainSpan, request

TURN_NS: Final = 3_000_000_000
"""A session begins something this often."""
DURATION_NS: Final = 200_000_000
FILLER: Final = "a value of common length"


@dataclass(frozen=True, slots=True)
class Mix:
    """What the spans are like; the defaults are those of `benchmarks.spans` but for the number of sessions."""

    spans_per_message: int = 512
    attributes: int = 8
    """Of each span, at least 5."""
    tool_share: float = 0.5
    sessions: int = 100
    series: int = 10
    """Tools and models told apart."""

    def messages(self, count: int, first: int = 0) -> Iterator[bytes]:
        """Messages `first` to `first + count` as serialized ExportTraceServiceRequest; the same for the same mix."""
        rng = random.Random(first)
        for number in range(first, first + count):
            begin = number * self.spans_per_message
            made = [self._span(at, rng) for at in range(begin, begin + self.spans_per_message)]
            yield request(made).SerializeToString()

    def _span(self, number: int, rng: random.Random) -> PlainSpan:
        turn, slot = divmod(number, self.sessions)
        start = START_UNIX_NANO + turn * TURN_NS + slot * TURN_NS // self.sessions
        session = f"{slot:032x}"
        is_tool = rng.random() < self.tool_share
        name = f"{'tool' if is_tool else 'model'}_{rng.randrange(max(1, self.series // 2))}"
        attributes: Attributes = {"gen_ai.conversation.id": session}
        attributes |= _tool(name, number) if is_tool else _model(name, rng)
        for at in range(len(attributes), self.attributes):
            attributes[f"app.attribute.{at}"] = FILLER
        operation = "execute_tool" if is_tool else "chat"
        end = start + int(DURATION_NS * rng.uniform(0.5, 1.5))
        return PlainSpan(session, f"{number + 1:016x}", f"{operation} {name}", 1, start, end, attributes)


def _tool(name: str, number: int) -> Attributes:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.call.arguments": f'{{"path":"src/module_{number % 9973}.py","line":{number % 900}}}',
        "gen_ai.tool.call.result": f"{number % 900} lines, checksum {number * 2654435761:024x}",
    }


def _model(name: str, rng: random.Random) -> Attributes:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": name,
        "gen_ai.usage.input_tokens": rng.randrange(500, 60_000),
        "gen_ai.usage.output_tokens": rng.randrange(20, 2_000),
    }

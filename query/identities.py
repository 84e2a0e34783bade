"""Ids of calls, spans and log records: stable, and told by their first letter and by time where to look.

`t18886d3c4f2a0000.1f2e3d4c`: a tool call, the nanoseconds since 1970 at which it began, a hash of what else tells it
apart. The session is left out of the hash, because a link that comes late may still change it; `KeySession` is the
session of what has no id of its own and therefore no link. It is empty wherever `CallId` is not, so that both together
make ids of calls with `CallId` what they were before there was a `KeySession`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Place(NamedTuple):
    """A table whose rows have ids."""

    letter: str
    table: str
    time: str
    """Its column of the time."""
    hashed: str
    """Columns that tell two rows of one time apart."""

    @property
    def hash(self) -> str:
        """The SQL of the second half."""
        return f"toUInt32(sipHash64({self.hashed}) % 4294967296)"

    @property
    def identity(self) -> str:
        """The SQL of a number that all tellings of one row share."""
        return f"sipHash64({self.time}, {self.hashed})"

    @property
    def id(self) -> str:
        """The SQL of the id."""
        nanos = f"toUnixTimestamp64Nano({self.time})"
        return f"concat('{self.letter}', lower(hex({nanos})), '.', lower(hex({self.hash})))"


_CALL: Final = "TraceId, SpanId, EventSequence, concat(CallId, KeySession)"
PLACES: Final[dict[str, Place]] = {
    "tool": Place("t", "tool_calls", "StartTimeUnixNano", f"{_CALL}, ToolName, ArgumentsSignature"),
    "model": Place("m", "model_calls", "StartTimeUnixNano", f"{_CALL}, RequestModel"),
    "span": Place("s", "otel_traces", "Timestamp", "TraceId, SpanId, SpanName"),
    "log": Place("l", "otel_logs", "Timestamp", "TraceId, SpanId, EventName, Body"),
}
"""Kind -> its table."""

_ID: Final = re.compile(r"([tmsl])([0-9a-f]{1,16})\.([0-9a-f]{1,8})", re.ASCII)


class Found(NamedTuple):
    """An id, taken apart."""

    kind: str
    unix_nano: int
    hash: int


def taken_apart(identity: str) -> Found | None:
    """What an id says; None where it is none of ours."""
    match = _ID.fullmatch(identity)
    if match is None:
        return None
    kind = next(kind for kind, place in PLACES.items() if place.letter == match[1])
    unix_nano = int(match[2], 16)
    return Found(kind, unix_nano, int(match[3], 16)) if unix_nano < 2**63 else None

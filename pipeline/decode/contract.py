"""What a decoder is: messages of one signal in, rows of the `otel_*` tables out.

The reference decoder (`pipeline.decode.reference`) says what is right; a faster one takes its place by being a
`Decoder` that gives equal tables and refuses the same messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import pyarrow as pa

from pipeline.message import DeadLetter, Message
from schemas.topics import Signal

MAX_ROWS: Final = 200_000
"""Records (spans, log records, data points) that one message may hold."""

MAX_REPEATED_BYTES: Final = 268_435_456
"""What resource, scope and metric of one message may grow to when they are repeated for each of its records."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What some messages hold."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    """Table name -> rows, in order of messages and of records within them; no table without rows.

    Columns are `schemas.tables.BY_NAME[name].sent`: the Collector's, then SourceTopic, SourcePartition and
    SourceOffset. Times are `timestamp[ns]`, ids hex text, columns may have several chunks."""
    dead_letters: list[DeadLetter] = field(default_factory=list)
    """Messages that are not the request they should be. Nothing of them is in the tables."""


class Decoder(Protocol):
    """Decodes messages of one signal; never raises on what they hold."""

    def __call__(self, signal: Signal, messages: Sequence[Message]) -> Decoded:
        """Rows of all messages but those in `dead_letters`."""
        ...

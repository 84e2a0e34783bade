"""What a sink is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

import pyarrow as pa

T_contra = TypeVar("T_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of several tables that came from one range of offsets of one source partition."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int
    tables: dict[str, pa.Table] = field(default_factory=dict)
    """Table name of `schemas.tables` -> rows; each row carries SourceTopic, SourcePartition, SourceOffset."""
    replay: bool = False
    """True: this range may have been written before, in part; insert only what is missing."""
    upsert: bool = False
    """True: the rows replace earlier ones of the same key (ReplacingMergeTree); insert all of them, always."""


class Mend(NamedTuple):
    """The call of this span belongs to this session; it was stored under its trace id."""

    trace_id: str
    span_id: str
    session_id: str


class Sink(Protocol[T_contra]):
    """Something that stores batches for good.

    The caller may not assume that a failed write stored nothing: it writes the same batch again, with
    `replay` set.
    """

    async def start(self) -> None:
        """Connect and prepare; raises SettingsError where that cannot work."""
        ...

    async def write(self, batch: T_contra) -> None:
        """Return only when durable; raises RetryableSinkError or PermanentSinkError."""
        ...

    async def close(self) -> None:
        """Release everything; idempotent."""
        ...

"""What the columns of every signal share: messages are added whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa

from pipeline.decode.arrays import Index
from pipeline.decode.contract import MAX_REPEATED_BYTES, MAX_ROWS
from pipeline.message import Message
from schemas.errors import DecodeError

ID_BYTES: Final = {"trace_id": 16, "span_id": 8}


class Columns(Protocol):
    """Columns of one signal while messages are read into them."""

    def read(self, request: Any) -> int:
        """Append what one export request holds and give the bytes it grew to; raises DecodeError part-way."""
        ...

    def lists(self) -> Iterable[list[Any]]:
        """Every list that `read` appends to."""
        ...

    @property
    def rows(self) -> int:
        """Records read so far."""
        ...

    def tables(self, sources: Sources) -> dict[str, pa.Table]:
        """All rows read, by table."""
        ...


class Sources:
    """Where rows came from: how many records each message gave."""

    __slots__ = ("counts", "messages")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.counts: list[int] = []

    def add(self, message: Message, rows: int) -> None:
        """Append a message that gave so many records."""
        self.messages.append(message)
        self.counts.append(rows)

    def columns(self, message_of_record: Index | None = None) -> dict[str, pa.Array]:
        """SourceTopic, SourcePartition, SourceOffset, one entry for each record (or for those picked)."""
        if message_of_record is None:
            message_of_record = np.repeat(np.arange(len(self.counts), dtype=np.int32), self.counts)
        pick = pa.array(message_of_record)
        return {
            "SourceTopic": pa.array([m.topic for m in self.messages], pa.string()).take(pick),
            "SourcePartition": pa.array([m.partition for m in self.messages], pa.uint32()).take(pick),
            "SourceOffset": pa.array([m.offset for m in self.messages], pa.uint64()).take(pick),
        }


def read_whole(columns: Columns, read: Callable[[Any], int], refused: tuple[type[Exception], ...]) -> int:
    """Let `read` append a request to the columns; when it raises one of `refused`, leave them as they were."""
    marks = [(held, len(held)) for held in columns.lists()]
    try:
        return read(columns)
    except refused:
        for held, length in marks:
            del held[length:]
        raise


def check_ids(field: str, values: Sequence[bytes]) -> None:
    """Raise DecodeError unless every id is empty or as long as it must be."""
    size = ID_BYTES[field.removeprefix("parent_")]
    odd = set(map(len, values)) - {0, size}
    if odd:
        raise DecodeError(f"{field} must have {size} bytes, found one of {max(odd)}")


def check_rows(rows: int) -> None:
    """Raise DecodeError where a message holds more records than are taken."""
    if rows > MAX_ROWS:
        raise DecodeError(f"holds {rows} records, more than {MAX_ROWS}")


def check_repeated(size: int) -> None:
    """Raise DecodeError where resource, scope or metric, repeated for each record, take too much room."""
    if size > MAX_REPEATED_BYTES:
        raise DecodeError(f"resource and scope, repeated for each record, take {size} bytes")


def flat(rows: Iterable[Iterable[Any]]) -> list[Any]:
    """The entries of all rows."""
    return list(chain.from_iterable(rows))

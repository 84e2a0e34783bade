"""The reference decoder: opentelemetry-proto's own parser, then columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa
from google.protobuf.message import DecodeError as ProtobufError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.decode.batch import Columns, Sources, read_whole
from pipeline.decode.contract import Decoded
from pipeline.decode.logs import LogColumns
from pipeline.decode.metrics import MetricColumns
from pipeline.decode.traces import SpanColumns
from pipeline.message import DeadLetter, Message
from schemas.errors import DecodeError
from schemas.topics import Signal

REQUESTS: Final[dict[Signal, Any]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
COLUMNS: Final[dict[Signal, Callable[[], Columns]]] = {
    "traces": SpanColumns,
    "logs": LogColumns,
    "metrics": MetricColumns,
}
Read = Callable[[Any], int]

MAX_PART_BYTES: Final = 268_435_456
"""Rows of more than this become several chunks: one Arrow text array holds 2 GiB at most."""


class Reader:
    """Reads requests of one signal into columns, and columns into tables, part by part."""

    def __init__(self, signal: Signal) -> None:
        self._new = COLUMNS[signal]
        self._parts: list[dict[str, pa.Table]] = []
        self._open()

    def _open(self) -> None:
        self._columns = self._new()
        self._sources = Sources()
        self._size = 0

    def add(self, message: Message, read: Read, refused: tuple[type[Exception], ...] = (DecodeError,)) -> None:
        """Append what `read` appends to the columns; where it raises one of `refused`, nothing of the message."""
        before = self._columns.rows
        self._size += len(message.value) + read_whole(self._columns, read, refused)
        self._sources.add(message, self._columns.rows - before)
        if self._size > MAX_PART_BYTES:
            self._close()
            self._open()

    def add_request(self, message: Message, request: Any) -> None:
        """Append the export request that `message` holds; raises DecodeError and leaves nothing of it."""
        self.add(message, lambda columns: columns.read(request))

    def _close(self) -> None:
        self._parts.append(self._columns.tables(self._sources))

    def tables(self) -> dict[str, pa.Table]:
        """All rows; the reader is used up."""
        self._close()
        names = dict.fromkeys(name for part in self._parts for name in part)
        return {name: pa.concat_tables(part[name] for part in self._parts if name in part) for name in names}


def decode(signal: Signal, messages: Sequence[Message]) -> Decoded:
    """Decode export requests in protobuf. See `pipeline.decode.contract.Decoder`."""
    reader = Reader(signal)
    dead_letters = []
    for message in messages:
        try:
            reader.add_request(message, parse(signal, message.value))
        except DecodeError as error:
            dead_letters.append(dead_letter(message, error))
    return Decoded(reader.tables(), dead_letters)


def dead_letter(message: Message, error: DecodeError) -> DeadLetter:
    """A message that was refused."""
    return DeadLetter(
        message.topic, message.partition, message.offset, message.timestamp_unix_nano, str(error), message.value
    )


def parse(signal: Signal, value: bytes) -> Any:
    """The export request in `value`; raises DecodeError."""
    request = REQUESTS[signal]
    try:
        return request.FromString(value)
    except ProtobufError as error:
        raise DecodeError(f"not an {request.DESCRIPTOR.name}: {error}") from error

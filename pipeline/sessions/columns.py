"""Arrow columns as flat Python lists, converted once for a whole table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def texts(column: Any) -> list[str]:
    """A string column as a list; null is "", bytes that are no UTF-8 become U+FFFD."""
    array = _one_chunk(column)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    try:
        values: list[str | None] = array.to_pylist()
    except UnicodeDecodeError:
        values = [
            None if one is None else one.decode("utf-8", "replace") for one in array.cast(pa.binary()).to_pylist()
        ]
    return values if array.null_count == 0 else [one or "" for one in values]  # type: ignore[return-value]  # no nulls


def shared_texts(column: Any) -> list[str]:
    """As `texts`; rows that say the same share one object, so that a column of few different texts is a small one."""
    array = _one_chunk(column)
    if array.null_count:
        return texts(array)
    coded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    known = texts(coded.dictionary)
    return [known[code] for code in coded.indices.to_pylist()]


def integers(column: Any) -> list[int]:
    """A time or number column as integers; null is 0."""
    array = _one_chunk(column)
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("ns")).cast(pa.int64())
    values: list[int | None] = array.to_pylist()
    return values if array.null_count == 0 else [one or 0 for one in values]  # type: ignore[return-value]  # no nulls


def _one_chunk(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


class Maps:
    """A map<string, string> column: for each row a range of flat values, and its keys' codes as bytes (its shape)."""

    __slots__ = ("_codes", "names", "offsets", "values")

    def __init__(self, column: Any) -> None:
        array = _one_chunk(column)
        if isinstance(array, pa.ChunkedArray):  # a table without chunks
            array = pa.array([], pa.map_(pa.string(), pa.string()))
        keys = array.keys
        if not pa.types.is_dictionary(keys.type):
            keys = keys.dictionary_encode()
        self.names: list[str] = texts(keys.dictionary)
        codes = keys.indices.fill_null(0) if keys.indices.null_count else keys.indices
        self._codes = np.asarray(codes, dtype=np.int32).tobytes()
        self.offsets: list[int] = array.offsets.to_pylist()
        self.values = shared_texts(array.items)

    def shape(self, row: int) -> bytes:
        """The codes of the row's keys, in order."""
        return self._codes[4 * self.offsets[row] : 4 * self.offsets[row + 1]]

    def keys_of(self, shape: bytes) -> tuple[str, ...]:
        """The keys that a shape stands for."""
        return tuple(self.names[code] for code in np.frombuffer(shape, dtype=np.int32).tolist())

    def row(self, row: int) -> dict[str, str]:
        """The row as a dict; of a key that stands twice the first value counts."""
        first, last = self.offsets[row], self.offsets[row + 1]
        keys = self.keys_of(self.shape(row))
        return dict(zip(reversed(keys), reversed(self.values[first:last]), strict=True))


class Resources:
    """The resource of each row; the many rows of one export share a dict."""

    __slots__ = ("_cache", "_keys", "_last", "_names", "_offsets", "_texts", "_values")

    def __init__(self, column: Any) -> None:
        array = _one_chunk(column)
        keys, values = array.keys, array.items
        keys = keys if pa.types.is_dictionary(keys.type) else keys.dictionary_encode()
        values = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        self._keys = np.asarray(keys.indices.fill_null(0), dtype=np.int32).tobytes()
        self._values = np.asarray(values.indices.fill_null(0), dtype=np.int32).tobytes()
        self._names, self._texts = texts(keys.dictionary), texts(values.dictionary)
        self._offsets: list[int] = (4 * np.asarray(array.offsets, dtype=np.int64)).tolist()
        self._cache: dict[tuple[bytes, bytes], dict[str, str]] = {}
        self._last: tuple[bytes, bytes, dict[str, str]] = (b"", b"", {})
        """The latest answer: rows of one export stand side by side."""

    def row(self, row: int) -> dict[str, str]:
        """The resource attributes of a row. Do not change them."""
        first, last = self._offsets[row], self._offsets[row + 1]
        identity = (self._keys[first:last], self._values[first:last])
        known_keys, known_values, found = self._last
        if identity[0] == known_keys and identity[1] == known_values:
            return found
        found = self._look_up(identity)
        self._last = (*identity, found)
        return found

    def _look_up(self, identity: tuple[bytes, bytes]) -> dict[str, str]:
        found = self._cache.get(identity)
        if found is None:
            keys, values = (np.frombuffer(one, dtype=np.int32).tolist() for one in identity)
            found = self._cache[identity] = {}
            for key, value in zip(keys, values, strict=True):
                found.setdefault(self._names[key], self._texts[value])
        return found


class SpanEvents:
    """Span events, read only where a rule asks for them and the row has some."""

    __slots__ = ("_attributes", "_names", "counts")

    def __init__(self, table: pa.Table) -> None:
        self._names = _one_chunk(table.column("Events.Name"))
        self._attributes = _one_chunk(table.column("Events.Attributes"))
        self.counts: list[int] = pc.list_value_length(self._names).fill_null(0).to_pylist()

    def of(self, row: int, name: str) -> dict[str, str] | None:
        """The attributes of the row's last event of this name, None where it has none."""
        if not self.counts[row]:
            return None
        try:
            names: Sequence[str] = self._names[row].as_py()
            attributes = self._attributes[row].as_py()
        except UnicodeDecodeError:
            return None
        for at in range(len(names) - 1, -1, -1):
            if names[at] == name:
                return dict(attributes[at])
        return None


class Rows:
    """One table of `otel_traces` or `otel_logs`, column by column. A log's parent is the span it was logged in."""

    __slots__ = (
        "attributes", "body", "count", "duration", "event", "events", "parent_id", "resources", "scope", "service",
        "signal", "span_id", "span_name", "status", "status_message", "time", "trace_id",
    )  # fmt: skip

    def __init__(self, signal: str, table: pa.Table) -> None:
        spans = signal == "traces"
        self.signal = signal
        self.count: int = table.num_rows
        self.time = integers(table.column("Timestamp"))
        self.trace_id = shared_texts(table.column("TraceId"))
        self.span_id = texts(table.column("SpanId"))
        self.service = shared_texts(table.column("ServiceName"))
        self.scope = shared_texts(table.column("ScopeName"))
        self.resources = Resources(table.column("ResourceAttributes"))
        self.attributes = Maps(table.column("SpanAttributes" if spans else "LogAttributes"))
        none = [""] * self.count
        self.parent_id = shared_texts(table.column("ParentSpanId")) if spans else self.span_id
        self.span_name = shared_texts(table.column("SpanName")) if spans else none
        self.status = shared_texts(table.column("StatusCode")) if spans else none
        self.status_message = shared_texts(table.column("StatusMessage")) if spans else none
        self.duration = integers(table.column("Duration")) if spans else []
        self.events = SpanEvents(table) if spans else None
        self.event = none if spans else texts(table.column("EventName"))
        self.body = none if spans else texts(table.column("Body"))

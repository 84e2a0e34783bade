"""What a ClickHouse column, index, table and view are, as data, and the Arrow type that fills a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import pyarrow as pa

Retention = Literal["telemetry", "facts", "series"]
"""Which setting says how long rows are kept."""


class RetentionDays(NamedTuple):
    """How long rows are kept, in days since they were stored."""

    telemetry: int = 30
    """`otel_*` and `dead_letters`."""
    facts: int = 90
    """`tool_calls`, `model_calls`, `markers`."""
    series: int = 400
    """`series_1m` and `findings`."""


class Column(NamedTuple):
    """One column, in the order of its table."""

    name: str
    type: str
    """A ClickHouse type."""
    doc: str = ""
    codec: str = "ZSTD(1)"
    """Inside `CODEC(...)`; "" = the server's default."""
    computed: str = ""
    """`DEFAULT ...` or `MATERIALIZED ...`: the database fills it in, no writer sends it."""


class Index(NamedTuple):
    """A data skipping index."""

    name: str
    expression: str
    type: str
    granularity: int = 1


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the MergeTree family."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    order_by: str
    retention: Retention
    engine: str = "MergeTree"
    primary_key: str = ""
    """"" = the whole of `order_by`."""
    partition_by: str = "toDate(StoredAt)"
    indexes: tuple[Index, ...] = ()

    @property
    def sent(self) -> tuple[Column, ...]:
        """The columns that a writer sends, in order."""
        return tuple(column for column in self.columns if not column.computed)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of rows on their way in."""
        return pa.schema([(column.name, arrow_type(column.type)) for column in self.sent])


@dataclass(frozen=True, slots=True)
class View:
    """A view; with `to`, a materialized one that fills the table of that name."""

    name: str
    doc: str
    query: str
    to: str = ""
    columns: tuple[Column, ...] = ()
    """What the query gives; empty for materialized views, whose columns are those of `to`."""


NANOSECONDS: Final = pa.timestamp("ns")

_SCALARS: Final[dict[str, pa.DataType]] = {
    "String": pa.string(),
    "Bytes": pa.binary(),
    "Bool": pa.bool_(),
    "UInt8": pa.uint8(),
    "UInt32": pa.uint32(),
    "UInt64": pa.uint64(),
    "Int32": pa.int32(),
    "Int64": pa.int64(),
    "Float64": pa.float64(),
}


def arrow_type(clickhouse_type: str) -> pa.DataType:
    """The Arrow type that fills a column of this ClickHouse type; raises ValueError on a type not used here."""
    name, _, rest = clickhouse_type.partition("(")
    inner = rest[:-1]
    if name == "LowCardinality":
        return arrow_type(inner)
    if name == "Array":
        return pa.list_(arrow_type(inner))
    if name == "Map":
        key, value = _split(inner)
        return pa.map_(arrow_type(key), arrow_type(value))
    if name == "DateTime64":
        return NANOSECONDS
    if name == "DateTime":
        return pa.uint32()  # seconds since 1970
    if clickhouse_type in _SCALARS:
        return _SCALARS[clickhouse_type]
    raise ValueError(f"no Arrow type is declared for ClickHouse's {clickhouse_type}")


def _split(inner: str) -> tuple[str, str]:
    """Key and value type of a map, at the first comma outside brackets."""
    depth = 0
    for at, char in enumerate(inner):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            return inner[:at].strip(), inner[at + 1 :].strip()
    raise ValueError(f"not the inside of a Map: {inner}")

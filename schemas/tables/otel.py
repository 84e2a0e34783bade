"""`otel_*`: raw telemetry with the columns, types and codecs of the OpenTelemetry Collector's ClickHouse exporter.

Ours beside them: where a row came from (`SourceTopic`, `SourcePartition`, `SourceOffset`), so that a replay repairs
exactly what is missing, and when it was stored. Partitions and TTL go by the time of storing, not by event time:
the event times are the senders', and one request may name thousands of days.
"""

from __future__ import annotations

from typing import Final

from schemas.columns import Column, Index, Table, View

TEXT: Final = "LowCardinality(String)"
ATTRIBUTES: Final = "Map(LowCardinality(String), String)"
TIME: Final = "DateTime64(9)"
DELTA_TIME: Final = "Delta(8), ZSTD(1)"

SOURCE: Final = (
    Column("SourceTopic", TEXT, "Topic of the log that the row came from."),
    Column("SourcePartition", "UInt32", "Partition of that topic."),
    Column("SourceOffset", "UInt64", "Offset in that partition; rows of one message share it.", "Delta(8), ZSTD(1)"),
)
STORED_AT: Final = Column("StoredAt", "DateTime", "When the row was stored.", "Delta(4), ZSTD(1)", "MATERIALIZED now()")
SOURCE_INDEX: Final = Index("idx_source_offset", "SourceOffset", "minmax")


def bloom(name: str, expression: str, rate: str = "0.01") -> Index:
    """A bloom filter over `expression` that errs at `rate`."""
    return Index(name, expression, f"bloom_filter({rate})")


def attribute_indexes(name: str, column: str) -> tuple[Index, Index]:
    """Bloom filters over keys and values of an attribute map."""
    return (
        bloom(f"idx_{name}_key", f"mapKeys({column})"),
        bloom(f"idx_{name}_value", f"mapValues({column})"),
    )


TRACES: Final = Table(
    name="otel_traces",
    doc="Spans, one row each.",
    retention="telemetry",
    order_by="(ServiceName, SpanName, toDateTime(Timestamp))",
    columns=(
        Column("Timestamp", TIME, "Start of the span.", DELTA_TIME),
        Column("TraceId", "String", 'Hex, "" where none or all zero.'),
        Column("SpanId", "String", 'Hex, "" where none or all zero.'),
        Column("ParentSpanId", "String", 'Hex, "" for a root.'),
        Column("TraceState", "String", "W3C trace state."),
        Column("SpanName", TEXT, "Name of the span."),
        Column("SpanKind", TEXT, "`Unspecified`, `Internal`, `Server`, `Client`, `Producer` or `Consumer`."),
        Column("ServiceName", TEXT, "`service.name` of the resource."),
        Column("ResourceAttributes", ATTRIBUTES, "The resource's attributes, values as text."),
        Column("ScopeName", "String", "Instrumentation scope."),
        Column("ScopeVersion", "String", "Its version."),
        Column("SpanAttributes", ATTRIBUTES, "The span's attributes, values as text."),
        Column("Duration", "UInt64", "Nanoseconds; 0 where the end is before the start."),
        Column("StatusCode", TEXT, "`Unset`, `Ok` or `Error`."),
        Column("StatusMessage", "String", "Text of an error status."),
        Column("Events.Timestamp", f"Array({TIME})", "Times of the span's events."),
        Column("Events.Name", f"Array({TEXT})", "Their names."),
        Column("Events.Attributes", f"Array({ATTRIBUTES})", "Their attributes."),
        Column("Links.TraceId", "Array(String)", "Traces that the span links to."),
        Column("Links.SpanId", "Array(String)", "Spans that it links to."),
        Column("Links.TraceState", "Array(String)", "Their trace states."),
        Column("Links.Attributes", f"Array({ATTRIBUTES})", "Attributes of the links."),
        *SOURCE,
        STORED_AT,
    ),
    indexes=(
        bloom("idx_trace_id", "TraceId", "0.001"),
        *attribute_indexes("res_attr", "ResourceAttributes"),
        *attribute_indexes("span_attr", "SpanAttributes"),
        Index("idx_duration", "Duration", "minmax"),
        Index("idx_timestamp", "Timestamp", "minmax"),
        SOURCE_INDEX,
    ),
)

TRACE_TIMES: Final = Table(
    name="otel_traces_trace_id_ts",
    doc="First and last span start of each trace and insert, to find a trace's time fast.",
    retention="telemetry",
    order_by="(TraceId, Start)",
    columns=(
        Column("TraceId", "String", "Hex."),
        Column("Start", "DateTime", "Earliest span start.", "Delta(4), ZSTD(1)"),
        Column("End", "DateTime", "Latest span start.", "Delta(4), ZSTD(1)"),
        STORED_AT,
    ),
    indexes=(bloom("idx_trace_id", "TraceId"),),
)

TRACE_TIMES_VIEW: Final = View(
    name="otel_traces_trace_id_ts_mv",
    doc="Fills `otel_traces_trace_id_ts` from each insert into `otel_traces`.",
    to="otel_traces_trace_id_ts",
    query="""\
SELECT TraceId, toDateTime(min(Timestamp)) AS Start, toDateTime(max(Timestamp)) AS End
FROM otel_traces
WHERE TraceId != ''
GROUP BY TraceId""",
)

LOGS: Final = Table(
    name="otel_logs",
    doc="Log records and events, one row each.",
    retention="telemetry",
    primary_key="(ServiceName, TimestampTime)",
    order_by="(ServiceName, TimestampTime, Timestamp)",
    columns=(
        Column("Timestamp", TIME, "When it happened, else when it was observed.", DELTA_TIME),
        Column("TimestampTime", "DateTime", "The same in seconds.", "", "DEFAULT toDateTime(Timestamp)"),
        Column("TraceId", "String", 'Hex, "" where none or all zero.'),
        Column("SpanId", "String", 'Hex, "" where none or all zero.'),
        Column("TraceFlags", "UInt8", "W3C trace flags.", ""),
        Column("SeverityText", TEXT, "As the sender spells it."),
        Column("SeverityNumber", "UInt8", "1 to 24, 0 = none.", ""),
        Column("ServiceName", TEXT, "`service.name` of the resource."),
        Column("Body", "String", "The body as text."),
        Column("ResourceSchemaUrl", TEXT, "Schema of the resource."),
        Column("ResourceAttributes", ATTRIBUTES, "The resource's attributes, values as text."),
        Column("ScopeSchemaUrl", TEXT, "Schema of the scope."),
        Column("ScopeName", "String", "Instrumentation scope."),
        Column("ScopeVersion", TEXT, "Its version."),
        Column("ScopeAttributes", ATTRIBUTES, "The scope's attributes, values as text."),
        Column("LogAttributes", ATTRIBUTES, "The record's attributes, values as text."),
        Column("EventName", "String", "Name of the event, where the record is one."),
        *SOURCE,
        STORED_AT,
    ),
    indexes=(
        bloom("idx_trace_id", "TraceId", "0.001"),
        *attribute_indexes("res_attr", "ResourceAttributes"),
        *attribute_indexes("scope_attr", "ScopeAttributes"),
        *attribute_indexes("log_attr", "LogAttributes"),
        Index("idx_body", "Body", "tokenbf_v1(32768, 3, 0)", 8),
        SOURCE_INDEX,
    ),
)

OTEL: Final = (TRACES, TRACE_TIMES, LOGS)

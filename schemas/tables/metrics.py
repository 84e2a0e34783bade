"""`otel_metrics_*`: the five kinds of metric, as the Collector's ClickHouse exporter stores them."""

from __future__ import annotations

from typing import Final

from schemas.columns import Column, Table
from schemas.tables.otel import (
    ATTRIBUTES,
    DELTA_TIME,
    SOURCE,
    SOURCE_INDEX,
    STORED_AT,
    TEXT,
    TIME,
    attribute_indexes,
)

_HEAD: Final = (
    Column("ResourceAttributes", ATTRIBUTES, "The resource's attributes, values as text."),
    Column("ResourceSchemaUrl", "String", "Schema of the resource."),
    Column("ScopeName", "String", "Instrumentation scope."),
    Column("ScopeVersion", "String", "Its version."),
    Column("ScopeAttributes", ATTRIBUTES, "The scope's attributes, values as text."),
    Column("ScopeDroppedAttrCount", "UInt32", "Attributes that the sender dropped from the scope."),
    Column("ScopeSchemaUrl", "String", "Schema of the scope."),
    Column("ServiceName", TEXT, "`service.name` of the resource."),
    Column("MetricName", "String", "Name of the metric."),
    Column("MetricDescription", "String", "What it measures."),
    Column("MetricUnit", "String", "UCUM unit."),
    Column("Attributes", ATTRIBUTES, "The data point's attributes, values as text."),
    Column("StartTimeUnix", TIME, "Start of the interval.", DELTA_TIME),
    Column("TimeUnix", TIME, "Time of the data point.", DELTA_TIME),
)

_EXEMPLARS: Final = (
    Column("Exemplars.FilteredAttributes", f"Array({ATTRIBUTES})", "Attributes left out of the data point."),
    Column("Exemplars.TimeUnix", f"Array({TIME})", "Times of the exemplars."),
    Column("Exemplars.Value", "Array(Float64)", "Their values."),
    Column("Exemplars.SpanId", "Array(String)", "Spans that they were measured in."),
    Column("Exemplars.TraceId", "Array(String)", "Traces that they were measured in."),
)

_FLAGS: Final = Column("Flags", "UInt32", "Flags of the data point.")
_VALUE: Final = Column("Value", "Float64", "Value of the data point.")
_COUNT: Final = Column("Count", "UInt64", "Observations.", "Delta(8), ZSTD(1)")
_SUM: Final = Column("Sum", "Float64", "Sum of the observations.")
_MIN: Final = Column("Min", "Float64", "Smallest observation, 0 where not sent.")
_MAX: Final = Column("Max", "Float64", "Largest observation, 0 where not sent.")
_TEMPORALITY: Final = Column("AggregationTemporality", "Int32", "1 = delta, 2 = cumulative.")


def _metric(kind: str, doc: str, *columns: Column) -> Table:
    return Table(
        name=f"otel_metrics_{kind}",
        doc=doc,
        retention="telemetry",
        order_by="(ServiceName, MetricName, Attributes, toUnixTimestamp64Nano(TimeUnix))",
        columns=(*_HEAD, *columns, *SOURCE, STORED_AT),
        indexes=(
            *attribute_indexes("res_attr", "ResourceAttributes"),
            *attribute_indexes("scope_attr", "ScopeAttributes"),
            *attribute_indexes("attr", "Attributes"),
            SOURCE_INDEX,
        ),
    )


GAUGE: Final = _metric("gauge", "Data points of gauges.", _VALUE, _FLAGS, *_EXEMPLARS)
SUM: Final = _metric(
    "sum",
    "Data points of sums (counters).",
    _VALUE,
    _FLAGS,
    *_EXEMPLARS,
    _TEMPORALITY,
    Column("IsMonotonic", "Bool", "True for a counter that only grows.", "Delta(1), ZSTD(1)"),
)
HISTOGRAM: Final = _metric(
    "histogram",
    "Data points of histograms with explicit bounds.",
    _COUNT,
    _SUM,
    Column("BucketCounts", "Array(UInt64)", "Observations in each bucket."),
    Column("ExplicitBounds", "Array(Float64)", "Upper bounds of all buckets but the last."),
    *_EXEMPLARS,
    _FLAGS,
    _MIN,
    _MAX,
    _TEMPORALITY,
)
EXPONENTIAL_HISTOGRAM: Final = _metric(
    "exponential_histogram",
    "Data points of exponential histograms.",
    _COUNT,
    _SUM,
    Column("Scale", "Int32", "Base of the buckets is 2 to the power of 2 to the power of -Scale."),
    Column("ZeroCount", "UInt64", "Observations that count as zero."),
    Column("PositiveOffset", "Int32", "Index of the first positive bucket."),
    Column("PositiveBucketCounts", "Array(UInt64)", "Observations in each positive bucket."),
    Column("NegativeOffset", "Int32", "Index of the first negative bucket."),
    Column("NegativeBucketCounts", "Array(UInt64)", "Observations in each negative bucket."),
    *_EXEMPLARS,
    _FLAGS,
    _MIN,
    _MAX,
    _TEMPORALITY,
)
SUMMARY: Final = _metric(
    "summary",
    "Data points of summaries.",
    _COUNT,
    _SUM,
    Column("ValueAtQuantiles.Quantile", "Array(Float64)", "Quantiles, 0 to 1."),
    Column("ValueAtQuantiles.Value", "Array(Float64)", "Their values."),
    _FLAGS,
)

METRICS: Final = (GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM, SUMMARY)

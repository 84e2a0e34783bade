"""Hypothesis strategies: export requests of every shape, and OTLP/JSON as clients send it or get it wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import MessageToDict
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from schemas.topics import Signal

IDS = ("trace_id", "span_id", "parent_span_id")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
keys = st.sampled_from(["service.name", "session.id", "a", "", "ключ"])
times = st.one_of(st.integers(0, 2**64 - 1), st.just(1_790_000_000_000_000_000))
uint32s = st.integers(0, 2**32 - 1)
int32s = st.integers(-(2**31), 2**31 - 1)
uint64s = st.integers(0, 2**64 - 1)
doubles = st.floats(allow_nan=False)
trace_ids = st.one_of(st.just(b""), st.just(bytes(16)), st.binary(min_size=16, max_size=16))
span_ids = st.one_of(st.just(b""), st.just(bytes(8)), st.binary(min_size=8, max_size=8))


def few(of: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(of, max_size=most)


def entries(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return few(st.builds(KeyValue, key=keys, value=values), 3)


scalars = st.one_of(
    st.just(AnyValue()),
    st.builds(AnyValue, string_value=texts),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
    st.builds(AnyValue, double_value=st.floats()),
    st.builds(AnyValue, bytes_value=st.binary(max_size=5)),
)
any_values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(AnyValue, array_value=st.builds(ArrayValue, values=few(inner, 3))),
        st.builds(AnyValue, kvlist_value=st.builds(KeyValueList, values=entries(inner))),
    ),
    max_leaves=6,
)
attributes = entries(any_values)
resources = st.builds(Resource, attributes=attributes)
scopes = st.builds(
    InstrumentationScope, name=texts, version=texts, attributes=attributes, dropped_attributes_count=uint32s
)

spans = st.builds(
    Span,
    trace_id=trace_ids,
    span_id=span_ids,
    parent_span_id=span_ids,
    trace_state=texts,
    name=texts,
    kind=st.integers(0, 5),
    start_time_unix_nano=times,
    end_time_unix_nano=times,
    attributes=attributes,
    events=few(st.builds(Span.Event, time_unix_nano=times, name=texts, attributes=attributes)),
    links=few(st.builds(Span.Link, trace_id=trace_ids, span_id=span_ids, trace_state=texts, attributes=attributes)),
    status=st.builds(Status, code=st.integers(0, 2), message=texts),
    flags=uint32s,
)
log_records = st.builds(
    LogRecord,
    trace_id=trace_ids,
    span_id=span_ids,
    time_unix_nano=st.one_of(st.just(0), times),
    observed_time_unix_nano=times,
    severity_number=st.integers(0, 24),
    severity_text=texts,
    body=any_values,
    event_name=texts,
    flags=uint32s,
    attributes=attributes,
)

exemplars = few(
    st.builds(
        Exemplar,
        time_unix_nano=times,
        as_double=doubles,
        trace_id=trace_ids,
        span_id=span_ids,
        filtered_attributes=attributes,
    )
)
point = {"start_time_unix_nano": times, "time_unix_nano": times, "attributes": attributes, "flags": uint32s}
numbers = few(
    st.one_of(
        st.builds(NumberDataPoint, as_double=doubles, exemplars=exemplars, **point),
        st.builds(NumberDataPoint, as_int=st.integers(-(2**63), 2**63 - 1), exemplars=exemplars, **point),
    )
)
temporalities = st.integers(0, 2)
histograms = st.builds(
    HistogramDataPoint,
    count=uint64s,
    sum=st.one_of(st.none(), doubles),
    min=st.one_of(st.none(), doubles),
    max=st.one_of(st.none(), doubles),
    bucket_counts=few(uint64s, 3),
    explicit_bounds=few(doubles, 3),
    exemplars=exemplars,
    **point,
)
buckets = st.builds(ExponentialHistogramDataPoint.Buckets, offset=int32s, bucket_counts=few(uint64s, 3))
exponential_histograms = st.builds(
    ExponentialHistogramDataPoint,
    count=uint64s,
    sum=st.one_of(st.none(), doubles),
    scale=int32s,
    zero_count=uint64s,
    positive=buckets,
    negative=buckets,
    exemplars=exemplars,
    **point,
)
summaries = st.builds(
    SummaryDataPoint,
    count=uint64s,
    sum=doubles,
    quantile_values=few(st.builds(SummaryDataPoint.ValueAtQuantile, quantile=doubles, value=doubles)),
    **point,
)
metric_kinds: tuple[st.SearchStrategy[dict[str, Any]], ...] = (
    st.fixed_dictionaries({"gauge": st.builds(Gauge, data_points=numbers)}),
    st.fixed_dictionaries(
        {"sum": st.builds(Sum, data_points=numbers, aggregation_temporality=temporalities, is_monotonic=st.booleans())}
    ),
    st.fixed_dictionaries(
        {"histogram": st.builds(Histogram, data_points=few(histograms), aggregation_temporality=temporalities)}
    ),
    st.fixed_dictionaries(
        {
            "exponential_histogram": st.builds(
                ExponentialHistogram, data_points=few(exponential_histograms), aggregation_temporality=temporalities
            )
        }
    ),
    st.fixed_dictionaries({"summary": st.builds(Summary, data_points=few(summaries))}),
    st.just({}),
)
metrics = st.builds(
    lambda data, **own: Metric(**own, **data), data=st.one_of(*metric_kinds), name=texts, description=texts, unit=texts
)

requests: dict[Signal, st.SearchStrategy[Any]] = {
    "traces": st.builds(
        ExportTraceServiceRequest,
        resource_spans=few(
            st.builds(
                ResourceSpans,
                resource=resources,
                schema_url=texts,
                scope_spans=few(st.builds(ScopeSpans, scope=scopes, schema_url=texts, spans=few(spans))),
            )
        ),
    ),
    "logs": st.builds(
        ExportLogsServiceRequest,
        resource_logs=few(
            st.builds(
                ResourceLogs,
                resource=resources,
                schema_url=texts,
                scope_logs=few(st.builds(ScopeLogs, scope=scopes, schema_url=texts, log_records=few(log_records))),
            )
        ),
    ),
    "metrics": st.builds(
        ExportMetricsServiceRequest,
        resource_metrics=few(
            st.builds(
                ResourceMetrics,
                resource=resources,
                schema_url=texts,
                scope_metrics=few(st.builds(ScopeMetrics, scope=scopes, schema_url=texts, metrics=few(metrics))),
            )
        ),
    ),
}
any_request: st.SearchStrategy[tuple[Signal, Any]] = st.one_of(
    *(st.tuples(st.just(signal), found) for signal, found in requests.items())
)


def otlp_json(message: Any) -> dict[str, Any]:
    """A request as OTLP/JSON, by protobuf's own writer; ids become hex."""
    document: dict[str, Any] = MessageToDict(message, use_integers_for_enums=True)
    _hex_ids(message, document)
    return document


def _hex_ids(message: Any, document: dict[str, Any]) -> None:
    for field, value in message.ListFields():
        if field.name in IDS:
            document[field.json_name] = value.hex()
        elif field.message_type is not None:
            found = document[field.json_name]
            for one, inner in zip(value, found, strict=True) if field.is_repeated else [(value, found)]:
                _hex_ids(one, inner)


junk = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 2**65), st.floats(allow_nan=False, allow_infinity=False), texts,
    st.just([]), st.just({}), st.just([None]),
    st.sampled_from(["1", "-1", "0x1", "NaN", "١", "1_0", " 1", "SPAN_KIND_SERVER", "zz" * 8, "a b" * 8, "AQI", "=="]),
)  # fmt: skip


def spoiled(document: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """The document with some of its values replaced and some of its names in snake_case."""
    if isinstance(document, list):
        return [spoiled(one, draw) for one in document]
    if isinstance(document, dict):
        return {_renamed(name, draw): _replaced(value, draw) for name, value in document.items()}
    return document


def _renamed(name: str, draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    if draw(st.integers(0, 15)):
        return name
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def _replaced(value: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    return spoiled(value, draw) if draw(st.integers(0, 15)) else draw(junk)

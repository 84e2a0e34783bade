"""Input that should not be: refused with a reason, or stored with what is right in it; neighbours are kept."""

from __future__ import annotations

import math
import struct

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.spans import messages
from pipeline.decode import Decoded, decode
from pipeline.decode.contract import MAX_REPEATED_BYTES, MAX_ROWS
from pipeline.message import Message

GOOD = list(messages(2, 3))
NOWHERE_NS = 2**63 - 1


def around(value: bytes) -> Decoded:
    """The value between two good messages."""
    values = (GOOD[0], value, GOOD[1])
    return decode("traces", [Message("otlp_spans", 0, at, 5, one) for at, one in enumerate(values)])


def request(*spans: Span) -> bytes:
    out = ExportTraceServiceRequest()
    out.resource_spans.add().scope_spans.add().spans.extend(spans)
    return bytes(out.SerializeToString())


def stored(*spans: Span) -> pa.Table:
    """The rows of these spans alone."""
    decoded = around(request(*spans))
    assert decoded.dead_letters == []
    rows = decoded.tables["otel_traces"]
    rows.validate(full=True)
    return rows.filter(pc.equal(rows.column("SourceOffset"), 1))


def nanoseconds(rows: pa.Table, column: str) -> list[int]:
    found: list[int] = pc.cast(rows.column(column), pa.int64()).to_pylist()
    return found


def nested(depth: int) -> bytes:
    """A request whose one attribute is an array within an array within ... `depth` deep, as wire bytes."""

    def field(number: int, body: bytes) -> bytes:
        size, prefix = len(body), bytes([number << 3 | 2])
        while size > 127:
            prefix += bytes([size & 127 | 128])
            size >>= 7
        return prefix + bytes([size]) + body

    value = AnyValue(int_value=7).SerializeToString()
    for _ in range(depth):
        value = field(5, field(1, value))
    attribute = field(9, field(1, b"deep") + field(2, value))
    return field(1, field(2, field(2, attribute)))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (GOOD[0][:-3], "not an ExportTraceServiceRequest"),
        (b"\xff" * 40, "not an ExportTraceServiceRequest"),
        (b'{"resourceSpans":[]}', "not an ExportTraceServiceRequest"),
        (b"\x0a\x7f\x00", "not an ExportTraceServiceRequest"),
        (nested(200), "not an ExportTraceServiceRequest"),
        (request(Span(name="x")).replace(b"x", b"\xff"), "not an ExportTraceServiceRequest"),
        (request(Span(trace_id=b"short")), "trace_id must have 16 bytes, found one of 5"),
        (request(Span(trace_id=bytes(16), span_id=bytes(9))), "span_id must have 8 bytes, found one of 9"),
        (request(Span(parent_span_id=b"1")), "parent_span_id must have 8 bytes"),
        (request(Span(links=[Span.Link(trace_id=b"1")])), "trace_id must have 16 bytes"),
        (request(Span(name="good"), Span(trace_id=b"short")), "trace_id must have 16 bytes"),
    ],
    ids=[
        "truncated", "random bytes", "JSON", "length over the end", "deep nesting", "invalid UTF-8", "short trace id",
        "long span id", "short parent id", "short id of a link", "a good span before a bad one",
    ],
)  # fmt: skip
def test_what_cannot_be_decoded_is_a_dead_letter_and_its_neighbours_are_kept(value: bytes, reason: str) -> None:
    decoded = around(value)
    [dead] = decoded.dead_letters
    assert dead[:4] == ("otlp_spans", 0, 1, 5)
    assert reason in dead.reason
    assert dead.value == value
    rows = decoded.tables["otel_traces"]
    rows.validate(full=True)
    assert rows.column("SourceOffset").to_pylist() == [0, 0, 0, 2, 2, 2]
    assert rows.drop_columns(["SourceOffset"]).equals(
        pa.concat_tables(
            [decode("traces", [Message("otlp_spans", 0, 0, 0, one)]).tables["otel_traces"] for one in GOOD]
        ).drop_columns(["SourceOffset"])
    )


def test_nesting_that_the_parser_takes_is_written_out() -> None:
    decoded = around(nested(40))
    assert decoded.dead_letters == []
    [[(_, value)]] = decoded.tables["otel_traces"].column("SpanAttributes").to_pylist()[3:4]
    assert value == "[" * 40 + "7" + "]" * 40


def test_ten_thousand_attributes_are_stored() -> None:
    span = Span()
    for at in range(10_000):
        span.attributes.add(key=f"key.{at}").value.int_value = at
    [attributes] = stored(span).column("SpanAttributes").to_pylist()
    assert attributes == [(f"key.{at}", str(at)) for at in range(10_000)]


def test_a_megabyte_of_text_is_stored() -> None:
    span = Span()
    span.attributes.add(key="long").value.string_value = "é" * 1_000_000
    assert stored(span).column("SpanAttributes").to_pylist() == [[("long", "é" * 1_000_000)]]


def test_equal_keys_are_all_kept() -> None:
    span = Span()
    for value in ("first", "second"):
        span.attributes.add(key="same").value.string_value = value
    assert stored(span).column("SpanAttributes").to_pylist() == [[("same", "first"), ("same", "second")]]


def test_a_span_that_ends_before_it_starts_has_no_duration() -> None:
    rows = stored(Span(start_time_unix_nano=10, end_time_unix_nano=5), Span(start_time_unix_nano=5))
    assert rows.column("Duration").to_pylist() == [0, 0]


def test_times_before_everything_and_beyond_the_last_one() -> None:
    rows = stored(
        Span(),
        Span(start_time_unix_nano=1, end_time_unix_nano=3),
        Span(start_time_unix_nano=2**63 - 1),
        Span(start_time_unix_nano=2**63),
        Span(start_time_unix_nano=2**64 - 2, end_time_unix_nano=2**64 - 1),
        Span(end_time_unix_nano=2**64 - 1),
    )
    assert nanoseconds(rows, "Timestamp") == [0, 1, NOWHERE_NS, NOWHERE_NS, NOWHERE_NS, 0]
    assert rows.column("Duration").to_pylist() == [0, 2, 0, 0, 1, 2**64 - 1]


def test_ids_that_are_missing_or_zero_are_empty() -> None:
    rows = stored(Span(), Span(trace_id=bytes(16), span_id=bytes(8), parent_span_id=bytes(8)))
    assert [rows.column(name).to_pylist() for name in ("TraceId", "SpanId", "ParentSpanId")] == [["", ""]] * 3


def test_kinds_and_codes_that_nobody_knows_are_empty() -> None:
    odd = Span()
    odd.MergeFromString(b"\x30\x63")  # kind = 99
    odd.MergeFromString(b"\x7a\x02\x18\x09")  # status.code = 9
    odd.MergeFromString(b"\xfa\x3f\x01x")  # a field that no version has
    rows = stored(odd, Span(kind=Span.SPAN_KIND_CLIENT))
    assert rows.column("SpanKind").to_pylist() == ["", "Client"]
    assert rows.column("StatusCode").to_pylist() == ["", "Unset"]


def test_a_message_of_too_many_records_is_refused() -> None:
    out = ExportTraceServiceRequest()
    scope = out.resource_spans.add().scope_spans.add()
    scope.MergeFromString(b"\x12\x00" * (MAX_ROWS + 1))
    decoded = around(out.SerializeToString())
    assert [dead.reason for dead in decoded.dead_letters] == [f"holds {MAX_ROWS + 1} records, more than {MAX_ROWS}"]


def test_a_large_resource_is_not_repeated_without_end() -> None:
    out = ExportTraceServiceRequest()
    resource = out.resource_spans.add()
    resource.resource.attributes.add(key="k").value.string_value = "x" * 1_000_000
    resource.scope_spans.add().MergeFromString(b"\x12\x00" * (MAX_REPEATED_BYTES // 1_000_000 + 1))
    decoded = around(out.SerializeToString())
    assert [dead.reason.split(",")[0] for dead in decoded.dead_letters] == ["resource and scope"]
    assert decoded.tables["otel_traces"].num_rows == 6


def test_numbers_that_are_none_are_stored_as_such() -> None:
    out = ExportMetricsServiceRequest()
    points = out.resource_metrics.add().scope_metrics.add().metrics.add(name="m").gauge.data_points
    for value in (math.nan, math.inf, -math.inf):
        points.add(as_double=value)
    points.add(as_int=-5)
    points.add()
    points.add(as_double=1.0).exemplars.add(as_int=3)
    decoded = decode("metrics", [Message("otlp_metrics", 0, 0, 0, out.SerializeToString())])
    rows = decoded.tables["otel_metrics_gauge"]
    values = rows.column("Value").to_pylist()
    assert [struct.pack(">d", v) for v in values[1:]] == [
        struct.pack(">d", v) for v in (math.inf, -math.inf, -5.0, 0.0, 1.0)
    ]
    assert math.isnan(values[0])
    assert rows.column("Exemplars.Value").to_pylist()[-1] == [3.0]
    assert rows.column("Exemplars.TraceId").to_pylist()[-1] == ["0" * 32]


def test_a_metric_without_data_gives_no_row_and_its_neighbours_do() -> None:
    out = ExportMetricsServiceRequest()
    scope = out.resource_metrics.add().scope_metrics.add()
    scope.metrics.add(name="empty")
    scope.metrics.add(name="sum").sum.data_points.add(as_int=1)
    bad = ExportMetricsServiceRequest()
    point = bad.resource_metrics.add().scope_metrics.add().metrics.add().sum.data_points.add(as_int=1)
    point.exemplars.add(trace_id=b"short")
    bodies = [out.SerializeToString(), bad.SerializeToString(), out.SerializeToString()]
    decoded = decode("metrics", [Message("otlp_metrics", 0, at, 0, body) for at, body in enumerate(bodies)])
    assert [dead.offset for dead in decoded.dead_letters] == [1]
    rows = decoded.tables["otel_metrics_sum"]
    assert rows.column("MetricName").to_pylist() == ["sum", "sum"]
    assert rows.column("SourceOffset").to_pylist() == [0, 2]

"""What should never be sent, sent to a real process: refused with a reason or stored with what is right in it.

One process takes all of it, one case after the other; that it still stands is asked after each.
"""

from __future__ import annotations

import asyncio
import gzip
import math
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import orjson
import pytest
from google.rpc import status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.transport.log import open_log
from schemas.topics import SOURCES, Signal
from tests.e2e.running import (
    JSON,
    METHODS,
    PROTOBUF,
    Up,
    attributes,
    capture_lines,
    running,
    sentinel_span,
    spans,
    wait_until,
)
from tests.e2e.running import logs as log_request

MB = 1024 * 1024
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NOW_NS = 1_795_600_000_000_000_000
YEAR_NS = 31_557_600_000_000_000
BURIED: tuple[tuple[Signal, bytes], ...] = (
    ("traces", b"\xff\xff this is no protobuf"),
    ("logs", b"\x0a\x7f\x00"),
    ("metrics", b'[{"resourceMetrics":[]}]'),
)
"""Put into the log before the process starts: what a foreign producer could have written there."""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("bad")
    asyncio.run(bury(folder / "data" / "log"))
    with running(folder) as up:
        yield up


async def bury(directory: Path) -> None:
    directory.mkdir(parents=True)
    log = open_log(directory)
    for signal, value in BURIED:
        log.create(SOURCES[signal].name, 1)
        await log.append(SOURCES[signal].name, value)
    log.close()


@pytest.fixture(autouse=True)
def _still_stands(up: Up) -> Iterator[None]:
    """The next good batch is stored, by the same process."""
    yield
    _still_stands_count.append(1)
    name = f"good {len(_still_stands_count)}"
    up.store("traces", sentinel_span(name))
    wait_until(lambda: up.rows(f"SELECT count() FROM otel_traces WHERE SpanName = '{name}'") == [[1]])  # noqa: S608
    assert up.process.poll() is None


_still_stands_count: list[int] = []


def trace_request(name: str = "chat") -> Any:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(
        trace_id=bytes.fromhex(TRACE), span_id=bytes.fromhex(SPAN), name=name,
        start_time_unix_nano=NOW_NS, end_time_unix_nano=NOW_NS + 1,
    )  # fmt: skip
    return request


def encoded(name: str = "chat") -> bytes:
    body: bytes = trace_request(name).SerializeToString()
    return body


def nested(depth: int) -> bytes:
    """A span whose one attribute is an array in an array in ... `depth` deep, as wire bytes."""
    value = b"\x0a\x01x"
    for _ in range(depth):
        value = field(5, field(1, value))
    return field(1, field(2, field(2, field(9, field(1, b"deep") + field(2, value)))))


def field(number: int, body: bytes) -> bytes:
    size, prefix = len(body), bytes([number << 3 | 2])
    while size > 127:
        prefix += bytes([size & 127 | 128])
        size >>= 7
    return prefix + bytes([size]) + body


def bomb() -> bytes:
    deflater = zlib.compressobj(9, wbits=31)
    return b"".join(deflater.compress(bytes(MB)) for _ in range(100)) + deflater.flush()


class Refused(NamedTuple):
    body: Callable[[], bytes]
    content_type: str
    status: int
    reason: str
    outcome: str
    headers: dict[str, str] = {}  # noqa: RUF012 - read only


REFUSED = {
    "truncated protobuf": Refused(lambda: encoded()[:-3], PROTOBUF, 400, "cut off", "malformed"),
    "random bytes": Refused(
        lambda: random.Random(7).randbytes(4096), PROTOBUF, 400, "no field starts like byte", "malformed"
    ),
    "invalid UTF-8": Refused(
        lambda: encoded("xxxx").replace(b"xxxx", b"ab\xff\xfe"), PROTOBUF, 400, "not UTF-8", "malformed"
    ),
    "deep nesting": Refused(lambda: nested(200), PROTOBUF, 400, "nested deeper than 100 messages", "malformed"),
    "JSON said to be protobuf": Refused(lambda: b'{"resourceSpans":[]}', PROTOBUF, 400, "not a protobuf", "malformed"),
    "protobuf said to be JSON": Refused(encoded, JSON, 400, "not JSON", "malformed"),
    "invalid JSON": Refused(lambda: b'{"resourceSpans":[', JSON, 400, "not JSON", "malformed"),
    "JSON that is not UTF-8": Refused(lambda: b'{"a":"\xff\xfe"}', JSON, 400, "not JSON", "malformed"),
    "JSON of another shape": Refused(lambda: b'{"resourceSpans":7}', JSON, 400, "resourceSpans: is 7", "malformed"),
    "JSON with a short trace id": Refused(
        lambda: spans({"traceId": "abc"}), JSON, 400, "traceId: is 'abc', not 32 hex digits", "malformed"
    ),
    "deeply nested JSON": Refused(lambda: b"[" * 100_000, JSON, 400, "not JSON", "malformed"),
    "another content type": Refused(encoded, "text/plain", 415, "send application/x-protobuf or", "unsupported"),
    "100 MB": Refused(lambda: bytes(100 * MB), PROTOBUF, 413, "a request may have 16777216 bytes", "too_large"),
    "gzip bomb": Refused(bomb, PROTOBUF, 413, "67108864 once decompressed", "too_large", {"content_encoding": "gzip"}),
    "no gzip": Refused(encoded, PROTOBUF, 400, "content-encoding", "malformed", {"content_encoding": "gzip"}),
    "half a gzip": Refused(
        lambda: gzip.compress(encoded())[:-9],
        PROTOBUF,
        400,
        "ends too early",
        "malformed",
        {"content_encoding": "gzip"},
    ),
}


def counted(up: Up, outcome: str, transport: str = "http") -> float:
    return up.metric("telltale_receiver_requests_total", outcome=outcome, transport=transport)


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_status_and_reason_and_counted(up: Up, case: str) -> None:
    sent = REFUSED[case]
    before = counted(up, sent.outcome)
    answer = up.post("traces", sent.body(), sent.content_type, **sent.headers)
    assert answer.status_code == sent.status
    if sent.content_type == PROTOBUF:
        reason = status_pb2.Status.FromString(answer.content).message
    else:
        reason = answer.json()["message"]
    assert sent.reason in reason
    assert len(reason) < 500
    assert counted(up, sent.outcome) == before + 1


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        pytest.param(random.Random(7).randbytes(4096), grpc.StatusCode.INVALID_ARGUMENT, "not a protobuf", id="random"),
        pytest.param(encoded()[:-3], grpc.StatusCode.INVALID_ARGUMENT, "cut off", id="truncated"),
        pytest.param(bytes(100 * MB), grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max", id="100 MB"),
    ],
)
def test_grpc_refuses_with_status_and_reason(up: Up, body: bytes, code: grpc.StatusCode, reason: str) -> None:
    with up.channel() as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(METHODS["traces"])(body, timeout=30)
    assert refused.value.code() is code
    assert reason in refused.value.details()


def test_what_the_log_holds_and_nobody_can_decode_is_a_dead_letter_with_reason_and_offset(up: Up) -> None:
    sql = "SELECT SourceTopic, SourceOffset, Reason, SizeBytes FROM dead_letters WHERE SourceOffset = 0 ORDER BY 1"
    wait_until(lambda: len(up.rows(sql)) == len(BURIED))
    for (signal, value), (topic, offset, reason, size) in zip(
        sorted(BURIED, key=lambda one: SOURCES[one[0]].name), up.rows(sql), strict=True
    ):
        assert (topic, offset, size) == (SOURCES[signal].name, 0, len(value))
        assert reason.startswith("not an Export")
        assert up.metric("telltale_pipeline_dead_letters_total", topic=topic) >= 1


def test_ids_of_a_wrong_length_in_protobuf_are_refused_with_their_place(up: Up) -> None:
    request = trace_request("short id")
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b"short"
    answer = up.post("traces", request.SerializeToString(), PROTOBUF)
    assert answer.status_code == 400
    assert b"resource_spans[0].scope_spans[0].spans[0].trace_id: has 5 bytes, not 16" in answer.content


# What is stored with what is right in it


def stored_span(up: Up, service: str, columns: str) -> list[Any]:
    sql = f"SELECT {columns} FROM otel_traces WHERE ServiceName = '{service}'"  # noqa: S608 - texts of this file
    [row] = wait_until(lambda: up.rows(sql))
    return list(row)


def test_empty_ids_are_stored_empty(up: Up) -> None:
    up.store("traces", spans({"name": "no ids", "startTimeUnixNano": str(NOW_NS)}, service="empty ids"))
    assert stored_span(up, "empty ids", "TraceId, SpanId, ParentSpanId, SpanName") == ["", "", "", "no ids"]


def test_an_end_before_the_start_is_no_duration(up: Up) -> None:
    span = {"traceId": TRACE, "startTimeUnixNano": str(NOW_NS), "endTimeUnixNano": str(NOW_NS - 5)}
    up.store("traces", spans(span, service="backwards"))
    assert stored_span(up, "backwards", "Duration, Timestamp") == [0, "2026-11-25T09:46:40.000000000Z"]


@pytest.mark.parametrize(
    ("service", "start", "stored"),
    [
        pytest.param("of 1970", 1, "1970-01-01T00:00:00.000000001Z", id="1970"),
        pytest.param("of no time", 0, "1970-01-01T00:00:00.000000000Z", id="none"),
        pytest.param("of 2200", 7258118400 * 10**9, "2200-01-01T00:00:00.000000000Z", id="2200"),
        pytest.param("of the end", 2**64 - 1, "2262-04-11T23:47:16.854775807Z", id="the last nanosecond"),
    ],
)
def test_times_of_any_age_are_stored(up: Up, service: str, start: int, stored: str) -> None:
    up.store("traces", spans({"name": "x", "startTimeUnixNano": str(start)}, service=service))
    assert stored_span(up, service, "Timestamp") == [stored]


def test_numbers_that_are_none_are_stored_as_such(up: Up) -> None:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "nan"
    points = resource.scope_metrics.add().metrics.add(name="claude_code.cost.usage", unit="USD").sum
    points.aggregation_temporality, points.is_monotonic = 1, True
    for value in (math.nan, math.inf, 1.5):
        points.data_points.add(as_double=value, time_unix_nano=NOW_NS)
    up.store("metrics", request.SerializeToString(), PROTOBUF)
    sql = "SELECT toString(Value) FROM otel_metrics_sum WHERE ServiceName = 'nan' ORDER BY Value"
    assert sorted(wait_until(lambda: up.rows(sql))) == [["1.5"], ["inf"], ["nan"]]
    wait_until(lambda: up.metric("claude_code_cost_usage_USD_total", service_name="nan") == 1.5)


def test_ten_thousand_attributes_and_a_megabyte_of_text_are_stored_whole(up: Up) -> None:
    many = attributes({f"key{n}": str(n) for n in range(10_000)} | {"long": "é" * MB})
    up.store("traces", spans({"traceId": TRACE, "spanId": SPAN, "name": "x", "attributes": many}, service="large"))
    columns = "length(SpanAttributes), SpanAttributes['key9999'], length(SpanAttributes['long'])"
    assert stored_span(up, "large", columns) == [10_001, "9999", 2 * MB]


def test_nesting_that_can_be_read_is_stored_as_json_text(up: Up) -> None:
    request = ExportTraceServiceRequest.FromString(nested(40))
    request.resource_spans[0].resource.attributes.add(key="service.name").value.string_value = "deep"
    up.store("traces", request.SerializeToString(), PROTOBUF)
    assert stored_span(up, "deep", "SpanAttributes['deep']") == ["[" * 40 + '"x"' + "]" * 40]


def test_unknown_fields_are_left_out_and_the_rest_is_stored(up: Up) -> None:
    span = {"traceId": TRACE, "name": "known", "invented": {"a": [1]}, "startTimeUnixNano": str(NOW_NS)}
    request = orjson.loads(spans(span, service="unknown fields")) | {"alsoInvented": None}
    up.store("traces", orjson.dumps(request))
    assert stored_span(up, "unknown fields", "SpanName") == ["known"]
    answer = up.post("traces", b"\x7a\x03abc", PROTOBUF)
    assert answer.status_code == 200
    assert b"hold no resource_spans" in answer.content


# Clocks that are wrong

LOOPING = capture_lines("claude-details-httpproto-B")


def tool_results(line: bytes) -> list[dict[str, Any]]:
    return [
        record
        for resource in orjson.loads(line).get("resourceLogs", ())
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
        if record.get("body", {}).get("stringValue") == "claude_code.tool_result"
    ]


def attribute(record: dict[str, Any], name: str) -> str:
    [value] = [one["value"]["stringValue"] for one in record["attributes"] if one["key"] == name]
    return str(value)


def future_call(session: str) -> bytes:
    """A tool call of Claude Code in ten years."""
    call = next(record for line in LOOPING for record in tool_results(line))
    at = str(NOW_NS + 10 * YEAR_NS)
    own = {"session.id": session, "tool_use_id": f"future of {session}"}
    kept = [one for one in call["attributes"] if one["key"] not in {*own, "event.timestamp"}]
    future = {**call, "timeUnixNano": at, "observedTimeUnixNano": at, "attributes": [*kept, *attributes(own)]}
    return log_request(future, service="claude-code")


def test_a_clock_that_is_years_ahead_neither_ends_nor_delays_what_others_do(up: Up) -> None:
    told_at = [at for at, line in enumerate(LOOPING) for _ in tool_results(line)]
    middle = told_at[len(told_at) // 2]
    session = attribute(tool_results(LOOPING[told_at[0]])[0], "session.id")

    def loop() -> Any:
        return next((f for f in up.findings() if f["session_id"] == session), None)

    up.store_lines(LOOPING[:middle])
    wait_until(lambda: loop() is not None)
    up.store("logs", future_call("somebody else"))
    up.store("logs", future_call(session))
    up.store("traces", spans({"traceId": TRACE, "name": "x", "startTimeUnixNano": str(NOW_NS + 10 * YEAR_NS)}))
    up.settle()
    assert loop()["status"] != "resolved"
    assert loop()["count"] < 8
    up.store_lines(LOOPING[middle:])
    # the call of the future is a ninth of the same kind
    wait_until(lambda: loop()["count"] in (8, 9), loop)
    assert loop()["severity"] == "critical"


def test_logs_of_no_time_at_all_are_stored(up: Up) -> None:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "timeless"
    resource.scope_logs.add().log_records.add().body.string_value = "when?"
    up.store("logs", request.SerializeToString(), PROTOBUF)
    sql = "SELECT Body, Timestamp FROM otel_logs WHERE ServiceName = 'timeless'"
    assert wait_until(lambda: up.rows(sql)) == [["when?", "1970-01-01T00:00:00.000000000Z"]]

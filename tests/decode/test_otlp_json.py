"""OTLP/JSON: what clients really send, and words for what is wrong."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pipeline.decode import decode, decode_json, request_from_json
from pipeline.message import Message
from schemas.errors import DecodeError
from schemas.topics import Signal

TRACE = "0af7651916cd43dd8448eb211c80319c"


def log(**fields: Any) -> dict[str, Any]:
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [fields]}]}]}


def span(**fields: Any) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}


def row(document: Any) -> dict[str, Any]:
    """The one row of a document; the way over protobuf and the way straight to columns agree on it."""
    line = orjson.dumps(document)
    straight = decode_json([Message("t", 0, 0, 0, line)])
    assert straight.dead_letters == []
    [(signal, body)] = request_from_json(None, line)
    assert straight == decode(signal, [Message("t", 0, 0, 0, body)])
    [table] = straight.tables.values()
    [found] = table.to_pylist()
    return dict(found)


@pytest.mark.parametrize("time", [1_790_000_000_000_000_123, "1790000000000000123"], ids=["number", "text"])
def test_times_come_as_numbers_or_text(time: int | str) -> None:
    assert row(log(timeUnixNano=time))["Timestamp"].value == 1_790_000_000_000_000_123


@pytest.mark.parametrize("kind", [3, "SPAN_KIND_CLIENT", "3"], ids=["number", "name", "number as text"])
def test_enums_come_as_numbers_or_names(kind: int | str) -> None:
    assert row(span(kind=kind))["SpanKind"] == "Client"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"stringValue": "x"}, "x"),
        ({"intValue": 7}, "7"),
        ({"intValue": "-9223372036854775808"}, "-9223372036854775808"),
        ({"intValue": 7.0}, "7"),
        ({"doubleValue": 1}, "1"),
        ({"doubleValue": "-Infinity"}, "-Infinity"),
        ({"doubleValue": "1.5"}, "1.5"),
        ({"boolValue": False}, "false"),
        ({"bytesValue": "_-8"}, "/+8="),
        ({"bytesValue": "/+8="}, "/+8="),
        ({"arrayValue": {}}, "[]"),
        ({"arrayValue": {"values": [{"stringValue": "a"}, {}]}}, '["a",null]'),
        ({"kvlistValue": {"values": [{"key": "b", "value": {"intValue": "1"}}, {"key": "a"}]}}, '{"a":null,"b":1}'),
        ({"stringValue": None}, ""),
        ({"string_value": "snake"}, "snake"),
        ({}, ""),
        (None, ""),
    ],
)
def test_attribute_values_of_every_kind(value: Any, written: str) -> None:
    assert row(log(attributes=[{"key": "k", "value": value}]))["LogAttributes"] == [("k", written)]


@pytest.mark.parametrize(
    "fields",
    [
        {"body": None, "traceId": "", "spanId": "", "flags": 0, "attributes": [], "timeUnixNano": "0"},
        {"body": {}, "severityText": None, "attributes": None},
        {"traceId": "0" * 32, "unknownField": {"deep": [1]}},
    ],
    ids=["null body, empty ids and lists", "empty body, null fields", "zero id, unknown field"],
)
def test_empty_fields_are_fields_that_are_not_there(fields: dict[str, Any]) -> None:
    assert row(log(**fields)) == row(log())


def test_names_in_snake_case_are_read() -> None:
    snake = {
        "resource_spans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"string_value": "coder"}}]},
                "scope_spans": [{"spans": [{"trace_id": TRACE, "start_time_unix_nano": "5"}]}],
            }
        ]
    }
    found = row(snake)
    assert (found["ServiceName"], found["TraceId"], found["Timestamp"].value) == ("coder", TRACE, 5)


def test_ids_in_upper_case_are_read() -> None:
    assert row(span(traceId=TRACE.upper()))["TraceId"] == TRACE


def test_a_line_may_hold_several_signals() -> None:
    line = orjson.dumps({**span(name="a"), **log(eventName="b")})
    assert [signal for signal, _ in request_from_json(None, line)] == ["traces", "logs"]
    decoded = decode_json([Message("t", 0, 3, 0, line)])
    assert sorted(decoded.tables) == ["otel_logs", "otel_traces"]


def test_an_empty_request_is_a_request() -> None:
    assert request_from_json("logs", b"{}") == [("logs", b"")]
    assert request_from_json(None, b'{"resourceMetrics":[]}') == [("metrics", b"")]


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"intValue": 7}
    for _ in range(depth):
        value = {"arrayValue": {"values": [value]}}
    return log(body=value)


def test_nesting_is_bounded() -> None:
    assert row(nested(40))["Body"] == "[" * 40 + "7" + "]" * 40
    with pytest.raises(DecodeError, match="nested deeper than 90 messages"):
        request_from_json("logs", orjson.dumps(nested(60)))


@pytest.mark.parametrize(
    ("signal", "body", "reason"),
    [
        (None, b"", "not JSON"),
        (None, b"{", "not JSON"),
        (None, b'{"a":"\xff"}', "not JSON"),
        (None, b"[" * 100_000, "not JSON"),
        (None, b"[]", "not a JSON object"),
        (None, b"7", "not a JSON object"),
        (None, b"{}", "holds none of resourceSpans, resourceLogs and resourceMetrics"),
        ("traces", orjson.dumps(log()), "holds resourceLogs, which are no traces"),
        ("traces", b'{"resourceSpans":{}}', "resourceSpans: is {}, not an array"),
        ("traces", b'{"resourceSpans":[null]}', "resourceSpans[0]: is None, not an object"),
        (
            "traces",
            orjson.dumps(span(traceId="xyz")),
            "resourceSpans[0].scopeSpans[0].spans[0].traceId: is 'xyz', not 32 hex digits",
        ),
        ("traces", orjson.dumps(span(traceId="0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 0")), "not 32 hex digits"),
        ("traces", orjson.dumps(span(spanId=7)), "spanId: is 7, not 16 hex digits"),
        ("traces", orjson.dumps(span(kind="SPAN_KIND_ODD")), "kind: is 'SPAN_KIND_ODD', not one of SPAN_KIND_UNSP"),
        ("traces", orjson.dumps(span(startTimeUnixNano="soon")), "startTimeUnixNano: is 'soon', not an integer"),
        ("traces", orjson.dumps(span(startTimeUnixNano=-1)), "startTimeUnixNano: -1 is out of range"),
        ("traces", orjson.dumps(span(startTimeUnixNano="99999999999999999999")), "is out of range"),
        ("traces", orjson.dumps(span(startTimeUnixNano=1.5)), "is 1.5, not an integer"),
        ("traces", orjson.dumps(span(name=["x" * 1000])), "not text"),
        ("logs", orjson.dumps(log(body="text")), "body: is 'text', not an object"),
        ("logs", orjson.dumps(log(body={"boolValue": "true"})), "boolValue: is 'true', neither true nor false"),
        ("logs", orjson.dumps(log(body={"doubleValue": "x"})), "doubleValue: is 'x', not a number"),
        ("logs", orjson.dumps(log(body={"bytesValue": "*"})), "bytesValue: is '*', not base64"),
    ],
)
def test_what_is_wrong_is_said_with_the_path_to_it(signal: Signal | None, body: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as refused:
        request_from_json(signal, body)
    assert reason in str(refused.value)
    assert len(str(refused.value)) < 300


def test_a_bad_line_is_told_by_its_number_and_the_others_are_kept() -> None:
    lines = [orjson.dumps(span(name="a")), b"not json", orjson.dumps(span(traceId="xyz")), orjson.dumps(span(name="b"))]
    decoded = decode_json([Message("t", 0, at, 0, line) for at, line in enumerate(lines)])
    assert [(dead.offset, dead.reason[:8]) for dead in decoded.dead_letters] == [(1, "not JSON"), (2, "resource")]
    assert decoded.tables["otel_traces"].column("SpanName").to_pylist() == ["a", "b"]


def test_the_signals_of_a_line_that_are_right_are_kept() -> None:
    line = orjson.dumps({**span(name="a"), **log(traceId="xyz")})
    decoded = decode_json([Message("t", 0, 0, 0, line)])
    assert (len(decoded.dead_letters), list(decoded.tables)) == (1, ["otel_traces"])


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (span(kind=False), "kind: is False"),
        (span(status={"code": False}), "status.code: is False"),
        (span(flags="x"), "flags: is 'x'"),
        (span(droppedAttributesCount=2**32), "droppedAttributesCount: 4294967296 is out of range"),
        (span(droppedEventsCount=[]), "droppedEventsCount: is []"),
        (span(droppedLinksCount=-1), "droppedLinksCount: -1 is out of range"),
        (span(links=[{"flags": True}]), "flags: is True"),
        (span(events=[{"droppedAttributesCount": 0.5}]), "droppedAttributesCount: is 0.5"),
        (log(severityNumber=False), "severityNumber: is False"),
        (log(droppedAttributesCount={}), "droppedAttributesCount: is {}"),
    ],
)
def test_a_line_is_refused_for_the_reason_that_the_receiver_gives(document: dict[str, Any], field: str) -> None:
    line = orjson.dumps(document)
    with pytest.raises(DecodeError) as refused:
        request_from_json(None, line)
    [dead] = decode_json([Message("t", 0, 0, 0, line)]).dead_letters
    assert dead.reason == str(refused.value)
    assert field in dead.reason

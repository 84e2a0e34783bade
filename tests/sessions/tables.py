"""Tables for tests: captures and single records, through the real decoder."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from google.protobuf.json_format import ParseDict

from pipeline.decode import decode
from pipeline.decode.reference import REQUESTS
from pipeline.message import Message
from schemas.topics import SOURCES, Signal

CAPTURES = Path(__file__).parent.parent / "fixtures" / "captures"
KINDS: dict[str, Signal] = {"resourceSpans": "traces", "resourceLogs": "logs", "resourceMetrics": "metrics"}
TABLES: dict[str, str] = {"traces": "otel_traces", "logs": "otel_logs"}


def capture_names() -> list[str]:
    return sorted(path.name.removesuffix(".jsonl.gz") for path in CAPTURES.glob("*.jsonl.gz"))


def capture_requests(name: str) -> Iterator[tuple[Signal, dict[str, Any]]]:
    with gzip.open(CAPTURES / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            request = json.loads(line)
            key = next(iter(request), "")
            if key in KINDS:
                yield KINDS[key], request


def _protobuf_json(value: Any, key: str = "") -> Any:
    """OTLP/JSON as the protobuf library reads JSON: ids in base64, empty values left out."""
    if isinstance(value, dict):
        return {k: _protobuf_json(v, k) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_protobuf_json(one, key) for one in value]
    if key in ("traceId", "spanId", "parentSpanId") and isinstance(value, str):
        return base64.b64encode(bytes.fromhex(value)).decode()
    return value


def message(signal: Signal, request: Mapping[str, Any], offset: int = 0) -> Message:
    built = ParseDict(_protobuf_json(request), REQUESTS[signal](), ignore_unknown_fields=True)
    return Message(SOURCES[signal].name, 0, offset, 0, built.SerializeToString())


def table(signal: Signal, requests: Iterable[Mapping[str, Any]]) -> pa.Table:
    decoded = decode(signal, [message(signal, request, at) for at, request in enumerate(requests)])
    assert not decoded.dead_letters
    return decoded.tables[TABLES[signal]]


def capture_tables(name: str) -> Iterator[tuple[Signal, pa.Table]]:
    """The tables of a capture, one for each request with records, in order of arrival."""
    for signal, request in capture_requests(name):
        if signal != "metrics":
            yield signal, table(signal, [request])


def attributes(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


STATUS = {"Unset": 0, "Ok": 1, "Error": 2}


def request(one: Mapping[str, Any]) -> tuple[Signal, dict[str, Any]]:
    """The export request of one record, described as an example in a dialect file describes it."""
    scope = {"name": one.get("scope", "")}
    resource = {"attributes": attributes(one.get("resource", {}))}
    if one["signal"] == "log":
        record = {
            "timeUnixNano": "1795357942444000000",
            "attributes": attributes(one.get("attributes", {})),
            "eventName": one.get("event_name", ""),
            "body": {"stringValue": one.get("body", "")},
            "traceId": one.get("trace_id", "0" * 31 + "1"),
            "spanId": one.get("span_id", "0" * 15 + "1"),
        }
        return "logs", {
            "resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": [record]}]}]
        }
    span = {
        "traceId": one.get("trace_id", "0" * 31 + "1"),
        "spanId": one.get("span_id", "0" * 15 + "1"),
        "parentSpanId": one.get("parent_span_id", ""),
        "name": one.get("span_name", ""),
        "startTimeUnixNano": str(one.get("start", 1795357942000000000)),
        "endTimeUnixNano": str(one.get("end", 1795357942500000000)),
        "attributes": attributes(one.get("attributes", {})),
        "status": {"code": STATUS[one.get("status", "Unset")], "message": one.get("status_message", "")},
        "events": [
            {"name": event["name"], "attributes": attributes(event.get("attributes", {}))}
            for event in one.get("events", [])
        ],
    }
    return "traces", {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": [span]}]}]}


def batch(ones: Iterable[Mapping[str, Any]]) -> tuple[Signal, pa.Table]:
    """Several records of one signal as one table."""
    built = [request(one) for one in ones]
    return built[0][0], table(built[0][0], [one for _, one in built])

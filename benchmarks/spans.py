"""Telemetry to measure with: GenAI spans of eight attributes, half model calls and half tool calls of healthy sessions.

Seeded, so that every run measures the same bytes. One message is one OTLP export request.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

SPANS_PER_MESSAGE: Final = 512
SPANS_PER_SESSION: Final = 40
SESSIONS_AT_ONCE: Final = 16
START_UNIX_NANO: Final = 1_760_000_000_000_000_000
MODELS: Final = ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro")
TOOLS: Final = ("read_file", "edit_file", "run_tests", "grep", "list_files")

Value = str | int
Attributes = dict[str, Value]


@dataclass(frozen=True, slots=True)
class PlainSpan:
    """A span before it is put into a wire format; ids are lower-case hex."""

    trace_id: str
    span_id: str
    name: str
    kind: int
    start_time_unix_nano: int
    end_time_unix_nano: int
    attributes: Attributes


def spans(count: int, seed: int = 1, start_unix_nano: int = START_UNIX_NANO) -> Iterator[PlainSpan]:
    """`count` spans of interleaved sessions; within a session one begins when the one before it is over."""
    rng = random.Random(seed)
    sessions = [""] * SESSIONS_AT_ONCE
    free_ns = [start_unix_nano + slot * 20_000_000 for slot in range(SESSIONS_AT_ONCE)]
    for number in range(count):
        slot, turn = number % SESSIONS_AT_ONCE, number // SESSIONS_AT_ONCE
        if turn % SPANS_PER_SESSION == 0:
            sessions[slot] = f"{rng.getrandbits(128):032x}"
        make = _model_call if turn % 2 == 0 else _tool_call
        plain = make(sessions[slot], free_ns[slot], rng)
        free_ns[slot] = plain.end_time_unix_nano + 5_000_000
        yield plain


def messages(count: int, spans_per_message: int = SPANS_PER_MESSAGE, seed: int = 1) -> Iterator[bytes]:
    """`count` messages as serialized ExportTraceServiceRequest."""
    source = spans(count * spans_per_message, seed)
    for _ in range(count):
        yield request([next(source) for _ in range(spans_per_message)]).SerializeToString()


def json_lines(count: int, spans_per_message: int = SPANS_PER_MESSAGE, seed: int = 1) -> Iterator[str]:
    """`count` messages as the Collector's file exporter writes them, a line each, with its newline."""
    source = spans(count * spans_per_message, seed)
    for _ in range(count):
        yield json.dumps(json_request([next(source) for _ in range(spans_per_message)]), separators=(",", ":")) + "\n"


def request(batch: list[PlainSpan], service: str = "bench-coder") -> ExportTraceServiceRequest:
    """An export request of one resource and one scope."""
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource_spans.resource.attributes.extend(_attributes({"service.name": service, "service.version": "1.0.0"}))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "bench"
    for plain in batch:
        span = scope_spans.spans.add()
        span.trace_id, span.span_id = bytes.fromhex(plain.trace_id), bytes.fromhex(plain.span_id)
        span.name, span.kind = plain.name, plain.kind
        span.start_time_unix_nano, span.end_time_unix_nano = plain.start_time_unix_nano, plain.end_time_unix_nano
        span.attributes.extend(_attributes(plain.attributes))
    return message


def json_request(batch: list[PlainSpan], service: str = "bench-coder") -> dict[str, Any]:
    """The same request in OTLP/JSON."""
    resource = {"attributes": _json_attributes({"service.name": service, "service.version": "1.0.0"})}
    listed = [
        {
            "traceId": plain.trace_id,
            "spanId": plain.span_id,
            "name": plain.name,
            "kind": plain.kind,
            "startTimeUnixNano": str(plain.start_time_unix_nano),
            "endTimeUnixNano": str(plain.end_time_unix_nano),
            "attributes": _json_attributes(plain.attributes),
            "status": {},
        }
        for plain in batch
    ]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "bench"}, "spans": listed}]}]}


def _model_call(session: str, start_ns: int, rng: random.Random) -> PlainSpan:
    model = rng.choice(MODELS)
    attributes: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.conversation.id": session,
        "gen_ai.agent.name": "coder",
        "gen_ai.usage.input_tokens": rng.randrange(500, 60_000),
        "gen_ai.usage.output_tokens": rng.randrange(20, 2_000),
    }
    duration_ns = int(rng.lognormvariate(21.0, 0.5))
    return PlainSpan(session, _span_id(rng), f"chat {model}", 3, start_ns, start_ns + duration_ns, attributes)


def _tool_call(session: str, start_ns: int, rng: random.Random) -> PlainSpan:
    tool = rng.choice(TOOLS)
    attributes: Attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": f"call_{rng.getrandbits(64):016x}",
        "gen_ai.tool.call.arguments": f'{{"path":"src/module_{rng.randrange(10_000)}.py","line":{rng.randrange(900)}}}',
        "gen_ai.tool.call.result": f"{rng.randrange(900)} lines, checksum {rng.getrandbits(96):024x}",
        "gen_ai.conversation.id": session,
        "gen_ai.agent.name": "coder",
    }
    duration_ns = int(rng.lognormvariate(18.0, 0.7))
    return PlainSpan(session, _span_id(rng), f"execute_tool {tool}", 1, start_ns, start_ns + duration_ns, attributes)


def _span_id(rng: random.Random) -> str:
    return f"{rng.getrandbits(64):016x}"


def _attributes(values: Attributes) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value))
        for key, value in values.items()
    ]


def _json_attributes(values: Attributes) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}}
        for key, value in values.items()
    ]

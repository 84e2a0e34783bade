"""`tool_calls`, `model_calls`, `markers`: one row for each fact; columns are the fields of `schemas.facts`.

A row may be written again with a higher `Version`, when a link that came late tells its session; the sort key is
the identity of a call and therefore leaves the session out. Only of a row that has no id at all is the session part
of it (`KeySession`): calls of two sessions that began in one millisecond would replace each other, and no link can
tell another session of what names no trace. Read these tables with the setting `final = 1`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas.columns import Column, Index, Table
from schemas.facts import Marker, ModelCall, ToolCall
from schemas.tables.otel import DELTA_TIME, SOURCE, SOURCE_INDEX, STORED_AT, TEXT, bloom

UTC_TIME: Final = "DateTime64(9, 'UTC')"
DELTA: Final = "Delta(8), ZSTD(1)"
VERSION: Final = Column("Version", "UInt64", "The highest version of a row is the one that counts.")
KEY_SESSION: Final = Column(
    "KeySession", "String", 'Of a row without ids of trace, span and call: its session, for the sort key; else "".'
)


class _Field(NamedTuple):
    """How a field of a fact is stored."""

    type: str
    doc: str
    codec: str = "ZSTD(1)"


_FIELDS: Final[dict[str, _Field]] = {
    "session_id": _Field("String", "The session; the trace id stands in where none is known."),
    "turn_id": _Field("String", "What follows one user prompt."),
    "agent_name": _Field(TEXT, 'Agent or subagent; "" is the main one.'),
    "round_id": _Field("String", "Calls that one model turn asked for together share it."),
    "call_id": _Field("String", "The producer's id of the call or response."),
    "tool_name": _Field(TEXT, "The tool."),
    "arguments_signature": _Field("String", "Hash over what is known of the arguments."),
    "arguments_strength": _Field(TEXT, "`full`, `truncated`, `size` or `name`."),
    "result_signature": _Field("String", "Hash over what is known of the result or error."),
    "result_strength": _Field(TEXT, "`full`, `truncated`, `size` or `name`."),
    "arguments": _Field("String", "Arguments as text, redacted and cut.", "ZSTD(3)"),
    "result": _Field("String", "Result or error as text, redacted and cut.", "ZSTD(3)"),
    "outcome": _Field(TEXT, "`ok`, `error`, `denied` or `unset`."),
    "error_type": _Field(TEXT, "Class of the error."),
    "start_time_unix_nano": _Field(UTC_TIME, "When it began.", DELTA_TIME),
    "duration_ns": _Field("Int64", "Nanoseconds; -1 = not known."),
    "dialect": _Field(TEXT, "The dialect that read it."),
    "signal": _Field(TEXT, "`span`, `log`, `message` or `hook`."),
    "service_name": _Field(TEXT, "`service.name`."),
    "service_version": _Field(TEXT, "`service.version`."),
    "trace_id": _Field("String", "Hex, or empty."),
    "span_id": _Field("String", "Hex, or empty."),
    "parent_span_id": _Field("String", "Hex, or empty."),
    "prompt_name": _Field(TEXT, "Name of the prompt template."),
    "prompt_version": _Field(TEXT, "Its version."),
    "event_sequence": _Field("Int64", "The producer's own counter; -1 = none."),
    "provider_name": _Field(TEXT, "Who serves the model."),
    "request_model": _Field(TEXT, "The model asked for."),
    "response_model": _Field(TEXT, "The model that answered."),
    "input_tokens": _Field("Int64", "-1 = not known."),
    "output_tokens": _Field("Int64", "-1 = not known."),
    "cache_read_tokens": _Field("Int64", "-1 = not known."),
    "cache_creation_tokens": _Field("Int64", "-1 = not known."),
    "cost_usd": _Field("Float64", "As the producer sent it, else estimated: see `PricesDate`; NaN = not known."),
    "temperature": _Field("Float64", "NaN = not sent."),
    "finish_reasons": _Field("Array(LowCardinality(String))", "Why the model stopped."),
    "agent_version": _Field(TEXT, "Version of the agent."),
    "prices_date": _Field(TEXT, 'The cost is an estimate from list prices of this date; "" = it is none.'),
    "kind": _Field(TEXT, "`prompt`, `end` or `verdict`."),
    "detail": _Field("String", "Of a verdict: what kind of loop the agent says it is in."),
    "count": _Field("Int64", "Of a verdict: the agent's own count; -1 = none."),
}


def pascal_case(field: str) -> str:
    """The column of a field: `session_id` -> `SessionId`."""
    return "".join(part.capitalize() for part in field.split("_"))


def _columns(fact: type[ToolCall] | type[ModelCall] | type[Marker]) -> tuple[Column, ...]:
    fields = (Column(pascal_case(f), _FIELDS[f].type, _FIELDS[f].doc, _FIELDS[f].codec) for f in fact._fields)
    return (*fields, *SOURCE, VERSION, KEY_SESSION, STORED_AT)


_IDENTITY: Final = "StartTimeUnixNano, TraceId, SpanId, EventSequence"
VERSION_INDEX: Final = Index("idx_version", "Version", "minmax")
"""Says at once where no row was written again, so that reading need not look for such rows."""
_INDEXES: Final = (
    bloom("idx_session_id", "SessionId", "0.001"),
    bloom("idx_trace_id", "TraceId", "0.001"),
    SOURCE_INDEX,
    VERSION_INDEX,
)

TOOL_CALLS: Final = Table(
    name="tool_calls",
    doc="One row for each call of a tool by an agent.",
    retention="facts",
    engine="ReplacingMergeTree(Version)",
    primary_key="(ServiceName, ToolName, StartTimeUnixNano)",
    order_by=f"(ServiceName, ToolName, {_IDENTITY}, CallId, ArgumentsSignature, {KEY_SESSION.name})",
    columns=_columns(ToolCall),
    indexes=(*_INDEXES, bloom("idx_call_id", "CallId", "0.001")),
)

MODEL_CALLS: Final = Table(
    name="model_calls",
    doc="One row for each request to a model.",
    retention="facts",
    engine="ReplacingMergeTree(Version)",
    primary_key="(ServiceName, RequestModel, StartTimeUnixNano)",
    order_by=f"(ServiceName, RequestModel, {_IDENTITY}, CallId, {KEY_SESSION.name})",
    columns=_columns(ModelCall),
    indexes=_INDEXES,
)

MARKERS: Final = Table(
    name="markers",
    doc="Moments of a session that are no call: user prompts, ends, the agent's own verdicts of a loop.",
    retention="facts",
    engine="ReplacingMergeTree(Version)",
    primary_key="(ServiceName, Kind, StartTimeUnixNano)",
    order_by=f"(ServiceName, Kind, {_IDENTITY}, TurnId, {KEY_SESSION.name})",
    columns=_columns(Marker),
    indexes=_INDEXES,
)

FACTS: Final = (TOOL_CALLS, MODEL_CALLS, MARKERS)

"""OTLP/JSON lines straight into columns, for replay: half the work of going through protobuf.

Only documents in the form that the Collector's file exporter and the usual clients write are read here. Whatever
looks different in any way (a name in snake_case, `null`, a number where text should be) is left to
`pipeline.decode.otlp_json` and the reference decoder, so that both ways give the same rows or the same reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pipeline.decode.batch import check_repeated, check_rows, flat
from pipeline.decode.json_fields import (
    EMPTY,
    MAX_UINT32,
    NONE,
    Document,
    Unusual,
    array,
    attributes,
    enums,
    ids,
    known,
    strings,
    texts,
    times,
    unread,
    value_text,
)
from pipeline.decode.logs import LogColumns
from pipeline.decode.otlp_json import message_from
from pipeline.decode.traces import SpanColumns

SPAN_KEYS: Final = frozenset(
    (
        "traceId", "spanId", "parentSpanId", "traceState", "name", "kind", "startTimeUnixNano", "endTimeUnixNano",
        "attributes", "events", "links", "status", "flags", "droppedAttributesCount", "droppedEventsCount",
        "droppedLinksCount",
    )
)  # fmt: skip
EVENT_KEYS: Final = frozenset(("timeUnixNano", "name", "attributes", "droppedAttributesCount"))
LINK_KEYS: Final = frozenset(("traceId", "spanId", "traceState", "attributes", "droppedAttributesCount", "flags"))
LOG_KEYS: Final = frozenset(
    (
        "traceId", "spanId", "flags", "severityText", "severityNumber", "eventName", "timeUnixNano",
        "observedTimeUnixNano", "body", "attributes", "droppedAttributesCount",
    )
)  # fmt: skip
UNREAD: Final = frozenset(("flags", "droppedAttributesCount", "droppedEventsCount", "droppedLinksCount"))
"""Numbers of a span that are checked and not stored."""
STATUS_KEYS: Final = frozenset(("code", "message"))


def _enum(values: Iterable[tuple[str, int]]) -> dict[Any, int]:
    """Names and numbers of an enum -> number."""
    named = dict(values)
    return {**named, **{number: number for number in named.values()}}


KINDS: Final = _enum(Span.SpanKind.items())
CODES: Final = _enum(Status.StatusCode.items())
SEVERITIES: Final = _enum(SeverityNumber.items())


def read_spans(columns: SpanColumns, document: Document) -> int:
    """Append `{"resourceSpans": [...]}`, as `SpanColumns.read` does; raises one of `UNUSUAL` or DecodeError."""
    resources = _section(document, "resourceSpans", "scopeSpans")
    check_rows(sum(len(scope.get("spans", ())) for _, scopes in resources for scope in scopes))
    repeated = 0
    for resource, scopes in resources:
        size = columns.scopes.add_resource(*_resource(resource))
        for scope in scopes:
            spans = known(array(scope.get("spans", [])), SPAN_KEYS)
            repeated += len(spans) * (size + columns.scopes.add_scope(*_scope(scope, "spans"), len(spans)))
            check_repeated(repeated)
            _spans(columns, spans)
    return repeated


def read_logs(columns: LogColumns, document: Document) -> int:
    """Append `{"resourceLogs": [...]}`, as `LogColumns.read` does; raises one of `UNUSUAL` or DecodeError."""
    resources = _section(document, "resourceLogs", "scopeLogs")
    check_rows(sum(len(scope.get("logRecords", ())) for _, scopes in resources for scope in scopes))
    repeated = 0
    for resource, scopes in resources:
        size = columns.scopes.add_resource(*_resource(resource))
        for scope in scopes:
            records = known(array(scope.get("logRecords", [])), LOG_KEYS)
            repeated += len(records) * (size + columns.scopes.add_scope(*_scope(scope, "logRecords"), len(records)))
            check_repeated(repeated)
            _records(columns, records)
    return repeated


def _spans(columns: SpanColumns, spans: Sequence[Document]) -> None:
    fields = columns.fields
    told: set[str] = set().union(*spans)
    """Fields that some of the spans have: what none of them has need not be looked for in each."""
    for name, key in (("trace_id", "traceId"), ("span_id", "spanId"), ("parent_span_id", "parentSpanId")):
        fields[name] += ids(name, spans, key) if key in told else [b""] * len(spans)
    fields["trace_state"] += texts(spans, "traceState") if "traceState" in told else [""] * len(spans)
    fields["name"] += texts(spans, "name")
    fields["kind"] += enums(KINDS, spans, "kind")
    fields["start_time_unix_nano"] += times(spans, "startTimeUnixNano")
    fields["end_time_unix_nano"] += times(spans, "endTimeUnixNano")
    statuses = known([span.get("status", EMPTY) for span in spans], STATUS_KEYS)
    columns.codes += enums(CODES, statuses, "code")
    columns.status_messages += texts(statuses, "message")
    unread(spans, *told.intersection(UNREAD))
    attributes(columns.attributes, spans)
    _nested(columns, spans, told)


def _nested(columns: SpanColumns, spans: Sequence[Document], told: set[str]) -> None:
    events = [array(span.get("events", NONE)) for span in spans] if "events" in told else [NONE] * len(spans)
    columns.event_counts += map(len, events)
    _events(columns, known(flat(events), EVENT_KEYS))
    links = [array(span.get("links", NONE)) for span in spans] if "links" in told else [NONE] * len(spans)
    columns.link_counts += map(len, links)
    _links(columns, known(flat(links), LINK_KEYS))


def _events(columns: SpanColumns, events: Sequence[Document]) -> None:
    columns.event_times += times(events, "timeUnixNano")
    columns.event_names += texts(events, "name")
    unread(events, "droppedAttributesCount")
    attributes(columns.event_attributes, events)


def _links(columns: SpanColumns, links: Sequence[Document]) -> None:
    columns.link_trace_ids += ids("trace_id", links, "traceId")
    columns.link_span_ids += ids("span_id", links, "spanId")
    columns.link_states += texts(links, "traceState")
    unread(links, "flags", "droppedAttributesCount")
    attributes(columns.link_attributes, links)


def _records(columns: LogColumns, records: Sequence[Document]) -> None:
    fields = columns.fields
    for name, key in (("trace_id", "traceId"), ("span_id", "spanId")):
        fields[name] += ids(name, records, key)
    fields["flags"] += times(records, "flags", MAX_UINT32)
    fields["severity_text"] += texts(records, "severityText")
    fields["severity_number"] += enums(SEVERITIES, records, "severityNumber")
    fields["event_name"] += texts(records, "eventName")
    observed = times(records, "observedTimeUnixNano")
    columns.times += [time or seen for time, seen in zip(times(records, "timeUnixNano"), observed, strict=True)]
    columns.bodies += strings([value_text(record.get("body", EMPTY)) for record in records])
    unread(records, "droppedAttributesCount")
    attributes(columns.attributes, records)


def _section(document: Document, name: str, scopes: str) -> list[tuple[Document, list[Document]]]:
    """Resources with their scopes."""
    if document.keys() != {name}:
        raise Unusual
    resources = known(array(document[name]), frozenset(("resource", scopes, "schemaUrl")))
    return [(resource, array(resource.get(scopes, []))) for resource in resources]


def _resource(document: Document) -> tuple[Any, str]:
    held = message_from(Resource, document.get("resource", EMPTY))
    return held, strings([document.get("schemaUrl", "")])[0]


def _scope(document: Document, records: str) -> tuple[Any, str]:
    known([document], frozenset(("scope", records, "schemaUrl")))
    held = message_from(InstrumentationScope, document.get("scope", EMPTY))
    return held, strings([document.get("schemaUrl", "")])[0]

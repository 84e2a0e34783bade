"""Spans: an ExportTraceServiceRequest as rows of `otel_traces`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.decode.arrays import hex_ids, lists, table, times
from pipeline.decode.batch import Sources, check_ids, check_repeated, check_rows, flat
from pipeline.decode.scopes import AttributeColumn, Scopes
from schemas.tables import TRACES

# a kind or code that the protocol does not know is stored as empty text
KINDS: Final = pa.array(["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer", ""])
CODES: Final = pa.array(["Unset", "Ok", "Error", ""])

FIELDS: Final = (
    "trace_id", "span_id", "parent_span_id", "trace_state", "name", "kind", "start_time_unix_nano",
    "end_time_unix_nano",
)  # fmt: skip


class SpanColumns:
    """Columns of `otel_traces` while messages are read."""

    def __init__(self) -> None:
        self.scopes = Scopes()
        self.fields: dict[str, list[Any]] = {name: [] for name in FIELDS}
        self.codes: list[int] = []
        self.status_messages: list[str] = []
        self.attributes = AttributeColumn()
        self.event_counts: list[int] = []
        self.event_times: list[int] = []
        self.event_names: list[str] = []
        self.event_attributes = AttributeColumn()
        self.link_counts: list[int] = []
        self.link_trace_ids: list[bytes] = []
        self.link_span_ids: list[bytes] = []
        self.link_states: list[str] = []
        self.link_attributes = AttributeColumn()

    def lists(self) -> Iterable[list[Any]]:
        """Every list that `read` appends to."""
        yield from self.fields.values()
        yield from (self.codes, self.status_messages, self.event_counts, self.event_times, self.event_names)
        yield from (self.link_counts, self.link_trace_ids, self.link_span_ids, self.link_states)
        for column in (self.scopes, self.attributes, self.event_attributes, self.link_attributes):
            yield from column.lists()

    def read(self, request: Any) -> int:
        """Append an ExportTraceServiceRequest."""
        check_rows(sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans))
        repeated = 0
        for resource in request.resource_spans:
            size = self.scopes.add_resource(resource.resource, resource.schema_url)
            for scope in resource.scope_spans:
                spans = list(scope.spans)
                repeated += len(spans) * (size + self.scopes.add_scope(scope.scope, scope.schema_url, len(spans)))
                check_repeated(repeated)
                self._spans(spans)
        return repeated

    def _spans(self, spans: list[Any]) -> None:
        """Append spans column by column: a comprehension a field is the cheapest loop there is."""
        for name, column in self.fields.items():
            column += [getattr(span, name) for span in spans]
        for name in ("trace_id", "span_id", "parent_span_id"):
            check_ids(name, self.fields[name][-len(spans) :] if spans else ())
        statuses = [span.status for span in spans]
        self.codes += [status.code for status in statuses]
        self.status_messages += [status.message for status in statuses]
        self.attributes.add([span.attributes for span in spans])
        events = [span.events for span in spans]
        self.event_counts += map(len, events)
        self._events(flat(events))
        links = [span.links for span in spans]
        self.link_counts += map(len, links)
        self._links(flat(links))

    def _events(self, events: list[Any]) -> None:
        self.event_times += [event.time_unix_nano for event in events]
        self.event_names += [event.name for event in events]
        self.event_attributes.add([event.attributes for event in events])

    def _links(self, links: list[Any]) -> None:
        trace_ids = [link.trace_id for link in links]
        span_ids = [link.span_id for link in links]
        check_ids("trace_id", trace_ids)
        check_ids("span_id", span_ids)
        self.link_trace_ids += trace_ids
        self.link_span_ids += span_ids
        self.link_states += [link.trace_state for link in links]
        self.link_attributes.add([link.attributes for link in links])

    @property
    def rows(self) -> int:
        """Records read so far."""
        return len(self.codes)

    def tables(self, sources: Sources) -> dict[str, pa.Table]:
        """All rows read."""
        fields = self.fields
        if not self.rows:
            return {}
        start, end = (pa.array(fields[f"{edge}_time_unix_nano"], pa.uint64()) for edge in ("start", "end"))
        late = pc.greater(end, start)
        columns = {
            **self.scopes.columns(self.scopes.index()),
            **sources.columns(),
            "Timestamp": times(fields["start_time_unix_nano"]),
            "TraceId": hex_ids(fields["trace_id"]),
            "SpanId": hex_ids(fields["span_id"]),
            "ParentSpanId": hex_ids(fields["parent_span_id"]),
            "TraceState": fields["trace_state"],
            "SpanName": fields["name"],
            "SpanKind": _named(KINDS, fields["kind"]),
            "SpanAttributes": self.attributes.array(),
            # the Collector lets the subtraction wrap to 584 years where the end is before the start
            "Duration": pc.if_else(late, pc.subtract(end, start), pa.scalar(0, pa.uint64())),
            "StatusCode": _named(CODES, self.codes),
            "StatusMessage": self.status_messages,
            "Events.Timestamp": lists(self.event_counts, times(self.event_times)),
            "Events.Name": lists(self.event_counts, pa.array(self.event_names, pa.string())),
            "Events.Attributes": lists(self.event_counts, self.event_attributes.array()),
            "Links.TraceId": lists(self.link_counts, hex_ids(self.link_trace_ids)),
            "Links.SpanId": lists(self.link_counts, hex_ids(self.link_span_ids)),
            "Links.TraceState": lists(self.link_counts, pa.array(self.link_states, pa.string())),
            "Links.Attributes": lists(self.link_counts, self.link_attributes.array()),
        }
        return {TRACES.name: table(TRACES, columns)}


def _named(names: pa.Array, codes: list[int]) -> pa.Array:
    """Enum values as their names."""
    numbers = pa.array(codes, pa.int32())
    unknown = pa.scalar(len(names) - 1, pa.int32())
    known = pc.and_(pc.greater_equal(numbers, 0), pc.less(numbers, unknown))
    return names.take(pc.if_else(known, numbers, unknown))

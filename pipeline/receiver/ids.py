"""Ids of the wrong length: protobuf takes them and decoding does not, so they are found while the sender can be told.

The Collector refuses them, too (pdata: "invalid length for TraceID"). None at all is right everywhere. Records are
looked at one at a time, each once: keeping them for one id after the other costs twice as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pipeline.decode.batch import ID_BYTES

TRACE_ID: Final = frozenset((0, ID_BYTES["trace_id"]))
SPAN_ID: Final = frozenset((0, ID_BYTES["span_id"]))
"""Bytes that it may have."""


def spans_fit(request: Any) -> bool:
    """Whether every id of an ExportTraceServiceRequest has its length."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                if (
                    len(span.trace_id) not in TRACE_ID
                    or len(span.span_id) not in SPAN_ID
                    or len(span.parent_span_id) not in SPAN_ID
                    or ((links := span.links) and not _fit(links))
                ):
                    return False
    return True


def log_records_fit(request: Any) -> bool:
    """Whether every id of an ExportLogsServiceRequest has its length."""
    return all(_fit(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)


def exemplars_fit(request: Any) -> bool:
    """Whether every id of an ExportMetricsServiceRequest has its length."""
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                if kind and kind != "summary":
                    for point in getattr(metric, kind).data_points:
                        if not _fit(point.exemplars):
                            return False
    return True


def where_wrong(request: Any) -> str:
    """The first id of the wrong length with its place; "" where there is none. Slow: only for what is refused."""
    return next(_wrong(request, ""), "")


def _fit(messages: Iterable[Any]) -> bool:
    return all(len(one.trace_id) in TRACE_ID and len(one.span_id) in SPAN_ID for one in messages)


def _wrong(message: Any, path: str) -> Iterator[str]:
    for field, value in message.ListFields():
        name = f"{path}.{field.name}".removeprefix(".")
        size = ID_BYTES.get(field.name.removeprefix("parent_"))
        if size is not None and len(value) != size:
            yield f"{name}: has {len(value)} bytes, not {size}"
        elif field.message_type is not None and field.name != "attributes":
            nested = [(f"{name}[{at}]", one) for at, one in enumerate(value)] if field.is_repeated else [(name, value)]
            for place, one in nested:
                yield from _wrong(one, place)

"""OTLP export requests and responses of the three signals, and what counts as a record in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError as ProtobufDecodeError
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from pipeline.decode.contract import MAX_ROWS
from pipeline.receiver.diagnose import why_unreadable
from pipeline.receiver.ids import exemplars_fit, log_records_fit, spans_fit, where_wrong
from schemas.errors import DecodeError
from schemas.topics import Signal


class Export(NamedTuple):
    """The export call of one signal."""

    signal: Signal
    path: str
    service: str
    request: type[Any]
    response: type[Any]
    resources: str
    """The request's only field: what a request must hold to hold anything."""
    count: Callable[[Any], int]
    ids_fit: Callable[[Any], bool]
    """Whether every id has its length."""


def _spans(request: Any) -> int:
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


def _log_records(request: Any) -> int:
    return sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)


def _data_points(request: Any) -> int:
    return sum(
        len(getattr(metric, kind).data_points)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("data"))
    )


EXPORTS: Final = (
    Export(
        "traces",
        "/v1/traces",
        "opentelemetry.proto.collector.trace.v1.TraceService",
        trace_service_pb2.ExportTraceServiceRequest,
        trace_service_pb2.ExportTraceServiceResponse,
        "resource_spans",
        _spans,
        spans_fit,
    ),
    Export(
        "logs",
        "/v1/logs",
        "opentelemetry.proto.collector.logs.v1.LogsService",
        logs_service_pb2.ExportLogsServiceRequest,
        logs_service_pb2.ExportLogsServiceResponse,
        "resource_logs",
        _log_records,
        log_records_fit,
    ),
    Export(
        "metrics",
        "/v1/metrics",
        "opentelemetry.proto.collector.metrics.v1.MetricsService",
        metrics_service_pb2.ExportMetricsServiceRequest,
        metrics_service_pb2.ExportMetricsServiceResponse,
        "resource_metrics",
        _data_points,
        exemplars_fit,
    ),
)
BY_SIGNAL: Final[dict[Signal, Export]] = {export.signal: export for export in EXPORTS}


class Inspected(NamedTuple):
    """What a readable request holds."""

    records: int
    empty: bool
    """True: no resource entry at all."""


def inspect(export: Export, body: bytes) -> Inspected:
    """Parse a request to know that it can be parsed, check its ids, and count it.

    Raises:
        DecodeError: It is not that request, or decoding would not take it; the text says where and why.
    """
    try:
        request = export.request.FromString(body)
    except ProtobufDecodeError as error:
        reason = why_unreadable(export.request.DESCRIPTOR, body) or str(error)
        raise DecodeError(f"not a protobuf {export.request.DESCRIPTOR.name}: {reason}") from error
    records = export.count(request)
    # more records are refused for that, and are not looked at
    if records <= MAX_ROWS and not export.ids_fit(request):
        raise DecodeError(where_wrong(request))
    return Inspected(records, not len(getattr(request, export.resources)))

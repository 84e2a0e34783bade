"""The exporters of the OpenTelemetry SDK against the receiver, over real sockets (log: a test double in memory)."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor


@pytest.fixture(params=["grpc", "http", "http with gzip"])
def exporters(request: pytest.FixtureRequest, receiver: Any) -> tuple[Any, ...]:
    """Exporters of spans, log records and metrics, in this order."""
    if request.param == "grpc":
        return tuple(
            kind(endpoint=receiver.target, insecure=True)
            for kind in (GrpcSpanExporter, GrpcLogExporter, GrpcMetricExporter)
        )
    compression = Compression.Gzip if "gzip" in request.param else Compression.NoCompression
    kinds: dict[str, Any] = {"traces": HttpSpanExporter, "logs": HttpLogExporter, "metrics": HttpMetricExporter}
    return tuple(
        kind(endpoint=f"{receiver.url}/v1/{signal}", compression=compression) for signal, kind in kinds.items()
    )


def test_spans_logs_and_metrics_of_the_sdk_are_stored(receiver: Any, exporters: tuple[Any, ...]) -> None:
    span_exporter, log_exporter, metric_exporter = exporters
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(span_exporter))
    with tracing.get_tracer("t").start_as_current_span("execute_tool", attributes={"gen_ai.tool.name": "read"}):
        pass
    logging = LoggerProvider()
    logging.add_log_record_processor(SimpleLogRecordProcessor(log_exporter))
    logging.get_logger("t").emit(LogRecord(body="hello"))
    metering = MeterProvider([PeriodicExportingMetricReader(metric_exporter, export_interval_millis=3_600_000)])
    metering.get_meter("t").create_counter("calls").add(3)
    for provider in (tracing, logging, metering):
        provider.shutdown()

    stored = dict(receiver.log.stored)
    spans = ExportTraceServiceRequest.FromString(stored["traces"]).resource_spans[0].scope_spans[0].spans
    records = ExportLogsServiceRequest.FromString(stored["logs"]).resource_logs[0].scope_logs[0].log_records
    metrics = ExportMetricsServiceRequest.FromString(stored["metrics"]).resource_metrics[0].scope_metrics[0].metrics
    assert [span.name for span in spans] == ["execute_tool"]
    assert [record.body.string_value for record in records] == ["hello"]
    assert [(metric.name, metric.sum.data_points[0].as_int) for metric in metrics] == [("calls", 3)]
    assert set(receiver.counter.outcomes()) == {"accepted"}

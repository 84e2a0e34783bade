"""OTLP/gRPC over real sockets. The log behind it is a test double that keeps bytes in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from pipeline.receiver.contract import Limits
from pipeline.receiver.intake import Intake
from pipeline.receiver.otlp_grpc import OtlpGrpcServer
from schemas.errors import LogFullError, SettingsError

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


def traces() -> bytes:
    request = trace_service_pb2.ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name="chat")
    body: bytes = request.SerializeToString()
    return body


def logs() -> bytes:
    request = logs_service_pb2.ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for _ in range(2):
        scope.log_records.add(time_unix_nano=1)
    body: bytes = request.SerializeToString()
    return body


def metrics() -> bytes:
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    for _ in range(3):
        scope.metrics.add(name="m").sum.data_points.add(as_int=1)
    scope.metrics.add(name="no data at all")
    body: bytes = request.SerializeToString()
    return body


def call(receiver: Any, method: str, body: bytes, gzip: bool = False) -> bytes:
    compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
    with grpc.insecure_channel(receiver.target, compression=compression) as channel:
        answer: bytes = channel.unary_unary(method)(body, timeout=20)
        return answer


def refusal(receiver: Any, method: str, body: bytes, gzip: bool = False) -> Any:
    with pytest.raises(grpc.RpcError) as raised:
        call(receiver, method, body, gzip)
    return raised.value


@pytest.mark.parametrize("gzip", [False, True], ids=["identity", "gzip"])
@pytest.mark.parametrize(
    ("method", "stored", "records"),
    [(TRACES, ("traces", traces()), 1), (LOGS, ("logs", logs()), 2), (METRICS, ("metrics", metrics()), 3)],
    ids=["traces", "logs", "metrics"],
)
def test_every_signal_is_stored_as_it_came(
    receiver: Any, method: str, stored: tuple[str, bytes], records: int, gzip: bool
) -> None:
    signal, body = stored
    assert call(receiver, method, body, gzip) == b""
    assert receiver.log.stored == [stored]
    assert receiver.counter.seen == [(signal, "grpc", "accepted", records, len(body))]


def test_an_empty_request_is_fine_and_stores_nothing(receiver: Any) -> None:
    assert call(receiver, TRACES, b"") == b""
    assert receiver.log.stored == []


@pytest.mark.parametrize("body", [traces()[:-1], b"\xff" * 100, b"{}"], ids=["truncated", "random", "JSON"])
def test_bad_protobuf_is_an_invalid_argument_with_its_reason(receiver: Any, body: bytes) -> None:
    error = refusal(receiver, TRACES, body)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith("not a protobuf ExportTraceServiceRequest: ")
    assert receiver.log.stored == []
    assert call(receiver, TRACES, traces()) == b""
    assert receiver.log.stored == [("traces", traces())]


def test_a_full_log_is_resource_exhausted_with_a_retry_delay(receiver: Any) -> None:
    receiver.log.fail_with = LogFullError("over 1 GB", retry_after_s=0.5)
    error = refusal(receiver, LOGS, logs())
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    (details,) = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]
    status = status_pb2.Status.FromString(details)
    retry = error_details_pb2.RetryInfo()
    assert (status.code, status.message) == (8, "the log is full: over 1 GB")
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 500


@pytest.mark.parametrize("gzip", [False, True], ids=["100 MB", "100 MB as a gzip bomb"])
def test_a_message_over_the_bound_is_refused_and_the_next_is_taken(receiver: Any, gzip: bool) -> None:
    error = refusal(receiver, TRACES, bytes(100 * 1024 * 1024), gzip)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in error.details()
    assert call(receiver, TRACES, traces()) == b""


def test_memory_for_requests_is_bounded_and_the_refusal_can_be_retried(start_receiver: Any) -> None:
    receiver = start_receiver(Limits(max_in_flight_bytes=len(traces()) + 1))
    receiver.log.gate = asyncio.Event()
    with grpc.insecure_channel(receiver.target) as channel:
        under_way = channel.unary_unary(TRACES).future(traces(), timeout=20)
        assert receiver.log.entered.wait(60)
        error = refusal(receiver, TRACES, traces())
        receiver.loop.call_soon_threadsafe(receiver.log.gate.set)
        assert under_way.result() == b""
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "grpc-status-details-bin" in [key for key, _ in error.trailing_metadata()]
    assert call(receiver, TRACES, traces()) == b""
    assert receiver.counter.outcomes() == ["busy", "accepted", "accepted"]


def test_a_broken_log_is_unavailable(receiver: Any) -> None:
    receiver.log.fail_with = OSError("disk")
    assert refusal(receiver, TRACES, traces()).code() is grpc.StatusCode.UNAVAILABLE


def test_an_unknown_method_is_unimplemented(receiver: Any) -> None:
    error = refusal(receiver, TRACES.replace("Export", "Import"), traces())
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_call_under_way_finishes_while_the_server_stops(receiver: Any) -> None:
    receiver.log.gate = asyncio.Event()
    with grpc.insecure_channel(receiver.target) as channel:
        under_way = channel.unary_unary(TRACES).future(traces(), timeout=20)
        assert receiver.log.entered.wait(60)
        stopping = asyncio.run_coroutine_threadsafe(receiver.grpc.stop(10), receiver.loop)
        receiver.loop.call_soon_threadsafe(receiver.log.gate.set)
        assert under_way.result() == b""
        stopping.result(15)
    assert refusal(receiver, TRACES, traces()).code() is grpc.StatusCode.UNAVAILABLE


def test_while_stopping_new_calls_are_told_to_come_again(receiver: Any) -> None:
    receiver.loop.call_soon_threadsafe(receiver.intake.stop)
    error = refusal(receiver, TRACES, traces())
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "stopping" in error.details()


def test_a_port_in_use_is_a_settings_error(receiver: Any) -> None:
    second = OtlpGrpcServer(Intake(receiver.log), "127.0.0.1", receiver.grpc.port, Limits())
    with pytest.raises(SettingsError, match="is the port in use"):
        receiver.run(second.start())

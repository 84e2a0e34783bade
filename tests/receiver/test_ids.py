"""An id of the wrong length is told to its sender, with its place; decoding would refuse the whole request for it."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.decode import decode
from pipeline.message import Message
from pipeline.receiver.requests import BY_SIGNAL, EXPORTS, inspect
from schemas.errors import DecodeError
from schemas.topics import Signal

GOOD = Span(name="good", trace_id=bytes(15) + b"\1", span_id=bytes(7) + b"\1")


def spans(*more: Span) -> bytes:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add()
    request.resource_spans.add().scope_spans.add().spans.extend((GOOD, *more))
    return bytes(request.SerializeToString())


def log_record(**ids: bytes) -> bytes:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add(**ids)
    return bytes(request.SerializeToString())


def exemplar(kind: str, **ids: bytes) -> bytes:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    getattr(metric, kind).data_points.add().exemplars.add(**ids)
    return bytes(request.SerializeToString())


SPAN = "resource_spans[1].scope_spans[0].spans[1]"
RECORD = "resource_logs[0].scope_logs[0].log_records[0]"
METRIC = "resource_metrics[0].scope_metrics[0].metrics[0]"

WRONG: list[tuple[Signal, bytes, str]] = [
    ("traces", spans(Span(trace_id=b"short")), f"{SPAN}.trace_id: has 5 bytes, not 16"),
    ("traces", spans(Span(trace_id=bytes(8))), f"{SPAN}.trace_id: has 8 bytes, not 16"),
    ("traces", spans(Span(span_id=bytes(9))), f"{SPAN}.span_id: has 9 bytes, not 8"),
    ("traces", spans(Span(span_id=bytes(16))), f"{SPAN}.span_id: has 16 bytes, not 8"),
    ("traces", spans(Span(parent_span_id=b"1")), f"{SPAN}.parent_span_id: has 1 bytes, not 8"),
    ("traces", spans(Span(links=[Span.Link(trace_id=b"1")])), f"{SPAN}.links[0].trace_id: has 1 bytes, not 16"),
    ("traces", spans(Span(links=[Span.Link(), Span.Link(span_id=b"12")])), f"{SPAN}.links[1].span_id: has 2 bytes"),
    ("logs", log_record(trace_id=bytes(17)), f"{RECORD}.trace_id: has 17 bytes, not 16"),
    ("logs", log_record(span_id=bytes(7)), f"{RECORD}.span_id: has 7 bytes, not 8"),
    *(
        ("metrics", exemplar(kind, trace_id=b"t"), f"{METRIC}.{kind}.data_points[0].exemplars[0].trace_id: has 1 bytes")
        for kind in ("gauge", "sum", "histogram", "exponential_histogram")
    ),
    ("metrics", exemplar("sum", span_id=b"s"), f"{METRIC}.sum.data_points[0].exemplars[0].span_id: has 1 bytes"),
]


@pytest.mark.parametrize(("signal", "body", "says"), WRONG, ids=[says for _, _, says in WRONG])
def test_what_decoding_refuses_for_an_id_is_refused_with_its_place(signal: Signal, body: bytes, says: str) -> None:
    assert decode(signal, [Message("t", 0, 0, 0, body)]).dead_letters
    with pytest.raises(DecodeError) as raised:
        inspect(BY_SIGNAL[signal], body)
    assert str(raised.value).startswith(says)


@pytest.mark.parametrize(
    "span",
    [
        Span(),
        Span(trace_id=bytes(16), span_id=bytes(8), parent_span_id=bytes(8)),
        Span(parent_span_id=b"12345678", links=[Span.Link(), Span.Link(trace_id=bytes(16), span_id=bytes(8))]),
    ],
    ids=["no ids at all", "ids that are zero", "a parent and links"],
)
def test_ids_of_the_right_length_and_none_are_taken(span: Span) -> None:
    assert inspect(BY_SIGNAL["traces"], spans(span)).records == 2


@pytest.mark.parametrize(("signal", "body", "says"), [WRONG[0], WRONG[7], WRONG[-1]], ids=["traces", "logs", "metrics"])
def test_both_protocols_refuse_it_and_store_nothing(receiver: Any, signal: Signal, body: bytes, says: str) -> None:
    (export,) = [one for one in EXPORTS if one.signal == signal]
    response = receiver.post(export.path, body)
    status = status_pb2.Status.FromString(response.content)
    assert (response.status_code, status.code) == (400, 3)
    assert status.message.startswith(says)
    with grpc.insecure_channel(receiver.target) as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(f"/{export.service}/Export")(body, timeout=20)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert raised.value.details().startswith(says)
    assert receiver.log.stored == []
    assert receiver.counter.outcomes() == ["malformed", "malformed"]

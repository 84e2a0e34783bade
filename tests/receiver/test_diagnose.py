"""The reason why protobuf cannot be read: there is one whenever the parser fails, and it never fails itself."""

from __future__ import annotations

import random

from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.receiver.diagnose import why_unreadable


def _request() -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "agent"
    span = resource.scope_spans.add().spans.add(name="chat", trace_id=bytes(16), start_time_unix_nano=5)
    span.attributes.add(key="n").value.array_value.values.add().kvlist_value.values.add(key="k").value.double_value = 1
    body: bytes = request.SerializeToString()
    return body


GOOD = _request()


def readable(body: bytes) -> bool:
    try:
        ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return False
    return True


def test_a_good_request_has_no_reason() -> None:
    assert why_unreadable(ExportTraceServiceRequest.DESCRIPTOR, GOOD) == ""


def test_every_cut_off_request_that_cannot_be_read_has_a_reason() -> None:
    for end in range(len(GOOD)):
        reason = why_unreadable(ExportTraceServiceRequest.DESCRIPTOR, GOOD[:end])
        assert bool(reason) is not readable(GOOD[:end]), end


def test_requests_with_flipped_bytes_that_cannot_be_read_have_a_reason() -> None:
    choose = random.Random(3)
    unreadable = 0
    for _ in range(3000):
        body = bytearray(GOOD)
        for _ in range(choose.randint(1, 3)):
            body[choose.randrange(len(body))] = choose.randrange(256)
        if not readable(bytes(body)):
            unreadable += 1
            assert why_unreadable(ExportTraceServiceRequest.DESCRIPTOR, bytes(body))
    assert unreadable > 1000


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_reason_or_none(body: bytes) -> None:
    assert isinstance(why_unreadable(ExportTraceServiceRequest.DESCRIPTOR, body), str)

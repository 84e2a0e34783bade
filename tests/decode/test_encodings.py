"""JSON and protobuf in one topic: which is which, and what becomes of JSON that is no request."""

from __future__ import annotations

import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.spans import json_request, request, spans
from pipeline.decode import decode
from pipeline.decode.encodings import decode_either, is_json
from pipeline.message import Message


def message(value: bytes, offset: int = 0) -> Message:
    return Message("otlp_spans", 0, offset, 0, value)


def of_size(size: int) -> bytes:
    """A request in protobuf whose first part is that long: its second byte is that number."""
    found = ExportTraceServiceRequest()
    resource = found.resource_spans.add().resource
    resource.attributes.add(key="k", value={"string_value": ""})
    resource.attributes[0].value.string_value = "x" * (size - len(found.SerializeToString()) + 2)
    value: bytes = found.SerializeToString()
    assert value[1] == size
    return value


@pytest.mark.parametrize("size", [ord(c) for c in '{ \t\r\n}"' if ord(c) > 20])
def test_protobuf_whose_length_looks_like_json_is_protobuf(size: int) -> None:
    assert not is_json(message(of_size(size)))


@pytest.mark.parametrize("value", [b"{}", b" {}", b"\n{}", b"\n\n  {\n}", b"\r\n{}", b'{"resourceSpans": [', b"{"])
def test_json_is_known_by_its_brace(value: bytes) -> None:
    assert is_json(message(value))


@pytest.mark.parametrize("value", [b"", b"\n", b"[]", b"null", b"\x0a\x00", b" "])
def test_everything_else_is_for_the_decoder_of_protobuf(value: bytes) -> None:
    assert not is_json(message(value))


def test_both_encodings_give_the_same_rows_in_order_of_offset() -> None:
    batches = [list(spans(4, seed=n)) for n in range(4)]
    both = [request(one).SerializeToString() for one in batches]
    mixed = [v if n % 2 else json.dumps(json_request(batches[n])).encode() for n, v in enumerate(both)]
    wanted = decode("traces", [message(v, n) for n, v in enumerate(both)])
    found = decode_either(decode, "traces", [message(v, n) for n, v in enumerate(mixed)])
    assert found.dead_letters == []
    assert found.tables == wanted.tables


def test_json_that_is_no_request_is_a_dead_letter_with_the_bytes_that_came() -> None:
    wrong_id = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0abc"}]}]}]}'
    values = [b'{"resourceSpans": [', b"\xff", b'{"resourceLogs": []}', wrong_id, b"{}"]
    found = decode_either(decode, "traces", [message(v, n) for n, v in enumerate(values)])
    assert [(one.offset, one.value) for one in found.dead_letters] == list(enumerate(values[:4]))
    reasons = [one.reason for one in found.dead_letters]
    assert reasons[0].startswith("not JSON")
    assert reasons[2] == "holds resourceLogs, which are no traces"
    assert "trace" in reasons[3].lower()

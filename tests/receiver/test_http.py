"""OTLP/HTTP over real sockets. The log behind it is a test double that keeps bytes in memory."""

from __future__ import annotations

import asyncio
import gzip
import random
import socket
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from pipeline.receiver.contract import Limits
from schemas.errors import LogFullError

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
TRACES_JSON = (
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c",'
    b'"spanId":"eee19b7ec3c1b174","name":"chat","startTimeUnixNano":"1","endTimeUnixNano":"2"}]}]}]}'
)


def traces(spans: int = 1, name: str = "execute_tool") -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for index in range(spans):
        scope.spans.add(trace_id=bytes(15) + b"\1", span_id=index.to_bytes(8, "big"), name=name)
    body: bytes = request.SerializeToString()
    return body


def reason(response: httpx.Response) -> str:
    """The message of the google.rpc.Status in an answer, in either encoding."""
    if response.headers["content-type"].startswith(PROTOBUF):
        return str(status_pb2.Status.FromString(response.content).message)
    return str(response.json()["message"])


def assert_still_stores(receiver: Any) -> None:
    """The next good batch is stored."""
    before = len(receiver.log.stored)
    assert receiver.post("/v1/traces", traces()).status_code == 200
    assert receiver.log.stored[before:] == [("traces", traces())]


def test_a_protobuf_request_is_stored_as_it_came_and_answered_in_protobuf(receiver: Any) -> None:
    body = traces(3) + b"\x7a\x03abc"  # an unknown field (15) stays in the stored bytes
    response = receiver.post("/v1/traces", body)
    assert response.status_code == 200
    assert response.headers["content-type"] == PROTOBUF
    assert ExportTraceServiceResponse.FromString(response.content) == ExportTraceServiceResponse()
    assert receiver.log.stored == [("traces", body)]
    assert receiver.counter.seen == [("traces", "http", "accepted", 3, len(body))]


def test_a_json_request_is_stored_as_protobuf_and_answered_in_json(receiver: Any) -> None:
    response = receiver.post("/v1/traces", TRACES_JSON, JSON + "; charset=utf-8")
    assert (response.status_code, response.json()) == (200, {})
    ((signal, value),) = receiver.log.stored
    span = ExportTraceServiceRequest.FromString(value).resource_spans[0].scope_spans[0].spans[0]
    assert (signal, span.name, span.trace_id.hex()) == ("traces", "chat", "5b8efff798038103d269b633813fc60c")


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
@pytest.mark.parametrize(("content_type", "body"), [(PROTOBUF, b""), (JSON, b"{}")])
def test_an_empty_request_is_fine_and_stores_nothing(receiver: Any, path: str, content_type: str, body: bytes) -> None:
    response = receiver.post(path, body, content_type)
    assert response.status_code == 200
    assert response.content == body
    assert receiver.log.stored == []


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        pytest.param("identity", bytes, id="identity"),
        pytest.param("gzip", gzip.compress, id="gzip"),
        pytest.param("GZIP", gzip.compress, id="gzip in capitals"),
        pytest.param("gzip", lambda b: gzip.compress(b[:9]) + gzip.compress(b[9:]), id="gzip of two members"),
        pytest.param("deflate", zlib.compress, id="deflate with zlib header"),
        pytest.param("deflate", lambda b: zlib.compress(b, wbits=-15), id="raw deflate"),
    ],
)
def test_every_encoding_is_read(receiver: Any, encoding: str, compress: Callable[[bytes], bytes]) -> None:
    body = traces(50)
    assert receiver.post("/v1/traces", compress(body), content_encoding=encoding).status_code == 200
    assert receiver.log.stored == [("traces", body)]


def cut_in_a_name() -> bytes:
    return traces(2)[:-3]


def invalid_utf8() -> bytes:
    return traces(1, name="xxxx").replace(b"xxxx", b"ab\xff\xfe")


def deep_protobuf() -> bytes:
    value = b"\x0a\x01x"
    for _ in range(200):  # ArrayValue { values: AnyValue { array_value: ... } }
        value = b"\x0a" + varint(len(value)) + value
        value = b"\x2a" + varint(len(value)) + value
    for tag in (b"\x12", b"\x0a", b"\x0a", b"\x0a"):  # KeyValue.value, attributes, resource, resource_spans
        value = tag + varint(len(value)) + value
    return value


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(cut_in_a_name(), "are left: cut off?", id="truncated"),
        pytest.param(random.Random(7).randbytes(4096), "no field starts like byte", id="random bytes"),
        pytest.param(invalid_utf8(), "spans.name is not UTF-8 at byte", id="invalid UTF-8"),
        pytest.param(deep_protobuf(), "nested deeper than 100 messages", id="deep nesting"),
        pytest.param(TRACES_JSON, "no field starts like byte", id="JSON said to be protobuf"),
        pytest.param(b"\x0a\x80", "is cut off", id="a length that is cut off"),
    ],
)
def test_bad_protobuf_is_refused_with_its_place_and_the_next_batch_is_stored(
    receiver: Any, body: bytes, says: str
) -> None:
    response = receiver.post("/v1/traces", body)
    assert response.status_code == 400
    assert response.headers["content-type"] == PROTOBUF
    status = status_pb2.Status.FromString(response.content)
    assert status.code == 3
    assert says in status.message
    assert receiver.log.stored == []
    assert receiver.counter.outcomes() == ["malformed"]
    assert_still_stores(receiver)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"resourceSpans":[', id="cut off"),
        pytest.param(b"\xff\xfe{}", id="not UTF-8"),
        pytest.param(b'{"resourceSpans":"no"}', id="a string for a list"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"[" * 100_000, id="100,000 open brackets"),
        pytest.param(traces(2), id="protobuf said to be JSON"),
    ],
)
def test_bad_json_is_refused_in_json_and_the_next_batch_is_stored(receiver: Any, body: bytes) -> None:
    response = receiver.post("/v1/traces", body, JSON)
    assert response.status_code == 400
    assert response.json()["code"] == 3
    assert response.json()["message"]
    assert receiver.log.stored == []
    assert_still_stores(receiver)


def test_deeply_nested_json_values_do_not_take_the_process_down(receiver: Any) -> None:
    value = b'{"arrayValue":{"values":[' * 400 + b"]}}" * 400
    body = TRACES_JSON.replace(b'"name"', b'"attributes":[{"key":"k","value":' + value + b'}],"name"')
    assert receiver.post("/v1/traces", body, JSON).status_code in (200, 400)
    assert_still_stores(receiver)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/grpc", "application/jsonx"])
def test_another_content_type_is_refused_with_what_to_send(receiver: Any, content_type: str) -> None:
    response = receiver.post("/v1/traces", traces(), content_type)
    assert response.status_code == 415
    assert "send application/x-protobuf or application/json" in reason(response)
    assert receiver.counter.outcomes() == ["unsupported"]


def test_another_content_encoding_is_refused_with_what_to_send(receiver: Any) -> None:
    response = receiver.post("/v1/traces", traces(), content_encoding="br")
    assert response.status_code == 415
    assert "send identity, gzip, deflate" in reason(response)


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        pytest.param("gzip", traces(), id="gzip that is none"),
        pytest.param("gzip", gzip.compress(traces(50))[:-12], id="gzip cut off"),
        pytest.param("deflate", b"\xff" * 40, id="deflate that is none"),
    ],
)
def test_a_wrong_encoding_is_refused(receiver: Any, encoding: str, content: bytes) -> None:
    response = receiver.post("/v1/traces", content, content_encoding=encoding)
    assert response.status_code == 400
    assert "content-encoding" in reason(response)
    assert_still_stores(receiver)


def test_the_wrong_method_and_path_say_what_is_right(receiver: Any) -> None:
    got = httpx.get(receiver.url + "/v1/traces")
    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    lost = receiver.post("/v1/traces/", traces())
    assert lost.status_code == 404
    assert "/v1/traces, /v1/logs, /v1/metrics" in reason(lost)


def test_a_body_that_says_100_mb_is_refused_before_it_is_sent(receiver: Any) -> None:
    with socket.create_connection(("127.0.0.1", receiver.http.port), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
            b"content-length: 104857600\r\n\r\n"
        )
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]
    assert_still_stores(receiver)


def test_a_100_mb_body_of_unsaid_length_is_refused(receiver: Any) -> None:
    response = receiver.post("/v1/traces", iter([bytes(1024 * 1024)] * 100))
    assert response.status_code == 413
    assert "a request may have 16777216 bytes as sent" in reason(response)
    assert_still_stores(receiver)


def test_a_gzip_bomb_is_stopped_while_it_inflates(receiver: Any) -> None:
    deflater = zlib.compressobj(9, wbits=31)
    bomb = b"".join(deflater.compress(bytes(1024 * 1024)) for _ in range(256)) + deflater.flush()
    assert len(bomb) < 512 * 1024  # 256 MB of zeros
    response = receiver.post("/v1/traces", bomb, content_encoding="gzip")
    assert response.status_code == 413
    assert_still_stores(receiver)


def test_a_request_at_the_bound_is_stored_and_one_byte_more_is_not(start_receiver: Any) -> None:
    body = traces(20)
    receiver = start_receiver(Limits(max_request_bytes=len(body), max_decompressed_bytes=len(body)))
    assert receiver.post("/v1/traces", gzip.compress(body), content_encoding="gzip").status_code == 200
    assert receiver.post("/v1/traces", gzip.compress(body + b"\0"), content_encoding="gzip").status_code == 413
    assert receiver.post("/v1/traces", body + b"\0").status_code == 413


def test_large_attributes_are_stored_whole(receiver: Any) -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(name="x")
    for index in range(10_000):
        span.attributes.add(key=f"k{index}").value.string_value = "v"
    span.attributes.add(key="big").value.string_value = "x" * 1024 * 1024
    body = request.SerializeToString()
    assert receiver.post("/v1/traces", body).status_code == 200
    assert receiver.log.stored == [("traces", body)]


def test_a_full_log_asks_to_come_again_later(receiver: Any) -> None:
    receiver.log.fail_with = LogFullError("over 1 GB", retry_after_s=2.4)
    response = receiver.post("/v1/traces", traces())
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
    status = status_pb2.Status.FromString(response.content)
    retry = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 2400
    in_json = receiver.post("/v1/traces", TRACES_JSON, JSON).json()
    assert in_json["details"] == [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2.400s"}]
    receiver.log.fail_with = None
    assert_still_stores(receiver)


def test_a_log_that_breaks_is_a_retryable_answer_and_not_an_end(
    receiver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.log.fail_with = OSError(28, "No space left on device")
    response = receiver.post("/v1/traces", traces())
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "No space left" not in reason(response)
    assert "No space left" in caplog.text
    receiver.log.fail_with = None
    assert_still_stores(receiver)


def test_a_json_request_of_another_signal_is_refused_with_its_name(receiver: Any) -> None:
    body = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}'
    response = receiver.post("/v1/traces", body, JSON)
    assert response.status_code == 400
    assert "resourceLogs" in reason(response)
    assert receiver.log.stored == []


def test_a_request_that_holds_only_unknown_fields_is_answered_with_a_warning(receiver: Any) -> None:
    response = receiver.post("/v1/traces", b"\x7a\x03abc")
    assert response.status_code == 200
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert partial.rejected_spans == 0
    assert "hold no resource_spans" in partial.error_message
    assert receiver.log.stored == []


def test_more_records_than_can_be_decoded_are_refused_rather_than_acknowledged(receiver: Any) -> None:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for _ in range(200_001):
        scope.spans.add()
    response = receiver.post("/v1/traces", request.SerializeToString())
    assert response.status_code == 413
    assert "200001 records" in reason(response)
    assert receiver.log.stored == []


def test_a_client_that_leaves_in_the_middle_of_its_body_stores_nothing(receiver: Any) -> None:
    with socket.create_connection(("127.0.0.1", receiver.http.port), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
            b"content-length: 1000\r\n\r\n" + traces()
        )
    wait_until(lambda: receiver.counter.outcomes() == ["timeout"])
    assert receiver.log.stored == []
    assert_still_stores(receiver)


def test_memory_for_bodies_is_bounded_over_all_connections_and_given_back(start_receiver: Any) -> None:
    receiver = start_receiver(Limits(max_in_flight_bytes=5000, busy_retry_after_s=1.0))
    receiver.log.gate = asyncio.Event()
    body = traces(1, name="x" * 3000)
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: answers.append(receiver.post("/v1/traces", body).status_code))
    waiting.start()
    assert receiver.log.entered.wait(60)
    refused = receiver.post("/v1/traces", body)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    receiver.loop.call_soon_threadsafe(receiver.log.gate.set)
    waiting.join()
    assert answers == [200]
    assert receiver.post("/v1/traces", body).status_code == 200


def test_while_stopping_new_requests_are_refused_and_those_under_way_finish(receiver: Any) -> None:
    receiver.log.gate = asyncio.Event()
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: answers.append(receiver.post("/v1/traces", traces()).status_code))
    waiting.start()
    assert receiver.log.entered.wait(60)
    receiver.loop.call_soon_threadsafe(receiver.intake.stop)
    refused = receiver.post("/v1/traces", traces())
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    stopping = asyncio.run_coroutine_threadsafe(receiver.http.stop(), receiver.loop)
    receiver.loop.call_soon_threadsafe(receiver.log.gate.set)
    waiting.join()
    stopping.result(60)
    assert answers == [200]
    with pytest.raises(httpx.ConnectError):
        receiver.post("/v1/traces", traces())


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Poll for something that another thread does."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    assert holds()

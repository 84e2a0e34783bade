"""Clients over HTTP that do not come to an end: too slow, or never. The log behind it is a test double."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from pipeline.receiver import servers
from pipeline.receiver.body import BodyReader
from pipeline.receiver.contract import Limits
from pipeline.receiver.refusal import RefusedError
from tests.receiver.test_http import assert_still_stores


def test_a_body_of_unsaid_length_is_read_no_further_than_its_bound() -> None:
    read: list[int] = []

    async def receive() -> Message:
        read.append(1024 * 1024)
        return {"type": "http.request", "body": bytes(read[-1]), "more_body": True}

    with pytest.raises(RefusedError):
        asyncio.run(BodyReader(Limits()).read(Request({"type": "http", "headers": []}, receive)))
    assert sum(read) == Limits().max_request_bytes + read[-1]


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /v1/tra",
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET",
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 9\r\n\r\nx",
    ],
)
def test_a_client_that_does_not_say_what_it_wants_is_dropped(
    start_receiver: Any, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(servers, "HEAD_S", 0.5)
    monkeypatch.setattr(servers, "BODY_S", 0.5)
    receiver = start_receiver(Limits())
    with socket.create_connection(("127.0.0.1", receiver.http.port), timeout=30) as connection:
        connection.sendall(begun)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(4096):
                pass
    assert_still_stores(receiver)


def test_a_body_that_does_not_end_in_time_is_given_up(start_receiver: Any) -> None:
    receiver = start_receiver(Limits(body_timeout_s=1.0))
    with socket.create_connection(("127.0.0.1", receiver.http.port), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 9\r\n\r\nx"
        )
        assert b" 408 " in connection.recv(4096).split(b"\r\n")[0]
    assert_still_stores(receiver)

"""HTTP/1.1 on one socket, with blocking calls; httptools parses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httptools

from testbed.clickhouse.statement import HttpRequest


class Connection:
    """One client's connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._parser: Any = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._whole: list[HttpRequest] = []

    def requests(self) -> Iterator[HttpRequest]:
        """Every request, until the client goes."""
        while data := self._socket.recv(1 << 18):
            self._parser.feed_data(data)
            waiting, self._whole = self._whole, []
            yield from waiting

    def answer(self, status: int, headers: dict[str, str], body: bytes, *, head_only: bool = False) -> None:
        """Send one answer."""
        lines = [f"HTTP/1.1 {status} -", f"Content-Length: {len(body)}", "Connection: keep-alive"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + (b"" if head_only else body))

    # Called by the parser

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._target, self._headers, self._body = b"", {}, []

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Let a client go on that asks before it sends its body."""
        if self._headers.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """End a request."""
        method = self._parser.get_method().decode()
        self._whole.append(HttpRequest(method, self._target.decode("latin-1"), self._headers, b"".join(self._body)))

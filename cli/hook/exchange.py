"""One HTTP request over a plain socket within a deadline: the libraries take longer to import than the answer takes."""

from __future__ import annotations

import socket
import time
from typing import Any, Final, NamedTuple

import orjson

MAX_ANSWER_BYTES: Final = 262_144


class Address(NamedTuple):
    """Where to ask: parts of an http:// address."""

    host: str
    port: int
    path: str


def address(url: str) -> Address | None:
    """The parts of `http://HOST[:PORT][/PATH]`; None where it is no such address."""
    scheme, separator, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    host, _, port = (
        authority.rpartition(":") if authority[-1:].isdigit() and ":" in authority else (authority, "", "80")
    )
    if scheme != "http" or not separator or not host.strip("[]") or not port.isdigit() or int(port) > 65_535:
        return None
    return Address(host.strip("[]"), int(port), f"/{path}".rstrip("/"))


def ask(
    where: Address, path: str, deadline: float, body: bytes | None = None, token: str = ""
) -> dict[str, Any] | None:
    """The JSON object that is answered with status 200.

    Args:
        where: Who is asked.
        path: With its query, already quoted.
        deadline: On the monotonic clock, seconds.
        body: JSON to POST; None: GET.
        token: A bearer token, "" = none.

    Returns:
        None where nothing, something else or nothing in time was answered.
    """
    try:
        with socket.create_connection((where.host, where.port), _left(deadline)) as connection:
            connection.settimeout(_left(deadline))
            connection.sendall(_request(where, path, body, token))
            return _answer(connection, deadline)
    except (OSError, ValueError):  # refused, too slow, or no HTTP with JSON
        return None


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.001)


def _request(where: Address, path: str, body: bytes | None, token: str) -> bytes:
    head = f"{'GET' if body is None else 'POST'} {where.path}{path} HTTP/1.1\r\nHost: {where.host}:{where.port}\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode("latin-1") + (body or b"")


def _answer(connection: socket.socket, deadline: float) -> dict[str, Any] | None:
    received = bytearray()
    while len(received) <= MAX_ANSWER_BYTES:
        connection.settimeout(_left(deadline))
        chunk = connection.recv(65_536)
        if not chunk:
            break
        received += chunk
        if time.monotonic() > deadline:
            return None
    head, separator, content = bytes(received).partition(b"\r\n\r\n")
    if not separator or head.split(b" ", 2)[1:2] != [b"200"]:
        return None
    answer = orjson.loads(content)
    return answer if isinstance(answer, dict) else None

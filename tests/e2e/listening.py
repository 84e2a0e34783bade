"""Receivers of posts in threads, for tests that talk to a process."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


class Received:
    """What came, and what is answered."""

    def __init__(self, status: int = 200, location: str = "", hang_s: float = 0.0) -> None:
        self.status = status
        self.location = location
        self.hang_s = hang_s
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.url = ""

    def keys(self) -> list[str]:
        """Idempotency keys, in the order in which they came."""
        return [headers["idempotency-key"] for headers in self.headers]

    def json(self) -> list[Any]:
        """The bodies."""
        return [orjson.loads(body) for body in self.bodies]


@contextlib.contextmanager
def listening(received: Received) -> Iterator[Received]:
    """Answer posts as `received` says."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            received.headers.append({name.lower(): value for name, value in self.headers.items()})
            received.bodies.append(body)
            time.sleep(received.hang_s)
            with contextlib.suppress(ConnectionError):
                self.send_response(received.status)
                if received.location:
                    self.send_header("location", received.location)
                self.send_header("content-length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    received.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    """A port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

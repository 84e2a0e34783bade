"""The server: a thread for each connection, since the engine blocks while it works."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Final

import cramjam
import httptools

from testbed.clickhouse.engine import Answer, Engine, EngineError
from testbed.clickhouse.faults import Fault, Faults
from testbed.clickhouse.statement import HttpRequest, Statement, parse, path_of
from testbed.clickhouse.wire import Connection

ENCODERS: Final = {"zstd": cramjam.zstd, "lz4": cramjam.lz4, "gzip": cramjam.gzip}


class _Cut(Exception):  # noqa: N818 - no error: the connection ends here
    """End the connection without an answer."""


class Server:
    """Listens on loopback.

    Args:
        engine: Runs the statements.
        port: 0 = any free one; `address` says which.
        user: Who may ask: name and password; None = anybody.
        tls: Speaks HTTPS with this.
    """

    def __init__(
        self, engine: Engine, port: int = 0, user: tuple[str, str] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._engine = engine
        self._user = user
        self._tls = tls
        self._faults = Faults()
        self._clients: set[socket.socket] = set()
        self._closed = threading.Event()
        self._refuse_s = 0.0
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        """Answer until `close`."""
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                self._wait_and_listen()
                continue
            threading.Thread(target=self._serve_client, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Stop listening; connections end."""
        self._closed.set()
        self._hang_up()

    def _hang_up(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._listener.close()
        for client in list(self._clients):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _wait_and_listen(self) -> None:
        if not self._closed.wait(self._refuse_s):
            self._refuse_s = 0.0
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)

    def _serve_client(self, client: socket.socket) -> None:
        # a client that goes, or that speaks no HTTP, ends its own connection only
        with suppress(OSError, httptools.HttpParserError, _Cut):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            self._clients.add(client)
            connection = Connection(client)
            for request in connection.requests():
                self._answer(connection, request)
        self._clients.discard(client)
        client.close()

    def _answer(self, connection: Connection, request: HttpRequest) -> None:
        head_only = request.method == "HEAD"
        path = path_of(request.target)
        if path == "/faults":
            self._set_faults(connection, request.body)
        elif path == "/drained":
            connection.answer(200, {"Content-Type": "application/json"}, json.dumps(self._engine.drained()).encode())
        elif path in ("/ping", "/replicas_status") or (path == "/" and "?" not in request.target and not request.body):
            connection.answer(200, {"Content-Type": "text/html; charset=UTF-8"}, b"Ok.\n", head_only=head_only)
        elif path != "/":
            connection.answer(404, {}, b"There is no handle " + path.encode() + b"\n")
        else:
            self._query(connection, request)

    def _query(self, connection: Connection, request: HttpRequest) -> None:
        try:
            statement = parse(request)
            self._check_user(statement)
            connection.answer(200, *_encoded(self._run(statement), statement))
        except EngineError as error:
            connection.answer(error.status, _headers(error.code), f"{error}\n".encode())
        except ValueError as error:
            connection.answer(400, _headers(36), f"Code: 36. DB::Exception: {error} (BAD_ARGUMENTS)\n".encode())

    def _run(self, statement: Statement) -> Answer:
        fault = self._faults.strike(insert=statement.data is not None)
        if fault is not None and fault.when == "before":
            self._suffer(fault)
        answer = self._engine.run(statement)
        if fault is not None and fault.when == "after":
            self._suffer(fault)
        return answer

    def _suffer(self, fault: Fault) -> None:
        if fault.kind == "error":
            raise fault.as_error()
        if fault.kind == "cut":
            raise _Cut
        time.sleep(fault.delay_s)

    def _set_faults(self, connection: Connection, body: bytes) -> None:
        faults = [Fault(**one) for one in json.loads(body)]
        self._faults.set([fault for fault in faults if fault.kind != "refuse"])
        connection.answer(200, {}, b"Ok.\n")
        for fault in faults:
            if fault.kind == "refuse":
                self._refuse_s = fault.delay_s
                self._hang_up()

    def _check_user(self, statement: Statement) -> None:
        if self._user is not None and (statement.user, statement.password) != self._user:
            raise EngineError(
                516,
                f"Code: 516. DB::Exception: {statement.user}: Authentication failed: password is incorrect, or there "
                "is no user with such name. (AUTHENTICATION_FAILED) (version 26.9.2.1 (official build))",
            )


def _headers(code: int) -> dict[str, str]:
    return {"X-ClickHouse-Exception-Code": str(code), "Content-Type": "text/plain; charset=UTF-8"}


def _encoded(answer: Answer, statement: Statement) -> tuple[dict[str, str], bytes]:
    """Headers and body of an answer, compressed as the client asks."""
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "X-ClickHouse-Server-Display-Name": "testbed",
        "X-ClickHouse-Query-Id": statement.query_id,
        "X-ClickHouse-Format": answer.format,
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Summary": answer.summary(),
    }
    accepted = {one.partition(";")[0].strip() for one in statement.accepts.split(",")}
    for name, encoder in ENCODERS.items():
        if name in accepted and answer.body:
            return headers | {"Content-Encoding": name}, bytes(encoder.compress(answer.body))
    return headers, answer.body

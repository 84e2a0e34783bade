"""An ASGI application behind uvicorn, inside an event loop of ours."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from schemas.errors import SettingsError

HEAD_S: Final = 30.0
"""A client whose request line and headers have not come to their end after so long is dropped."""
BODY_S: Final = 60.0
"""The same of the body; applications refuse sooner, and say so."""
STALLED_S: Final = 30.0
"""A client that has not made room for the rest of its answer for so long is dropped."""


class AsgiServer:
    """Serves one application on one address. `start` once, `stop` once.

    Signals stay with the process: uvicorn installs no handlers here.
    """

    def __init__(self, app: Any, host: str, port: int, name: str, grace_s: float = 5.0) -> None:
        self._host, self._name = host, name
        self._server = _Server(
            uvicorn.Config(
                app,
                http=_Connection,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                timeout_graceful_shutdown=max(1, int(grace_s)),
            )
        )
        self._serving: asyncio.Task[None] | None = None
        self.port = port
        """The real port once started."""

    async def start(self) -> None:
        """Listen; returns when requests are answered.

        Raises:
            SettingsError: The address cannot be had.
        """
        listening = self._bind()
        self.port = listening.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]), name=f"serve {self._name}")
        started = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait({self._serving, started}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._serving.done():
            self._serving.result()

    async def stop(self) -> None:
        """Close the port, finish what is under way within the grace."""
        if self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._serving = None

    def _bind(self) -> socket.socket:
        try:
            family, kind, proto, _, address = socket.getaddrinfo(
                self._host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listening = socket.socket(family, kind, proto)
            try:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listening.bind(address)
            except OSError:
                listening.close()
                raise
        except OSError as error:
            raise SettingsError(f"{self._name} cannot listen on {self._host}:{self.port}: {error.strerror}") from error
        return listening


class _Patience:
    """Waits for a client, and drops it when it has waited for too long."""

    def __init__(self) -> None:
        self._waiting: asyncio.TimerHandle | None = None

    def begin(self, connection: HttpToolsProtocol, most_s: float) -> None:
        """Wait from now on."""
        self.end()
        self._waiting = connection.loop.call_later(most_s, connection.transport.abort)

    def end(self) -> None:
        """The client did what was waited for, or is gone."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class _Connection(HttpToolsProtocol):
    """A connection that ends where the client stops reading, or does not say what it wants.

    uvicorn makes the application wait, for as long as the client likes: the task and the answer stay.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._unsaid, self._stalled = _Patience(), _Patience()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._unsaid.begin(self, HEAD_S)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._unsaid.begin(self, HEAD_S)

    def on_headers_complete(self) -> None:
        self._unsaid.begin(self, BODY_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._unsaid.end()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled.begin(self, STALLED_S)

    def resume_writing(self) -> None:
        self._stalled.end()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stalled.end()
        self._unsaid.end()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, and with a moment at which it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

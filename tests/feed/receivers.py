"""Receivers of webhooks that behave in every way that receivers do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

Behave = Callable[[int], bytes | None]
"""Number of the request, from 0 -> the raw answer; None = never answers."""


def status(code: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {code} X", *headers, "content-length: 0", "connection: close", "", ""]).encode()


@dataclass
class Receiver:
    """One that listens on loopback, and what it got."""

    url: str = ""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    behave: Behave = lambda _: status(200)

    def keys(self) -> list[str]:
        """The idempotency keys in the order in which they came."""
        return [headers["idempotency-key"] for headers, _ in self.requests]


@contextlib.asynccontextmanager
async def receiver(behave: Behave = lambda _: status(200), host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    """A receiver, for as long as the context lasts."""
    made = Receiver(behave=behave)
    open_: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.add(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        pairs = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        number = len(made.requests)
        made.requests.append((headers, body))
        answer = made.behave(number)
        if answer is None:
            await reader.read()  # until the other side has had enough
        else:
            with contextlib.suppress(ConnectionError):
                writer.write(answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, host, 0)
    made.url = f"http://{host if ':' not in host else f'[{host}]'}:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield made
    finally:
        server.close()
        for writer in open_:
            writer.close()

"""The feed as server-sent events: one event for each revision, its cursor as the event's id.

A client that reads slowly keeps itself waiting, nobody else: its next revisions stay in the store until it has taken
these. One that takes nothing for too long is dropped by the server, and resumes with `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from query.feed.cursor import Place
from query.feed.feed import Feed
from query.feed.shown import shown
from schemas.errors import QueryError
from schemas.printable import printable_json

HEARTBEAT_S: Final = 15.0
"""Silence after which a comment is sent: proxies and clients see that the connection is alive."""
RETRY_MS: Final = 2_000
"""After a dropped connection a client waits this long."""
HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
)


class FindingStream:
    """An ASGI response: the feed after a place, until the client goes or the feed is closed."""

    def __init__(self, feed: Feed, after: Place, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._feed = feed
        self._after = after
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until either side ends it."""
        del scope
        sending = asyncio.create_task(self._send(send), name="finding stream")
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        async for chunk in self._chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield b"retry: %d\n\n" % RETRY_MS
        after = self._after
        while not self._feed.closed:
            try:
                found = await self._feed.wait(after, self._heartbeat_s)
                told = await shown(self._feed.reader, found.entries)
            except QueryError as error:
                # The client comes back after its delay, at the place where it was.
                yield b"event: error\ndata: " + printable_json({"code": error.code, "message": str(error)}) + b"\n\n"
                return
            for entry, one in zip(found.entries, told, strict=True):
                yield event(await self._feed.cursor(entry.place), one)
            if not found.entries:
                yield b": nothing new\n\n"
            after = found.place


def event(cursor: str, entry: dict[str, Any]) -> bytes:
    """One server-sent event; JSON has no line break in it."""
    return b"id: %b\nevent: finding\ndata: %b\n\n" % (cursor.encode(), printable_json(entry))


async def _left(receive: Receive) -> None:
    """Return when the client is gone; what it still sends is of no interest."""
    message: Any = {}
    while message.get("type") != "http.disconnect":
        message = await receive()

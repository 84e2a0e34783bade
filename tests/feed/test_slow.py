"""Slow clients of the stream: each keeps itself waiting only, and is dropped at last."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from pipeline.receiver import servers
from query.feed.cursor import Place
from query.feed.feed import Feed
from query.feed.stream import FindingStream
from tests.feed.conftest import Store, finding

LARGE = "x" * 50_000
FINDINGS = 300


@pytest.fixture
async def port(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server of the stream that has little patience."""
    monkeypatch.setattr(servers, "STALLED_S", 1.0)

    async def stream(request: Request) -> FindingStream:
        return FindingStream(feed, await feed.place(request.headers["last-event-id"]), heartbeat_s=0.5)

    server = servers.AsgiServer(Starlette(routes=[Route("/", stream)]), "127.0.0.1", 0, "stream")
    await server.start()
    yield server.port
    await feed.close()
    await server.stop()


async def connect(port: int, cursor: str, room_bytes: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    connection = socket.socket()
    if room_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room_bytes)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=2**17)
    writer.write(f"GET / HTTP/1.1\r\nhost: localhost\r\nlast-event-id: {cursor}\r\n\r\n".encode())
    return reader, writer


async def events(reader: asyncio.StreamReader, many: int) -> tuple[list[str], str]:
    """Ids of the findings of the next events, and the id of the last event; fewer where the connection ends."""
    ids: list[str] = []
    cursor = last = ""
    while len(ids) < many and (line := await reader.readline()):
        if line.startswith(b"id: "):
            cursor = line[4:].decode().strip()
        if line.startswith(b"data: ") and line.endswith(b"}\n"):
            ids.append(orjson.loads(line[6:])["finding"]["id"])
            last = cursor
    return ids, last


async def test_a_client_that_stops_reading_is_dropped_and_goes_on_where_it_was(
    store: Store, feed: Feed, start: Place, port: int
) -> None:
    cursor = await feed.cursor(start)
    names = [f"slow {n}" for n in range(FINDINGS)]
    for first in range(0, FINDINGS, 50):
        await store.append(0, *(finding(name, why=LARGE) for name in names[first : first + 50]))
    slow, slow_writer = await connect(port, cursor, room_bytes=4096)
    quick, quick_writer = await connect(port, cursor)
    assert (await asyncio.wait_for(events(quick, FINDINGS), 60))[0] == names  # the slow one is in nobody's way
    taken, last = await events(slow, 2)
    await asyncio.sleep(3)  # takes nothing
    rest = await asyncio.wait_for(slow.read(-1), 30)  # what was under way still comes, then the connection ends
    assert not rest.endswith(b"0\r\n\r\n")
    assert rest.count(b"event: finding") < FINDINGS - 10
    assert taken == names[:2]
    again, again_writer = await connect(port, last)
    assert (await asyncio.wait_for(events(again, FINDINGS - 2), 60))[0] == names[2:]
    for writer in (slow_writer, quick_writer, again_writer):
        writer.close()


async def test_silence_is_filled_with_comments_and_a_closed_feed_ends_the_stream(
    feed: Feed, start: Place, port: int
) -> None:
    reader, writer = await connect(port, await feed.cursor(start))
    head = await asyncio.wait_for(reader.readuntil(b": nothing new\n\n"), 20)
    assert b"content-type: text/event-stream" in head
    assert b"retry: 2000\n\n" in head
    await feed.close()
    rest = await asyncio.wait_for(reader.read(), 20)
    assert rest.endswith(b"0\r\n\r\n")
    writer.close()

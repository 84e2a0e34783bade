"""Reading the feed, and waiting for it: one reader of the store for all that wait."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Final

from query.feed.cursor import NOW, START, Place, decode, encode
from query.feed.revisions import HOLE_S, MAX_ROWS, Read, heads, read, tag
from query.reader import Reader
from schemas.errors import QueryError

POLL_S: Final = 1.0
"""How often the store is asked for news while somebody waits and nobody has told of any."""
MAX_WAITING: Final = 256
"""Who may wait at once; each costs a connection and a task."""


def feed_reader(url: str) -> Reader:
    """A reader for the feed alone: long questions of others do not keep findings back, and all who wait may ask."""
    return Reader(url, threads=2, max_waiting=4 * MAX_WAITING)


class Feed:
    """Revisions of findings in order. `close` once.

    Args:
        reader: The store, `feed_reader` where others ask questions beside.
        poll_s: Seconds between two looks at the store while somebody waits.
    """

    def __init__(self, reader: Reader, poll_s: float = POLL_S) -> None:
        self.reader = reader
        self.closed = False
        self._poll_s = poll_s
        self._tag: int | None = None
        self._news = asyncio.Condition()
        self._told = asyncio.Event()
        self._version = 0
        self._reading: dict[tuple[Place, int, int], asyncio.Task[Read]] = {}
        self._waiting = 0
        self._polling: asyncio.Task[None] | None = None

    async def cursor(self, place: Place) -> str:
        """The cursor of a place."""
        return encode(await self._own_tag(), place)

    async def place(self, after: str) -> Place:
        """The place that `after` means: a cursor, `start` or `now`; raises QueryError where it is none, or expired."""
        if after in ("", START):
            return ()
        if after == NOW:
            return (await heads(self.reader))[1]
        place = decode(after, await self._own_tag())
        first, _ = await heads(self.reader)
        if any(0 < own < kept for own, kept in zip(place, first, strict=False)):
            raise QueryError(
                "cursor_expired",
                "what came next after this cursor is not kept any more",
                field="after",
                hint=f"after={START} begins with the oldest that is kept; `telltale findings --status open` lists "
                "what is open now",
                status=410,
            )
        return place

    async def read(self, after: Place, limit: int = MAX_ROWS) -> Read:
        """What comes next after a place, without waiting; those who ask for the same at once share the answer."""
        asked = (after, limit, self._version)
        reading = self._reading.get(asked)
        if reading is None:
            reading = self._reading[asked] = asyncio.create_task(read(self.reader, after, limit), name="feed reading")
            reading.add_done_callback(lambda _: self._reading.pop(asked, None))
        return await asyncio.shield(reading)

    async def wait(self, after: Place, wait_s: float) -> Read:
        """What comes next after a place: at once where there is something, or within `wait_s`."""
        end = time.monotonic() + wait_s
        with self._one_waiting():
            while True:
                version = self._version
                found = await self.read(after)
                left_s = end - time.monotonic()
                if found.place != after or self.closed or left_s <= 0:
                    return found
                await self._until_news(version, left_s)

    def tell(self) -> None:
        """There may be news: look now, not at the next turn."""
        self._told.set()

    async def close(self) -> None:
        """Let all that wait go."""
        self.closed = True
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, *self._reading.values(), return_exceptions=True)
        await self._wake()

    @contextlib.contextmanager
    def _one_waiting(self) -> Iterator[None]:
        if self._waiting >= MAX_WAITING:
            raise QueryError("busy", f"{MAX_WAITING} wait for findings already", hint="try again later", status=429)
        self._waiting += 1
        try:
            if self._polling is None or self._polling.done():
                self._polling = asyncio.create_task(self._poll(), name="feed")
            yield
        finally:
            self._waiting -= 1

    async def _until_news(self, version: int, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait_for(lambda: self._version != version or self.closed)

    async def _poll(self) -> None:
        """Look for news while somebody waits.

        Those who wait are woken for some time after each: what stands behind a hole is read only once that is old.
        """
        seen: Place = ()
        changed = time.monotonic()
        while self._waiting:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), self._poll_s)
            self._told.clear()
            try:
                _, behind = await heads(self.reader)
            except QueryError:
                await self._wake()  # their own reading says what is wrong
                continue
            if behind != seen:
                seen, changed = behind, time.monotonic()
            if time.monotonic() - changed <= HOLE_S + 1:
                await self._wake()

    async def _wake(self) -> None:
        self._version += 1
        async with self._news:
            self._news.notify_all()

    async def _own_tag(self) -> int:
        if self._tag is None:
            self._tag = await tag(self.reader)
        return self._tag

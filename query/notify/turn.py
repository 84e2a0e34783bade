"""Whose turn it is to tell a receiver, where several processes answer for one store: a lease, kept in that store.

A lease is a row of `consumers`, `lease:NAME`: the number of the process that holds it, and until when by the store's
clock. The last one who wrote it has it, so whoever takes it looks once more after a moment. A process that stops
gives it back; of one that was killed it ends by itself. Two that took it in the same moment may both tell for one
renewal: what is told twice then has the same idempotency key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from secrets import randbits
from typing import Any, Final, NamedTuple

from query.feed.consumers import LEASE
from query.feed.writer import Writer
from query.reader import Reader
from schemas.errors import QueryError
from schemas.tables.feed import CONSUMERS

LEASE_S: Final = 30.0
RENEW_S: Final = 10.0
SETTLE_S: Final = 1.0
"""Between writing a lease and believing it: others who write it in the same moment are seen then."""

LOOK: Final = """\
SELECT toUnixTimestamp64Nano(now64(9)) AS now_ns,
    (SELECT groupArray(Next) FROM consumers WHERE Name = {name:String} AND NOT Forgotten) AS held"""

_log = logging.getLogger(__name__)


class Times(NamedTuple):
    """Of a lease, in seconds."""

    lease_s: float = LEASE_S
    renew_s: float = RENEW_S
    settle_s: float = SETTLE_S


class Turn:
    """One receiver's lease, as one process sees it."""

    def __init__(self, name: str, reader: Reader, writer: Writer, times: Times | None = None) -> None:
        self._name = LEASE + name
        self._reader = reader
        self._writer = writer
        self._times = times or Times()
        self._own = randbits(62)

    async def run(self, tell: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `tell` while the turn is ours, until it returns; raises what it raises."""
        telling: asyncio.Task[None] | None = None
        try:
            while telling is None or not telling.done():
                held = await self._held_or_ill()
                if held and telling is None:
                    telling = asyncio.create_task(tell())
                elif telling is not None and not held:
                    await _ended(telling)
                    telling = None
                if telling is None:
                    await asyncio.sleep(self._times.renew_s)
                else:
                    await asyncio.wait({telling}, timeout=self._times.renew_s)
            telling.result()
        finally:
            if telling is not None:
                await _ended(telling)
                await self._give_back()

    async def held(self) -> bool:
        """Take or renew the lease; whether it is ours now. Raises QueryError where the store cannot say."""
        now_ns, owner, until_ns = await self._look()
        if owner != self._own and until_ns > now_ns:
            return False
        await self._write(now_ns, now_ns + int(self._times.lease_s * 1e9))
        if owner == self._own:
            return True
        await asyncio.sleep(self._times.settle_s)
        return (await self._look())[1] == self._own

    async def _held_or_ill(self) -> bool:
        try:
            return await self.held()
        except QueryError as error:  # nothing can be told meanwhile either
            _log.warning("%s waits for the store: %s", self._name, error)
            return False

    async def _look(self) -> tuple[int, int, int]:
        """Gives the store's time, who holds it, and until when."""
        now_ns, held = (await self._reader.query(LOOK, {"name": self._name})).rows[0]
        owner, until_ns = held[0] if held and len(held[0]) == 2 else (0, 0)
        return int(now_ns), int(owner), int(until_ns)

    async def _write(self, now_ns: int, until_ns: int) -> None:
        await self._writer.insert(CONSUMERS, [[self._name, [self._own, until_ns], now_ns, False, now_ns]])

    async def _give_back(self) -> None:
        try:
            now_ns, owner, _ = await self._look()
            if owner == self._own:
                await self._write(now_ns, now_ns)
        except QueryError as error:
            _log.warning("%s ends by itself: %s", self._name, error)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

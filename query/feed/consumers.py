"""Readers of the feed by name: how far each has acknowledged, kept in the store."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any, Final

from query.feed.cursor import Place, furthest
from query.feed.revisions import heads
from query.feed.writer import Writer
from query.nearest import unknown
from query.reader import Reader
from schemas.errors import QueryError
from schemas.tables.feed import CONSUMERS

WEBHOOK: Final = "webhook:"
"""Before the name of a webhook: the consumer that is its place. Nobody else may be called so."""
LEASE: Final = "lease:"
"""Before the name of a receiver whose turn is kept beside the places (`query.notify.turn`): no place itself."""
MAX_CONSUMERS: Final = 1_000
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)

ONE: Final = "SELECT Next FROM consumers WHERE Name = {name:String} AND NOT Forgotten"
ALL: Final = """\
SELECT Name, Next, At FROM consumers WHERE NOT Forgotten AND NOT startsWith(Name, {lease:String})
ORDER BY Name LIMIT {limit:UInt32}"""


class Consumers:
    """Places by name. A name that was never acknowledged has no place."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer
        self._changing = asyncio.Lock()

    async def place(self, name: str) -> Place | None:
        """Where a reader stands; None = it has never acknowledged anything."""
        rows = (await self._reader.query(ONE, {"name": name})).rows
        return tuple(rows[0][0]) if rows else None

    async def acknowledge(self, name: str, place: Place) -> Place:
        """Everything before `place` has been dealt with; a place behind the present one changes nothing.

        Raises:
            QueryError: There are too many names already, or it could not be stored.
        """
        async with self._changing:
            known = await self.place(name)
            if known is None and len(await self.listing()) >= MAX_CONSUMERS:
                raise QueryError(
                    "too_many",
                    f"{MAX_CONSUMERS} consumers have a place",
                    field="consumer",
                    hint="forget some",
                    status=409,
                )
            reached = furthest(known or (), place)
            if reached != known:
                await self._store(name, reached, forgotten=False)
            return reached

    async def forget(self, name: str) -> None:
        """Give up a place; raises QueryError where there is none."""
        async with self._changing:
            if await self.place(name) is None:
                known = [row["consumer"] for row in await self.listing()]
                raise unknown("consumer", name, known, "GET /v1/consumers", "consumer")
            await self._store(name, (), forgotten=True)

    async def listing(self) -> list[dict[str, Any]]:
        """Every reader: `consumer`, `acknowledged_at`, `behind` (revisions that it has not acknowledged)."""
        rows = (await self._reader.query(ALL, {"limit": MAX_CONSUMERS, "lease": LEASE})).rows
        first, behind = await heads(self._reader)
        return [
            {"consumer": name, "acknowledged_at": at, "behind": _distance(tuple(place), first, behind)}
            for name, place, at in rows
        ]

    async def _store(self, name: str, place: Place, *, forgotten: bool) -> None:
        now = time.time_ns()
        await self._writer.insert(CONSUMERS, [[name, list(place), now, forgotten, now]])


def check_name(name: str) -> str:
    """The name of a reader; raises QueryError where it cannot be one."""
    if NAME.fullmatch(name) is None:
        raise QueryError(
            "bad_value",
            f"{name[:64]!r} cannot be the name of a consumer",
            field="consumer",
            hint="letters, digits, `.`, `_` and `-`, at most 64",
        )
    return name


def _distance(place: Place, first: Place, behind: Place) -> int:
    padded = (*place, *[0] * len(behind))
    return sum(max(0, end - max(own, kept)) for own, kept, end in zip(padded, first, behind, strict=False))

"""Deliveries that were given up: kept until somebody has them sent again."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

from query.feed.writer import Writer
from query.reader import Reader
from schemas.tables.feed import PARKED

MAX_LISTED: Final = 500
MAX_REASON: Final = 500

LISTED: Final = """\
SELECT Webhook AS webhook, FindingId AS finding_id, toString(State) AS state, Attempts AS attempts, Reason AS reason,
    At AS parked_at
FROM webhook_parked
WHERE State != 'delivered' AND ({webhook:String} = '' OR Webhook = {webhook:String})
ORDER BY At DESC, FindingId
LIMIT {limit:UInt32}"""
COUNTED: Final = """\
SELECT Webhook, countIf(State = 'parked'), countIf(State = 'queued') FROM webhook_parked GROUP BY Webhook"""
ROWS: Final = """\
SELECT FindingId, Precedence, Attempts, Body FROM webhook_parked
WHERE Webhook = {webhook:String} AND State = {state:String} AND ({id:String} = '' OR FindingId = {id:String})
ORDER BY At, FindingId, Precedence
LIMIT {limit:UInt32}"""


class Parked(NamedTuple):
    """One delivery."""

    webhook: str
    finding_id: str
    precedence: int
    attempts: int
    body: str


class Parking:
    """Reads and changes what is parked."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def park(self, delivery: Parked, reason: str) -> None:
        """Give a delivery up."""
        await self._store(delivery, "parked", reason[:MAX_REASON])

    async def delivered(self, delivery: Parked) -> None:
        """It came through after all."""
        await self._store(delivery, "delivered", "")

    async def queued(self, webhook: str) -> list[Parked]:
        """What is to be sent again, the longest parked first."""
        return await self._rows(webhook, "queued", "")

    async def replay(self, webhook: str, finding_id: str) -> int:
        """Have it sent again, by whoever delivers; "" = all of the webhook. Gives how many."""
        count = 0
        while rows := await self._rows(webhook, "parked", finding_id):
            for row in rows:
                await self._store(row, "queued", "")
            count += len(rows)
        return count

    async def listing(self, webhook: str) -> list[dict[str, Any]]:
        """What is parked or queued, the latest first; "" = of all webhooks."""
        return (await self._reader.query(LISTED, {"webhook": webhook, "limit": MAX_LISTED})).as_dicts()

    async def counts(self) -> dict[str, tuple[int, int]]:
        """Webhook -> how many are parked, and queued."""
        return {name: (parked, queued) for name, parked, queued in (await self._reader.query(COUNTED)).rows}

    async def _rows(self, webhook: str, state: str, finding_id: str) -> list[Parked]:
        parameters = {"webhook": webhook, "state": state, "id": finding_id, "limit": MAX_LISTED}
        return [Parked(webhook, *row) for row in (await self._reader.query(ROWS, parameters)).rows]

    async def _store(self, delivery: Parked, state: str, reason: str) -> None:
        now = time.time_ns()
        row = [*delivery[:3], state, delivery.attempts, reason, delivery.body, now, now]
        await self._writer.insert(PARKED, [row])

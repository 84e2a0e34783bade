"""Delivery to one webhook: the feed in order, each revision until it is taken or parked.

The place is kept as a consumer's, `webhook:NAME`, and moves only once a revision was taken or parked. A kill in
between sends that one again, with the same idempotency key. After a delivery was parked because nobody answered,
the following ones have one attempt each until one comes through: a receiver that is gone for long costs a timeout a
finding, not six.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from secrets import SystemRandom
from typing import Any, Final, NamedTuple

import orjson

from query.feed.consumers import WEBHOOK, Consumers
from query.feed.cursor import NOW
from query.feed.feed import Feed
from query.feed.follow import severe
from query.feed.revisions import Entry
from query.feed.shown import shown
from query.notify.configuration import Outcome
from query.notify.parked import Parked, Parking
from schemas.errors import PermanentSinkError, QueryError, RetryableSinkError
from sinks.webhook import Delivery, Webhook, WebhookSink

SCHEMA: Final = "telltale.webhook/v1"
LOOK_S: Final = 2.0
"""How often what is to be sent again is looked for."""
LONGEST_DELAY_S: Final = 300.0
MAX_BODY_BYTES: Final = 256 * 1024
STORE_RETRY_S: Final = 1.0

_log = logging.getLogger(__name__)
_random = SystemRandom()


class _Refused(NamedTuple):
    """Why a delivery is given up, after how many attempts."""

    attempts: int
    reason: str


class WebhookDelivery:
    """Delivers to one webhook until it is cancelled."""

    def __init__(self, webhook: Webhook, feed: Feed, consumers: Consumers, parking: Parking, outcome: Outcome) -> None:
        self._webhook = webhook
        self._feed = feed
        self._consumers = consumers
        self._parking = parking
        self._outcome = outcome
        self._sink = WebhookSink(webhook)
        self._down = False

    @property
    def consumer(self) -> str:
        """The name under which the place is kept."""
        return WEBHOOK + self._webhook.name

    async def run(self) -> None:
        """Deliver; a store that is not there is waited for."""
        try:
            while not self._feed.closed:
                try:
                    await self._follow()
                except QueryError as error:
                    _log.warning("webhook %s waits for the store: %s", self._webhook.name, error)
                    await asyncio.sleep(STORE_RETRY_S)
        finally:
            await self._sink.close()

    async def _follow(self) -> None:
        place = await self._consumers.place(self.consumer)
        if place is None:  # new: what was found before it was set up is not its business
            place = await self._consumers.acknowledge(self.consumer, await self._feed.place(NOW))
        while not self._feed.closed:
            await self._send_again()
            found = await self._feed.wait(place, LOOK_S)
            await self._entries(found.entries)
            if found.place != place:
                place = await self._consumers.acknowledge(self.consumer, found.place)

    async def _entries(self, entries: Sequence[Entry]) -> None:
        # A rule on trial is recorded, and alerts nobody.
        wanted = [e for e in entries if severe(e, self._webhook.min_severity) and not e.finding.get("shadow")]
        for entry in wanted:
            [told] = await shown(self._feed.reader, [entry])
            body = payload(entry, told)
            await self._deliver(Parked(self._webhook.name, entry.finding["id"], entry.precedence, 0, body))
            await self._consumers.acknowledge(self.consumer, entry.place)

    async def _send_again(self) -> None:
        for delivery in await self._parking.queued(self._webhook.name):
            await self._deliver(delivery)

    async def _deliver(self, delivery: Parked) -> None:
        """Send until it is taken; park it where that is of no use."""
        name, sent = self._webhook.name, delivery.attempts
        refused = await self._attempts(delivery)
        if refused is None:
            self._outcome(name, "delivered")
            if sent:
                await self._parking.delivered(delivery)
            return
        self._outcome(name, "parked")
        _log.warning("webhook %s: finding %s is parked: %s", name, delivery.finding_id, refused.reason)
        await self._parking.park(delivery._replace(attempts=sent + refused.attempts), refused.reason)

    async def _attempts(self, delivery: Parked) -> _Refused | None:
        """Send it as often as is allowed now; None = it was taken."""
        post = Delivery(orjson.loads(delivery.body)["key"], delivery.body.encode())
        allowed = 1 if self._down else self._webhook.attempts
        for number in range(1, allowed + 1):
            try:
                await self._sink.write(post)
            except PermanentSinkError as error:
                return _Refused(number, str(error))
            except RetryableSinkError as error:
                self._outcome(self._webhook.name, "failed")
                if number == allowed:
                    self._down = True
                    return _Refused(number, str(error))
                await asyncio.sleep(error.retry_after_s or self._delay_s(number))
            else:
                self._down = False
                return None
        raise AssertionError("unreachable: the last attempt returns")

    def _delay_s(self, number: int) -> float:
        """After an attempt: doubled each time, and spread, so that many senders do not come at once."""
        longest_s = min(LONGEST_DELAY_S, self._webhook.retry_s * 2.0 ** (number - 1))
        return longest_s * _random.uniform(0.5, 1.0)


def payload(entry: Entry, told: dict[str, Any]) -> str:
    """The body of a delivery; a finding that is too large comes without its evidence."""
    body = orjson.dumps({"schema": SCHEMA, "key": key(entry), **told})
    if len(body) > MAX_BODY_BYTES:
        finding = told["finding"] | {"evidence": [], "evidence_left_out": len(entry.finding["evidence"])}
        body = orjson.dumps({"schema": SCHEMA, "key": key(entry), **told, "finding": finding})
    return body.decode()


def key(entry: Entry) -> str:
    """The idempotency key: the finding and its revision.

    A session that becomes known late tells its revisions anew; those under the trace's name have a `t`.
    """
    provisional = "t" if entry.precedence < 1 << 32 else ""
    return f"{entry.finding['id']}-{provisional}{entry.finding['revision']}"

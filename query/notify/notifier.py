"""Everybody who is told, side by side in one process.

Where several processes answer for one store, one of them at a time tells each receiver: `query.notify.turn`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from query.feed.consumers import WEBHOOK, Consumers
from query.feed.feed import Feed
from query.notify.alerts import AlertsOfFindings
from query.notify.configuration import Notified, Outcome
from query.notify.parked import Parking
from query.notify.turn import Turn
from query.notify.webhooks import WebhookDelivery

Part = Callable[[], Coroutine[Any, Any, None]]


def parts(notified: Notified, feed: Feed, consumers: Consumers, parking: Parking, outcome: Outcome) -> dict[str, Part]:
    """Receiver -> what tells it until it is cancelled."""
    told: dict[str, Part] = {
        WEBHOOK + one.name: WebhookDelivery(one, feed, consumers, parking, outcome).run for one in notified.webhooks
    }
    if notified.alertmanager is not None:
        told["alertmanager"] = AlertsOfFindings(notified.alertmanager, feed, outcome).run
    return told


class Notifier:
    """Tells webhooks and Alertmanager. `start` once, `stop` once.

    Args:
        told: Of `parts`.
        turn: Whose turn it is to tell a receiver; None: this process is the only one of its store.
    """

    def __init__(self, told: Mapping[str, Part], turn: Callable[[str], Turn] | None = None) -> None:
        self._parts = [partial(turn(name).run, part) if turn else part for name, part in told.items()]
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin where it was left."""
        self._running = [asyncio.create_task(run(), name="notifier") for run in self._parts]

    async def failed(self) -> None:
        """Wait for a part to break and raise why; for ever where none does."""
        if self._running:
            done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Stop at once: what was not taken yet is sent again after the next start."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

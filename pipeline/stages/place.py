"""The partitions that a stage works on: opened at their committed offset, read in order, fenced by generation."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from typing import Any, Final, Generic, TypeVar

from faust.types import TP

from pipeline.transport.contract import OffsetConsumer
from pipeline.transport.records import Committed

SEEK_AGAIN_S: Final = 1.0

_log = logging.getLogger(__name__)


class Place:
    """One partition in one generation. What a stage collects for it stands in a subclass."""

    def __init__(self, tp: TP, generation: int, done: int) -> None:
        self.tp = tp
        self.generation = generation
        self.next = done
        """Offset of the message to take next: every offset is taken once, in order."""
        self.done = done
        """Everything before is processed."""
        self.committed = done
        """Everything before is processed for good."""
        self.lock = asyncio.Lock()
        """Held by a flush and by every commit of this partition."""
        self.sought_at = 0.0
        self.ahead = False
        """The transport has run ahead of `next` and was sent back."""


P = TypeVar("P", bound=Place)


class Places(Generic[P]):
    """The open partitions of some topics.

    `make` builds a place from (partition, generation, first offset to do, metadata of the last commit).
    """

    def __init__(self, app: Any, topics: Collection[str], make: Callable[[TP, int, int, str], P]) -> None:
        self._app = app
        self._topics = frozenset(topics)
        self._make = make
        self._open: dict[TP, P] = {}
        self._opening = asyncio.Lock()
        self.gaps = 0
        """Times that the transport ran ahead and was sent back."""
        app.on_partitions_revoked.connect(self._revoked)

    @property
    def _consumer(self) -> OffsetConsumer:
        consumer: OffsetConsumer = self._app.consumer
        return consumer

    def __iter__(self) -> Any:
        return iter(list(self._open.values()))

    def get(self, tp: TP) -> P | None:
        """The place of a partition, if it is open."""
        return self._open.get(tp)

    def alive(self, place: P) -> bool:
        """Whether the partition is still ours, in the generation in which it was opened."""
        return self._open.get(place.tp) is place and place.generation == self._app.consumer_generation_id

    async def open(self, tp: TP, generation: int) -> P:
        """The place of a partition in a generation, opened if it is not."""
        place = self._open.get(tp)
        if place is not None and place.generation == generation:
            return place
        async with self._opening:
            place = self._open.get(tp)
            if place is not None and place.generation == generation:
                return place
            if place is not None:
                await self._leave(place)
            committed = (await self._consumer.committed_meta([tp]))[tp]
            if committed is None:
                committed = Committed((await self._consumer.earliest_offsets(tp))[tp])
            place = self._open[tp] = self._make(tp, generation, *committed)
            return place

    async def open_all(self) -> None:
        """Open what is assigned to us and not open yet, so that time passes there too."""
        if self._app.rebalancing or self._app.in_recovery:
            return
        for tp in self._consumer.assignment():
            if tp.topic in self._topics and tp not in self._open:
                await self.open(tp, self._app.consumer_generation_id)

    async def admit(self, place: P, offset: int) -> bool:
        """Whether this message is the one to take now.

        Around rebalances of apps with tables Faust hands out messages ahead of the committed offset, and some twice.
        """
        if offset == place.next:
            place.next += 1
            place.ahead = False
            return True
        if offset > place.next:
            place.ahead = True
            await self._send_back(place)
        return False

    async def send_back(self) -> None:
        """Send back again where it did not help.

        A message that was on its way when we sought moves Faust's own read position on, and Faust then drops all
        before it; if no later message comes, nobody notices.
        """
        for place in self:
            if place.ahead:
                await self._send_back(place)

    async def _send_back(self, place: P) -> None:
        now = time.monotonic()
        if now - place.sought_at > SEEK_AGAIN_S and self.alive(place):
            place.sought_at = now
            self.gaps += 1
            first = (await self._consumer.earliest_offsets(place.tp))[place.tp]
            if place.next < first:
                _log.warning("%s: offsets %d to %d are no longer in the log", place.tp, place.next, first - 1)
                place.next = first
            await self._consumer.seek(place.tp, place.next)

    async def commit(self, place: P, offset: int, metadata: str) -> bool:
        """Commit; False: the partition is not ours any more, and its place is closed. The caller holds the lock."""
        done = {place.tp: Committed(offset, metadata)}
        if self.alive(place) and await self._consumer.commit_meta(done, place.generation) and self.alive(place):
            place.committed = offset
            return True
        self.close(place)
        return False

    def close(self, place: P) -> None:
        """Give a place up: what it collected is taken again by whoever owns the partition next."""
        if self._open.get(place.tp) is place:
            del self._open[place.tp]

    async def caught_up(self) -> bool:
        """Whether every message that is in the log now has been processed."""
        ours = [tp for tp in self._consumer.assignment() if tp.topic in self._topics]
        if not ours or self._app.rebalancing or self._app.in_recovery:
            return False
        ends = await self._consumer.highwaters(*ours)
        return all((place := self._open.get(tp)) is not None and place.done >= ends[tp] for tp in ours)

    async def _revoked(self, _app: Any, revoked: Collection[TP], **_: Any) -> None:
        for place in [self._open.pop(tp) for tp in revoked if tp in self._open]:
            await self._leave(place)

    @staticmethod
    async def _leave(place: P) -> None:
        async with place.lock:
            pass  # a flush in flight ends before the group hands the partition on

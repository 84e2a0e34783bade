"""The partitions that a stage works on: opened at their committed offset, read in order, fenced by generation."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Generic, TypeVar

from faust.types import TP

from pipeline.transport.contract import OffsetConsumer
from pipeline.transport.messages import LogMessage
from pipeline.transport.records import Committed

MAX_RETRY_S: Final = 10.0
"""Each retry is a sign of life to the watchdog, which waits for longer (`watchdog_s`)."""
LOOK_AGAIN_S: Final = 0.2
SEEK_AGAIN_S: Final = 1.0
LOST_AFTER_S: Final = 2.0
"""So long nothing comes of what the transport has read, while nothing is being taken: then it is lost on the way."""

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
        self.waiting = (done, time.monotonic())
        """`next`, and since when it has been that while the transport had read further."""


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

    def _ours(self, tp: TP, generation: int) -> bool:
        return generation == self._app.consumer_generation_id and tp in self._consumer.assignment()

    async def open(self, tp: TP, generation: int) -> P | None:
        """The place of a partition in a generation, opened if it is not; None: the partition is not ours in it."""
        place = self._open.get(tp)
        if place is not None and place.generation == generation:
            return place
        async with self._opening:
            place = self._open.get(tp)
            if place is not None and place.generation == generation:
                return place
            if not self._ours(tp, generation):
                return None
            if place is not None:
                await self._leave(place)
            committed = (await self._consumer.committed_meta([tp]))[tp]
            if committed is None:
                committed = Committed((await self._consumer.earliest_offsets(tp))[tp])
            if not self._ours(tp, generation):
                return None  # it went to another member while we asked
            place = self._open[tp] = self._make(tp, generation, *committed)
            return place

    async def open_all(self) -> None:
        """Open what is assigned to us and not open yet, so that time passes there too; close what is not ours."""
        if self._app.rebalancing or self._app.in_recovery:
            return
        generation = self._app.consumer_generation_id
        owned = [tp for tp in self._consumer.assignment() if tp.topic in self._topics]
        for place in self:
            if place.tp not in owned:
                self.close(place)
        for tp in owned:
            await self.open(tp, generation)

    async def admit(self, place: P, message: LogMessage) -> bool:
        """Whether this message is the one to take now.

        Around rebalances of apps with tables Faust hands out messages ahead of the committed offset, and some twice.
        A hole in the log is none of ours to fill: there the message itself says that nothing stands before it.
        """
        if message.after <= place.next <= message.offset:
            place.next = message.offset + 1
            place.ahead = False
            return True
        if message.offset > place.next:
            place.ahead = True
            await self._send_back(place)
        return False

    def pass_holes(self, place: P) -> None:
        """Go on over offsets that hold no record: nothing will come that says so."""
        place.next = max(place.next, self._consumer.beyond(place.tp, place.next))

    async def send_back(self, *, idle: bool) -> None:
        """Send back again where it did not help, and where messages were read and never came.

        A message that was on its way when we sought moves Faust's own read position on, and Faust then drops all
        before it; if no later message comes, nobody notices. `idle`: no message waits for the stage to take it.
        """
        for place in self:
            if place.ahead or self._lost(place, idle):
                await self._send_back(place)

    def _lost(self, place: P, idle: bool) -> bool:
        read_to = self._consumer.read_to(place.tp)
        now = time.monotonic()
        if not idle or read_to is None or read_to <= place.next or place.waiting[0] != place.next:
            place.waiting = (place.next, now)
            return False
        return now - place.waiting[1] > LOST_AFTER_S

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

    async def pause(self, place: P, delay_s: float) -> None:
        """Wait before a retry, but not when the partition goes to somebody else: the whole group waits for that."""
        until = time.monotonic() + min(MAX_RETRY_S, max(0.01, delay_s))
        while (left := until - time.monotonic()) > 0 and self.alive(place):
            await asyncio.sleep(min(left, LOOK_AGAIN_S))

    def close(self, place: P) -> None:
        """Give a place up: what it collected is taken again by whoever owns the partition next."""
        if self._open.get(place.tp) is place:
            del self._open[place.tp]

    async def ends(self, topics: Collection[str] | None = None) -> Mapping[TP, int] | None:
        """The next offset to be written of every partition, ours or not; None: it cannot be said now.

        `topics`: of these topics only.
        """
        if self._app.rebalancing or self._app.in_recovery:
            return None
        everywhere = [TP(topic, n) for topic in topics or self._topics for n in self._consumer.partitions_of(topic)]
        return await self._consumer.highwaters(*everywhere)

    async def behind(self, ends: Mapping[TP, int]) -> int | None:
        """How many offsets before these are not processed yet, by us or by another member; None: not known now."""
        if self._app.rebalancing or self._app.in_recovery:
            return None
        mine: dict[TP, P] = {place.tp: place for place in self if self.alive(place)}
        committed = await self._consumer.committed_meta([tp for tp in ends if tp not in mine])

        def done(tp: TP) -> int:
            if (place := mine.get(tp)) is not None:
                return place.done
            others = committed.get(tp)
            return 0 if others is None else others.offset

        return sum(max(0, end - done(tp)) for tp, end in ends.items())

    async def caught_up(self) -> bool:
        """Whether every message that is in the log now has been processed, by us or by another member."""
        ends = await self.ends()
        return ends is not None and await self.behind(ends) == 0

    async def _revoked(self, _app: Any, revoked: Collection[TP], **_: Any) -> None:
        for place in [self._open.pop(tp) for tp in revoked if tp in self._open]:
            await self._leave(place)

    @staticmethod
    async def _leave(place: P) -> None:
        async with place.lock:
            pass  # a flush in flight ends before the group hands the partition on

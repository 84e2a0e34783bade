"""Faust's consumer on Kafka, with commits that carry metadata and are fenced by generation.

aiokafka runs in a thread of its own. Faust hands calls to it through a queue of two workers, one of which waits for
records most of the time: behind a commit that waits for a broker everything else would wait too. So what we add goes
to the thread's event loop directly.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, Final, TypeVar

import aiokafka
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, UnknownMemberIdError
from aiokafka.structs import ConsumerRecord, OffsetAndMetadata
from faust.transport.consumer import RecordMap
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from pipeline.transport.inflight import InFlight
from pipeline.transport.kafka_runs import Fetched, Runs
from pipeline.transport.messages import LogMessage
from pipeline.transport.records import Committed

FETCH_WAIT_MS: Final = 500
ROOM_WAIT_S: Final = 0.05
CHANGES_TOGETHER: Final = 2_000
LOOK_AGAIN_S: Final = 0.5
"""Whether the thread that is to answer is still there."""
ENDED: Final = "the consumer's thread has ended"

T = TypeVar("T")
_log = logging.getLogger(__name__)


class KafkaConsumer(driver.Consumer):
    """Serves `pipeline.transport.contract.OffsetConsumer` and Faust's own consumer interface."""

    app: Any
    _thread: _Thread

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.runs = Runs()
        self._in_flight = InFlight(lambda: None)
        super().__init__(*arguments, **named)

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def _in_thread(self, work: Callable[[aiokafka.AIOKafkaConsumer], Awaitable[T]]) -> T:
        consumer = self._thread._ensure_consumer()

        async def run() -> T:
            return await work(consumer)

        if self._thread.ending:
            raise RuntimeError(ENDED)
        loop, asked = self._thread.thread_loop, run()
        try:
            answer = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked, loop))
            try:
                while not (await asyncio.wait({answer}, timeout=LOOK_AGAIN_S))[0]:
                    if not loop.is_running():
                        raise RuntimeError(ENDED)
                if answer.cancelled():
                    raise RuntimeError(ENDED)
                return answer.result()
            finally:
                answer.cancel()
        except RuntimeError:
            # a worker that fails stops while its partitions still open: the thread is gone, and nobody would answer
            asked.close()
            raise

    # Reading

    def _to_message(self, tp: TP, record: Fetched) -> ConsumerMessage:
        found = record.record
        message = LogMessage.of(tp, found, found.timestamp / 1000.0, record.after, self.app.consumer_generation_id)
        self._in_flight.note(message, len(found.value or b""))
        return message

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> RecordMap:
        while self._in_flight.full and not self.should_stop and self.flow_active:
            await asyncio.sleep(ROOM_WAIT_S)
        return await super()._getmany(active_partitions, timeout)

    async def changes(
        self, ranges: Mapping[TP, tuple[int, int]]
    ) -> AsyncIterator[tuple[TP, list[ConsumerRecord], int]]:
        """See the contract."""
        ends = {tp: end for tp, (_, end) in ranges.items()}
        if ends:
            await self.seek_wait({tp: first for tp, (first, _) in ranges.items()})
        while ends:
            partitions = tuple(ends)
            for tp, records, read_to in await self._in_thread(partial(_take, partitions=partitions)):
                yield tp, records, read_to
                if read_to >= ends[tp]:
                    del ends[tp]

    def read_to(self, partition: TP) -> int | None:
        """See the contract."""
        return self.runs.read_to(partition)

    def beyond(self, partition: TP, offset: int) -> int:
        """See the contract."""
        return self.runs.beyond(partition, offset)

    # Positions

    async def _seek(self, partition: TP, offset: int) -> None:
        async def seek(consumer: aiokafka.AIOKafkaConsumer) -> None:
            self.runs.move(partition)
            try:
                consumer.seek(TopicPartition(*partition), offset)
            except IllegalStateError:
                _log.info("%s went to another worker before it was sent back", partition)

        await self._in_thread(seek)

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """See the contract."""
        return _by_tp(await self._in_thread(lambda c: c.beginning_offsets([TopicPartition(*tp) for tp in partitions])))

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """See the contract."""
        if not partitions:
            return {}
        return _by_tp(await self._in_thread(lambda c: c.end_offsets([TopicPartition(*tp) for tp in partitions])))

    # Commits

    async def commit_meta(self, offsets: Mapping[TP, Committed], generation: int | None = None) -> bool:
        """See the contract.

        The generation is compared where the coordinator changes it, in its own thread. A commit under way when the
        group rebalances ends before this member joins again: the revocation waits for the partition's lock.
        """

        async def commit(consumer: aiokafka.AIOKafkaConsumer) -> bool:
            coordinator = consumer._coordinator
            owned = consumer.assignment()
            wanted = {TopicPartition(*tp): OffsetAndMetadata(*done) for tp, done in offsets.items()}
            if generation is not None and generation != coordinator.generation:
                return False
            if not owned.issuperset(wanted):
                return False
            before = coordinator.generation
            try:
                await consumer.commit(wanted)
            except (CommitFailedError, IllegalStateError, UnknownMemberIdError):
                return False
            return bool(coordinator.generation == before)

        return await self._in_thread(commit)

    async def committed_meta(self, partitions: Collection[TP]) -> dict[TP, Committed | None]:
        """See the contract."""
        if not partitions:
            return {}
        wanted = [TopicPartition(*tp) for tp in partitions]
        found = await self._in_thread(lambda c: c._coordinator.fetch_committed_offsets(wanted))
        return {tp: _committed(found.get(TopicPartition(*tp))) for tp in partitions}

    def partitions_of(self, topic: str) -> Collection[int]:
        """See the contract."""
        return self._thread._ensure_consumer().partitions_for_topic(topic) or ()


class _Thread(driver.AIOKafkaConsumerThread):
    """aiokafka's consumer in its thread; tells `Runs` of every fetch and of every move."""

    consumer: KafkaConsumer
    ending = False
    """Nobody answers any more."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust writes these two down as they are. Aborted transactions hold what their producer took back.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    def close(self) -> None:
        """Faust asks for this in a rebalance after it was told to stop, from the loop of another thread.

        Connections closed there stay open, and the group waits for a member that never says that it leaves. The
        thread itself leaves and closes, in its own loop, when it stops (`on_thread_stop`).
        """

    async def _gather_remaining_tasks(self) -> None:
        self.ending = True
        await asyncio.sleep(0)  # what was asked until now has begun, so it is among those that are cancelled
        await super()._gather_remaining_tasks()
        if self._consumer is not None:
            # a question under way may have opened another connection after the consumer closed its own
            await self._consumer._client.close()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        self.consumer.runs.move()
        found: Mapping[TP, int] = await super().seek_to_committed()
        return found

    async def seek_to_beginning(self, *partitions: Any) -> None:
        self.consumer.runs.move()
        await super().seek_to_beginning(*partitions)

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        self.consumer.runs.move()
        await super()._seek_wait(consumer, partitions)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self.consumer.runs.move()
        await super().on_partitions_assigned(assigned, generation_id)

    async def _fetch_records(
        self, consumer: Any, active_partitions: set[TP], timeout: float | None = None, max_records: int | None = None
    ) -> dict[TP, list[Fetched]]:
        runs = self.consumer.runs
        watched = {tp: (runs.stamp(tp), _position(consumer, tp)) for tp in tuple(active_partitions or ())}
        records = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        fetched = {}
        # the set is Faust's own and may have grown meanwhile
        for tp in watched.keys() | records.keys():
            stamp, before = watched.get(tp, (None, None))
            noted = runs.note(tp, stamp, (before, _position(consumer, tp)), records.get(tp, ()))
            if noted:
                fetched[tp] = noted
        return fetched


async def _take(consumer: Any, partitions: Collection[TP]) -> list[tuple[TP, list[ConsumerRecord], int]]:
    """Records of these partitions, and up to where they have been read; a partition that is not ours is not in it."""
    wanted = [TopicPartition(*tp) for tp in partitions]
    found = await consumer.getmany(*wanted, timeout_ms=FETCH_WAIT_MS, max_records=CHANGES_TOGETHER)
    positions = ((tp, _position(consumer, tp)) for tp in partitions)
    return [(tp, found.get(TopicPartition(*tp), []), at) for tp, at in positions if at is not None]


def _position(consumer: Any, tp: TP) -> int | None:
    subscription = consumer._subscription.subscription
    assignment = None if subscription is None else subscription.assignment
    if assignment is None or TopicPartition(*tp) not in assignment.tps:
        return None
    state = assignment.state_value(TopicPartition(*tp))
    return int(state.position) if state.has_valid_position else None


def _by_tp(found: Mapping[Any, int]) -> dict[TP, int]:
    return {TP(where.topic, where.partition): offset for where, offset in found.items()}


def _committed(found: Any) -> Committed | None:
    return None if found is None or found.offset < 0 else Committed(found.offset, found.metadata or "")

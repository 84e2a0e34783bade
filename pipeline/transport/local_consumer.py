"""Faust's consumer on the local log: the only member of its group owns every partition."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from typing import Any, Final

from faust.assignor.client_assignment import ClientAssignment
from faust.transport import base
from faust.types import TP, ConsumerMessage

from pipeline.transport.inflight import InFlight
from pipeline.transport.log import READ_BYTES, READ_RECORDS, Log
from pipeline.transport.messages import LogMessage
from pipeline.transport.records import Commit, Committed, Partition, Record
from pipeline.transport.tail import Tail

IDLE_WAIT_S: Final = 1.0


class LocalConsumer(base.Consumer):
    """Serves `pipeline.transport.contract.OffsetConsumer` and Faust's own consumer interface."""

    transport: Any

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._assigned: set[TP] = set()
        self._position: dict[TP, int] = {}
        self._end: dict[TP, int] = {}
        self._tail = Tail()
        self._wake = asyncio.Event()
        self._in_flight = InFlight(self._wake.set)
        self._unwatch: Callable[[], None] | None = None

    @property
    def _log(self) -> Log:
        log: Log = self.transport.log
        return log

    async def on_stop(self) -> None:
        """Stop listening to the log."""
        await super().on_stop()
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None

    # Membership

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Take every partition of `topics`."""
        names = list(topics)
        for topic in names:
            self._log.create(topic, self.app.conf.topic_partitions)
        partitions = {TP(topic, p) for topic in names for p in range(self._log.partitions(topic) or 0)}
        # Not here and now: assigning waits for the conductor, which waits for `subscribe` to return.
        self.add_future(self._rebalance(partitions))

    async def _rebalance(self, partitions: set[TP]) -> None:
        app: Any = self.app
        app.on_rebalance_start()
        if self._assigned:
            await self.on_partitions_revoked(set(self._assigned))
        generation = app.consumer_generation_id = (app.consumer_generation_id or 0) + 1
        if self._unwatch is not None:
            self._unwatch()
        self._tail.clear()
        self._position.clear()
        self._unwatch = self._log.watch(self._appended)
        self._end = {tp: self._log.next_of(Partition(*tp)) for tp in partitions}
        self._assigned = set(partitions)
        by_topic: dict[str, list[int]] = defaultdict(list)
        for topic, partition in partitions:
            by_topic[topic].append(partition)
        assignor = app.assignor  # recovery asks it which changelog partitions are ours
        assignor._assignment = ClientAssignment(actives=dict(by_topic), standbys={})
        assignor._active_tps, assignor._standby_tps = set(partitions), set()
        assignor._topic_groups = dict.fromkeys(by_topic, 0)
        await self.on_partitions_assigned(set(partitions), generation)

    def assignment(self) -> set[TP]:
        """The partitions that are ours: all, once subscribed."""
        return set(self._assigned)

    # Reading

    def _appended(self, fresh: Mapping[Partition, list[Record]]) -> None:
        for where, records in fresh.items():
            tp = TP(*where)
            if tp not in self._end or records[0].offset < self._end[tp]:
                continue  # not ours, or known already: it was appended while we began to listen
            self._end[tp] = records[-1].offset + 1
            if not self._is_changelog_tp(tp):  # nobody reads changelogs while they are written
                self._tail.add(where, records)
        self._wake.set()

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, list[Record]]:
        deadline = time.monotonic() + timeout
        while self.flow_active and not self.should_stop:
            self._wake.clear()
            found = {}
            for tp in list(self._assigned if active_partitions is None else active_partitions):
                if not self._in_flight.full and (records := self._next_records(tp)):
                    found[tp] = records
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            await self._wait_for_wake(left)
        return {}

    def _next_records(self, tp: TP) -> list[Record]:
        at, end = self._position.get(tp), self._end.get(tp)
        if at is None or end is None or at >= end:
            return []
        where = Partition(*tp)
        records = self._tail.take(where, at, READ_RECORDS, READ_BYTES)
        if not records:
            tail = self._tail.first(where)
            upto = end if tail is None else min(end, tail)
            records = self._log.read(where, at, upto)
            if not records:  # compaction took them
                self._position[tp] = upto
                return []
        self._position[tp] = records[-1].offset + 1
        return records

    async def _wait_for_wake(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return

    async def _wait_next_records(self, timeout: float) -> Any:
        # the base class sleeps a second when every partition is paused: most of the start-up of an app with tables
        if self.flow_active and not self.app.client_only and not self._get_active_partitions():
            self._wake.clear()
            await self._wait_for_wake(IDLE_WAIT_S)
            return {}, set()
        return await super()._wait_next_records(timeout)

    async def changes(self, ranges: Mapping[TP, tuple[int, int]]) -> AsyncIterator[tuple[TP, list[Record], int]]:
        """See the contract."""
        for tp, (first, end) in ranges.items():
            at = first
            while at < end:
                records = self._log.read(Partition(*tp), at, end)
                at = records[-1].offset + 1 if records else end
                yield tp, records, at
                await asyncio.sleep(0)

    def _to_message(self, tp: TP, record: Record) -> ConsumerMessage:
        generation = self.app.consumer_generation_id
        message = LogMessage.of(tp, record, record.timestamp_unix_nano / 1e9, record.offset, generation)
        self._in_flight.note(message, len(record.value or b""))
        return message

    def resume_flow(self) -> None:
        """Read again."""
        super().resume_flow()
        self._wake.set()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Read these again."""
        super().resume_partitions(tps)
        self._wake.set()

    # Positions

    async def seek_to_committed(self) -> Any:
        """Move every partition to what was committed, else to its start; returns the offset (or None) of each."""
        offsets: dict[TP, int | None] = {}
        for tp, done in (await self.committed_meta(self._assigned)).items():
            offsets[tp] = None if done is None else done.offset
            await self._seek(tp, 0 if done is None else done.offset)
        return offsets

    async def _seek(self, partition: TP, offset: int) -> None:
        self._position[partition] = max(offset, self._log.start_of(Partition(*partition)))
        self._wake.set()

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Move partitions."""
        for tp, offset in partitions.items():
            await self.seek(tp, offset)

    async def seek_to_beginning(self, *partitions: TP) -> None:
        """Move partitions (all of ours if none is given) to their start."""
        await self.seek_wait(dict.fromkeys(partitions or self._assigned, 0))

    async def position(self, tp: TP) -> int | None:
        """Offset of the record to read next."""
        return self._position.get(tp)

    def highwater(self, tp: TP) -> int:
        """The next offset to be written."""
        return self._log.next_of(Partition(*tp))

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        """The next offsets to be written."""
        return {tp: self.highwater(tp) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        """Offsets of the oldest records that are still there."""
        return {tp: self._log.start_of(Partition(*tp)) for tp in partitions}

    # Commits

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        return await self.commit_meta({tp: Committed(offset) for tp, offset in offsets.items()})

    async def commit_meta(self, offsets: Mapping[TP, Committed], generation: int | None = None) -> bool:
        """See the contract."""
        if generation is not None and generation != self.app.consumer_generation_id:
            return False
        if not all(tp in self._assigned for tp in offsets):
            return False
        group = self.app.conf.id
        await self._log.submit([], [Commit(group, Partition(*tp), *done) for tp, done in offsets.items()])
        return True

    async def committed_meta(self, partitions: Collection[TP]) -> dict[TP, Committed | None]:
        """See the contract."""
        return {tp: self._log.committed(self.app.conf.id, Partition(*tp)) for tp in partitions}

    # Topics

    def read_to(self, partition: TP) -> int | None:
        """See the contract."""
        return self._position.get(partition)

    def beyond(self, partition: TP, offset: int) -> int:
        """See the contract: topics that are consumed have no holes."""
        del partition
        return offset

    def partitions_of(self, topic: str) -> Collection[int]:
        """See the contract."""
        return range(self._log.partitions(topic) or 0)

    def topic_partitions(self, topic: str) -> int | None:
        """How many partitions a topic has; None: there is no such topic."""
        return self._log.partitions(topic)

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int:
        """The partition of a key, or the one given."""
        return self._log.partition_for(topic, key) if partition is None else partition

    async def create_topic(
        self, topic: str, partitions: int, replication: int, *, compacting: bool | None = None, **options: Any
    ) -> None:
        """Create a topic that does not exist."""
        del replication, options
        self._log.create(topic, partitions, compact=bool(compacting))

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

"""Faust's producer on the local log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from faust.transport import base
from faust.types import TP
from faust.types.tuples import RecordMetadata

from pipeline.transport.records import Entry, Partition


class LocalProducer(base.Producer):
    """Appends to the log; a future that is done means that the record is on disk."""

    transport: Any
    buffer: Any

    async def on_stop(self) -> None:
        """Write what is buffered."""
        await self.flush()

    async def on_shutdown(self) -> None:
        """Close the log: the producer is the last service that uses it."""
        self.transport.close()

    async def send(  # noqa: PLR0913, PLR0917 - the signature is Faust's
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,
    ) -> Awaitable[RecordMetadata]:
        """Queue one record; headers are not kept."""
        del headers, transactional_id
        log = self.transport.log
        if log.partitions(topic) is None:
            log.create(topic, self.app.conf.topic_partitions)
        where = Partition(topic, log.partition_for(topic, key) if partition is None else partition)
        nanos = time.time_ns() if timestamp is None else int(timestamp * 1e9)
        return _Sent(where, nanos, log.submit([Entry(where, key, value, nanos)])).metadata

    async def send_and_wait(self, *arguments: Any, **named: Any) -> RecordMetadata:
        """Append one record."""
        return await (await self.send(*arguments, **named))

    async def flush(self) -> None:
        """Return when everything sent so far is on disk.

        Faust's own gives up after 0.1 s without progress, so that a commit could pass records not yet written.
        """
        pending = self.buffer.pending
        while not pending.empty():
            await self.buffer._send_pending(pending.get_nowait())
        await self.transport.log.submit([])

    def key_partition(self, topic: str, key: bytes) -> TP:
        """The partition of a key."""
        return TP(topic, self.transport.log.partition_for(topic, key))

    async def create_topic(
        self, topic: str, partitions: int, replication: int, *, compacting: bool | None = None, **options: Any
    ) -> None:
        """Create a topic that does not exist."""
        del replication, options
        self.transport.log.create(topic, partitions, compact=bool(compacting))


class _Sent:
    """Turns the log's answer (offsets) into Faust's (metadata)."""

    def __init__(self, where: Partition, nanos: int, appended: asyncio.Future[list[int]]) -> None:
        self._where = where
        self._nanos = nanos
        self.metadata: asyncio.Future[RecordMetadata] = appended.get_loop().create_future()
        appended.add_done_callback(self._answer)

    def _answer(self, appended: asyncio.Future[list[int]]) -> None:
        if self.metadata.done():
            return
        if appended.cancelled():
            self.metadata.cancel()
        elif (failure := appended.exception()) is not None:
            self.metadata.set_exception(failure)
        else:
            (offset,) = appended.result()
            topic, partition = self._where
            self.metadata.set_result(
                RecordMetadata(topic, partition, TP(topic, partition), offset, self._nanos / 1e9, 0)
            )

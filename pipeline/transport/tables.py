"""Faust's tables, restored by the batch: states are back in seconds, and those of others are forgotten."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP

from pipeline.stages.derived import partition_of


class PromptRecovery(Recovery):
    """Reads changelogs in batches before Faust would, which then finds nothing left to read.

    Faust takes each record through a fetcher, a queue and several tasks: ten times the CPU time and more, so that a
    worker with the sessions of half an hour was not ready within minutes.
    """

    async def _wait(self, coro: Any, timeout: Any = None) -> None:
        """Wait until the next step is done or a rebalance begins anew, however long it takes.

        What takes too long Faust takes for the end of the app, and recovers no more while all else goes on. Here who
        starts the app, and the watchdog, end a process whose restore does not go on.
        """
        del timeout
        await super()._wait(coro)

    async def _seek_offsets(self, consumer: Any, tps: set[TP], offsets: Any, title: str) -> None:
        if title == "active":
            await self._restore(consumer, tps, offsets)
        await super()._seek_offsets(consumer, tps, offsets, title)

    async def _restore(self, consumer: Any, tps: set[TP], offsets: MutableMapping[TP, int]) -> None:
        """Bring the tables of these changelogs up to date; `offsets`: of the last record that each table has.

        Tables of bytes, as ours are: what has to be decoded is left to Faust.
        """
        app: Any = self.app
        tables: Any = self.tp_to_table
        last = self.active_highwaters
        left = {
            tp: (offsets[tp] + 1, last[tp] + 1)
            for tp in tps
            if tables[tp].value_type is bytes and offsets[tp] < last[tp]
        }
        async for tp, records, read_to in consumer.changes(left):
            if app.consumer_generation_id != self._generation_id:
                return  # the group rebalances: it may be another's by now, and what is ours is restored after that
            keep(tables[tp].data, ((record.key, record.value) for record in records))
            offsets[tp] = read_to - 1


class PromptTableManager(TableManager):
    """Starts recovery at once: every table is declared before the app starts, there is nothing to wait for."""

    @property
    def recovery(self) -> Recovery:
        """What restores the tables."""
        if self._recovery is None:
            self._recovery = PromptRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """Register the changelogs and start recovery."""
        await self._update_channels()
        await self.recovery.start()

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Forget the states of partitions that are not ours any more.

        When one comes back it is read from the beginning of its changelog (Faust forgets how far it had read), and a
        key that was deleted meanwhile would live again: its tombstone may be gone by then.
        """
        for tp in revoked:
            table: Any = self._changelogs.get(tp.topic)
            if table is not None:
                forget(table.data, tp.partition, table.partitions)
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    @property
    def restored(self) -> int:
        """Grows with every state record that is read while tables are restored."""
        return sum(offset or 0 for offset in self.recovery.active_offsets.values())


def keep(states: Any, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
    """Write changes of a changelog into its table; None: the key is forgotten."""
    for key, value in changes:
        if value is None:
            states.pop(key, None)
        else:
            states[key] = value


def forget(states: Any, partition: int, partitions: int) -> None:
    """Remove a partition's keys from a table."""
    for key in [key for key in states if partition_of(key.decode("utf-8", "surrogatepass"), partitions) == partition]:
        del states[key]

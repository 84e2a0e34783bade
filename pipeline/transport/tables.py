"""Faust's table manager: no second of sleep at the start, and no states of partitions that others have."""

from __future__ import annotations

from typing import Any

from faust.tables.manager import TableManager
from faust.types import TP

from pipeline.stages.derived import partition_of


class PromptTableManager(TableManager):
    """Starts recovery at once: every table is declared before the app starts, there is nothing to wait for."""

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


def forget(states: Any, partition: int, partitions: int) -> None:
    """Remove a partition's keys from a table."""
    for key in [key for key in states if partition_of(key.decode("utf-8", "surrogatepass"), partitions) == partition]:
        del states[key]

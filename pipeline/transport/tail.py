"""The newest records in memory, so that a consumer that keeps up reads no file."""

from __future__ import annotations

from collections import deque
from typing import Final

from pipeline.transport.records import Partition, Record

TAIL_BYTES: Final = 32 * 1024 * 1024


class Tail:
    """Records appended since they were last read, for each partition a run that reaches up to its end.

    Bounded by `TAIL_BYTES` over all partitions; beyond it everything is forgotten and read from the file instead.
    Belongs to one thread.
    """

    def __init__(self, max_bytes: int = TAIL_BYTES) -> None:
        self._runs: dict[Partition, deque[Record]] = {}
        self._max_bytes = max_bytes
        self._bytes = 0

    def add(self, where: Partition, records: list[Record]) -> None:
        """Note records that follow those of this partition noted before."""
        self._bytes += sum(_size(record) for record in records)
        if self._bytes > self._max_bytes:
            self.clear()
            return
        self._runs.setdefault(where, deque()).extend(records)

    def first(self, where: Partition) -> int | None:
        """Offset of the oldest record kept of a partition."""
        run = self._runs.get(where)
        return run[0].offset if run else None

    def take(self, where: Partition, first: int, max_records: int, max_bytes: int) -> list[Record]:
        """Records from offset `first` on; they, and older ones, are forgotten. Empty if `first` is not here."""
        run = self._runs.get(where)
        if not run:
            return []
        while run and run[0].offset < first:
            self._bytes -= _size(run.popleft())
        taken: list[Record] = []
        size = 0
        while run and run[0].offset == first + len(taken) and len(taken) < max_records and size < max_bytes:
            record = run.popleft()
            size += _size(record)
            taken.append(record)
        self._bytes -= size
        return taken

    def clear(self) -> None:
        """Forget everything."""
        self._runs.clear()
        self._bytes = 0


def _size(record: Record) -> int:
    return len(record.value or b"") + len(record.key or b"") + 64

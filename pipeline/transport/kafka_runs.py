"""What a fetch proves about holes in a partition: which offsets hold no record.

A fetcher reads a partition on from its position, leaving out nothing but what is not there. So between two records
that it hands out one after the other, and between the last one and its position, there is no record; as long as
nobody moved the position meanwhile. Compaction, retention and transactions make such holes, and only who knows them
can tell a hole from a record that was skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from faust.types import TP


class Fetched(NamedTuple):
    """A record of aiokafka; there is none from offset `after` up to it."""

    record: Any
    after: int


class Runs:
    """For each partition, a stretch known to be empty that ends at the fetcher's position.

    `move` is called, in any thread, before a position is moved; `note` in the fetcher's thread.
    """

    def __init__(self) -> None:
        self._moves: dict[TP, int] = {}
        self._all_moves = 0
        self._empty: dict[TP, tuple[int, int]] = {}

    def move(self, tp: TP | None = None) -> None:
        """Somebody is about to move a position; None: those of all partitions."""
        if tp is None:
            self._all_moves += 1
        else:
            self._moves[tp] = self._moves.get(tp, 0) + 1

    def stamp(self, tp: TP) -> tuple[int, int]:
        """Changes whenever the partition's position is moved."""
        return self._all_moves, self._moves.get(tp, 0)

    def note(
        self, tp: TP, stamp: tuple[int, int] | None, positions: tuple[int | None, int | None], records: Sequence[Any]
    ) -> list[Fetched]:
        """One fetch of a partition.

        Args:
            tp: the partition.
            stamp: of before the fetch; None: nobody looked.
            positions: of the fetcher before and after the fetch; None: it has none.
            records: what it handed out, in order.
        """
        before, now = positions
        moved = self.stamp(tp) != stamp or before is None
        known = self._empty.get(tp)
        start = before
        if known is not None and known[1] == before:
            start = known[0]
        fetched = []
        for record in records:
            proven = not moved and start is not None and start <= record.offset
            fetched.append(Fetched(record, start if proven and start is not None else record.offset))
            start, moved = record.offset + 1, False
        if self.stamp(tp) != stamp or start is None or now is None or start > now:
            self._empty.pop(tp, None)
        else:
            self._empty[tp] = (start, now)
        return fetched

    def read_to(self, tp: TP) -> int | None:
        """The fetcher's position after its last fetch; None: not known since it was moved."""
        known = self._empty.get(tp)
        return None if known is None else known[1]

    def beyond(self, tp: TP, offset: int) -> int:
        """The first offset from `offset` on that may hold a record, as far as is known."""
        first, end = self._empty.get(tp, (0, 0))
        return end if first <= offset < end else offset

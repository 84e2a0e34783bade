"""What the log forgets: records that were consumed, and records of a changelog that newer ones replaced."""

from __future__ import annotations

import sqlite3
from typing import Final

from pipeline.transport import storage
from pipeline.transport.records import Index, Partition

COMPACT_AFTER: Final = 5_000
"""Records appended to a changelog partition before it is compacted."""
GIVE_BACK_PAGES: Final = 500


def keep(db: sqlite3.Connection, index: Index) -> bool:
    """One round of housekeeping, bounded in time. True: there is more to do."""
    more = False
    trimmed = False
    for where, info in ((where, index.topics[where.topic]) for where in list(index.next)):
        if info.compact:
            if index.since_compaction[where] >= COMPACT_AFTER:
                compact(db, index, where)
                trimmed = True
            continue
        floor = floor_of(index, where)
        if floor > index.start[where]:
            more |= trim(db, index, where, floor)
            trimmed = True
    if trimmed:
        storage.give_back(db, GIVE_BACK_PAGES)
        index.used_bytes = storage.used_bytes(db)
    return more


def floor_of(index: Index, where: Partition) -> int:
    """The offset below which nothing of this partition has to be kept."""
    consumed = index.consumed(where)
    retain = index.topics[where.topic].retain
    if retain is None:
        return consumed or 0
    newest = max(0, index.next[where] - retain)
    return newest if consumed is None else min(newest, consumed)


def trim(db: sqlite3.Connection, index: Index, where: Partition, floor: int) -> bool:
    """Delete a portion of the records below `floor`. True: there are more."""
    floor = min(floor, index.next[where])
    deleted = storage.delete_below(db, index.ids[where], floor, index.next[where])
    if deleted < storage.DELETE_ROWS:
        index.start[where] = floor
        return False
    index.start[where] = min(floor, index.start[where] + deleted)
    return True


def compact(db: sqlite3.Connection, index: Index, where: Partition) -> None:
    """Keep each key's newest record and the partition's last one; tombstones go."""
    last = index.next[where] - 1
    if last < 0:
        return
    ids = storage.superseded(db, index.ids[where], last)
    for at in range(0, len(ids), storage.DELETE_ROWS):
        # oldest first: a tombstone never goes before what it buries
        storage.delete_ids(db, ids[at : at + storage.DELETE_ROWS])
    index.since_compaction[where] = 0
    index.start[where] = storage.first_offset(db, index.ids[where], index.next[where])

"""The SQL of the log: one SQLite file, opened in WAL mode, synchronous=FULL.

A record's row id is `partition id << 40 | offset`, so that an append goes to the end of its partition's range and a
read is one range scan of the primary key. Statements carry many rows each: SQLite lets go of the interpreter's lock
once a step, and getting it back from a busy thread takes milliseconds, so a step for each row would crawl.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import orjson

OFFSET_BITS: Final = 40
OFFSET_MASK: Final = (1 << OFFSET_BITS) - 1
DELETE_ROWS: Final = 500
"""Rows that one transaction deletes at most, so that appends never wait long."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS topics (
  name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, compact INTEGER NOT NULL, retain INTEGER
);
CREATE TABLE IF NOT EXISTS partitions (
  id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL,
  next_offset INTEGER NOT NULL DEFAULT 0, UNIQUE (topic, partition)
);
CREATE TABLE IF NOT EXISTS records (
  id INTEGER PRIMARY KEY, timestamp_unix_nano INTEGER NOT NULL, key BLOB, value BLOB
);
CREATE TABLE IF NOT EXISTS committed (
  consumer_group TEXT NOT NULL, partition_id INTEGER NOT NULL, offset INTEGER NOT NULL, metadata TEXT NOT NULL,
  PRIMARY KEY (consumer_group, partition_id)
) WITHOUT ROWID;
"""
_ADD_TOPIC: Final = "INSERT INTO topics VALUES (?, ?, ?, ?)"
_ADD_PARTITION: Final = "INSERT INTO partitions (topic, partition) VALUES (?, ?)"
_SELECT: Final = "SELECT id, timestamp_unix_nano, key, value FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
_BOUNDS: Final = "SELECT min(id), max(id), count(*) FROM records WHERE id BETWEEN ? AND ?"
_SUPERSEDED: Final = """
SELECT id FROM records WHERE id >= :low AND id < :last AND (
  value IS NULL OR id NOT IN (SELECT max(id) FROM records WHERE id BETWEEN :low AND :last GROUP BY key)
) ORDER BY id
"""
_DELETE_IDS: Final = "DELETE FROM records WHERE id IN (SELECT value FROM json_each(?))"
_DELETE_BELOW: Final = (
    "DELETE FROM records WHERE id IN (SELECT id FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)"
)
_KEEP_NEXT: Final = "UPDATE partitions SET next_offset = max(next_offset, ?) WHERE id = ?"
_ROWS_A_STEP: Final = (256, 32, 4, 1)


class Row(NamedTuple):
    """One record as stored."""

    id: int
    timestamp_unix_nano: int
    key: bytes | None
    value: bytes | None


class Stored(NamedTuple):
    """One partition as found when the file is opened."""

    id: int
    topic: str
    partition: int
    start: int
    """Offset of the first record that is still there; `next` when there is none."""
    next: int
    records: int


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, readable by its owner alone: it holds telemetry that is not redacted yet."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute("PRAGMA page_size = 16384")  # values are large: a chain of small pages costs twice as much
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 1000")
    connection.execute("PRAGMA busy_timeout = 10000")
    connection.executescript(_SCHEMA)
    return connection


def topics(db: sqlite3.Connection) -> list[tuple[str, int, bool, int | None]]:
    """(name, partitions, compact, retain) of every topic."""
    rows = db.execute("SELECT name, partitions, compact, retain FROM topics").fetchall()
    return [(name, count, bool(compact), retain) for name, count, compact, retain in rows]


def partitions(db: sqlite3.Connection) -> list[Stored]:
    """Every partition with its bounds."""
    found = []
    for part_id, topic, partition, kept in db.execute("SELECT * FROM partitions").fetchall():
        low, high, count = db.execute(
            _BOUNDS, (part_id << OFFSET_BITS, part_id << OFFSET_BITS | OFFSET_MASK)
        ).fetchone()
        # `next_offset` is written only where records are deleted; otherwise the last record tells it
        following = kept if high is None else max(kept, (high & OFFSET_MASK) + 1)
        start = following if low is None else low & OFFSET_MASK
        found.append(Stored(part_id, topic, partition, start, following, count))
    return found


def committed(db: sqlite3.Connection) -> list[tuple[str, int, int, str]]:
    """(group, partition id, offset, metadata) of every commit."""
    return db.execute("SELECT * FROM committed").fetchall()


def add_topic(db: sqlite3.Connection, name: str, count: int, compact: bool, retain: int | None) -> list[int]:
    """Create a topic; returns its partitions' ids."""
    db.execute("BEGIN IMMEDIATE")
    with db:
        db.execute(_ADD_TOPIC, (name, count, int(compact), retain))
        return [int(db.execute(_ADD_PARTITION, (name, partition)).lastrowid or 0) for partition in range(count)]


def write(db: sqlite3.Connection, rows: Sequence[Row], commits: Sequence[tuple[str, int, int, str]]) -> None:
    """Records and commits in one transaction: all or nothing, on disk when it returns."""
    db.execute("BEGIN IMMEDIATE")
    with db:
        _insert(db, "INSERT INTO records VALUES ", rows)
        _insert(db, "INSERT OR REPLACE INTO committed VALUES ", commits)


def _insert(db: sqlite3.Connection, head: str, rows: Sequence[tuple[object, ...]]) -> None:
    at = 0
    for step in _ROWS_A_STEP:
        while len(rows) - at >= step:
            chunk = rows[at : at + step]
            marks = ", ".join(["(?, ?, ?, ?)"] * step)
            db.execute(head + marks, [field for row in chunk for field in row])
            at += step


def read(db: sqlite3.Connection, low: int, high: int, max_records: int, max_bytes: int) -> list[Row]:
    """Records with ids from `low` to before `high`, at least one where there is one."""
    cursor = db.execute(_SELECT, (low, high, max_records))
    rows: list[Row] = []
    size = 0
    for fields in cursor:
        row = Row(*fields)
        rows.append(row)
        size += len(row.value or b"")
        if size >= max_bytes:
            break
    cursor.close()  # an open cursor would hold the WAL back
    return rows


def delete_below(db: sqlite3.Connection, part_id: int, offset: int, following: int) -> int:
    """Delete up to `DELETE_ROWS` records below an offset; `following`: the partition's next offset, kept on disk."""
    base = part_id << OFFSET_BITS
    db.execute("BEGIN IMMEDIATE")
    with db:
        db.execute(_KEEP_NEXT, (following, part_id))
        return db.execute(_DELETE_BELOW, (base, base | offset, DELETE_ROWS)).rowcount


def superseded(db: sqlite3.Connection, part_id: int, last: int) -> list[int]:
    """Ids of records that compaction may remove, oldest first.

    Every record that is not its key's newest, and tombstones. The last record of the partition always stays: who
    restores a table waits to see it.
    """
    low = part_id << OFFSET_BITS
    return [row[0] for row in db.execute(_SUPERSEDED, {"low": low, "last": low | last}).fetchall()]


def delete_ids(db: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Delete records by id, in one transaction."""
    db.execute(_DELETE_IDS, (orjson.dumps(list(ids)).decode(),))


def first_offset(db: sqlite3.Connection, part_id: int, following: int) -> int:
    """The oldest offset that is still there; `following` where there is none."""
    base = part_id << OFFSET_BITS
    low = db.execute("SELECT min(id) FROM records WHERE id BETWEEN ? AND ?", (base, base | OFFSET_MASK)).fetchone()[0]
    return following if low is None else int(low) & OFFSET_MASK


def used_bytes(db: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    pages, free, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in _SIZES)
    return int((pages - free) * size)


_SIZES: Final = ("page_count", "freelist_count", "page_size")


def give_back(db: sqlite3.Connection, pages: int) -> None:
    """Return free pages to the file system."""
    db.execute(f"PRAGMA incremental_vacuum({int(pages)})").fetchall()

"""The local log: topics with partitions, offsets and commits in one SQLite file of one process.

An append that has answered is on disk (`synchronous=FULL`). Records that were consumed are trimmed, changelogs are
compacted. When more waits to be consumed than `max_bytes` holds, appends from outside are refused (`LogFullError`);
what the pipeline itself writes is never refused, or it could not shrink again.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import xxhash

from pipeline.transport import retention, storage
from pipeline.transport.filelock import FolderLock
from pipeline.transport.records import Commit, Committed, Entry, Index, Partition, Record, TopicInfo
from pipeline.transport.writer import Watcher, Writer
from schemas.errors import LogFullError, SettingsError

FILE_NAME: Final = "log.sqlite"
DEFAULT_MAX_BYTES: Final = 2 * 1024**3
FULL_RETRY_S: Final = 5.0
READ_RECORDS: Final = 500
READ_BYTES: Final = 4 * 1024 * 1024

_open_logs: dict[Path, Log] = {}


def open_log(directory: Path, *, max_bytes: int | None = None) -> Log:
    """The log of a folder: opened, or the one that this process has open already.

    Every `open_log` wants its own `close`. `max_bytes` None leaves the bound as it is (default 2 GiB).

    Raises:
        SettingsError: another process has the folder open, or it cannot be written.
    """
    path = directory.resolve()
    log = _open_logs.get(path)
    if log is None:
        log = _open_logs[path] = Log(path)
    log.users += 1
    if max_bytes is not None:
        log.max_bytes = max_bytes
    return log


class Log:
    """One open folder; made by `open_log`. Reads belong to one thread (the event loop's), appends to any."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.max_bytes = DEFAULT_MAX_BYTES
        self.users = 0
        self._lock = FolderLock(directory)
        self._round_robin = itertools.count()
        try:
            db = storage.connect(directory / FILE_NAME)
            self._index = _load(db)
            self._reader = storage.connect(directory / FILE_NAME)
        except sqlite3.Error as exc:
            self._lock.release()
            raise SettingsError(
                f"{directory / FILE_NAME} is no log of this program ({exc}): move it away, or give another --data"
            ) from exc
        self._writer = Writer(db, self._index)
        self._writer.start()

    def close(self) -> None:
        """Give the log back; the last user's close writes what is queued and closes the file."""
        self.users -= 1
        if self.users == 0:
            _open_logs.pop(self.directory, None)
            self._reader.close()
            self._writer.close()
            self._lock.release()

    def create(self, topic: str, partitions: int, *, compact: bool = False, retain: int | None = None) -> None:
        """Create a topic if it does not exist; one that does is left as it is.

        Args:
            topic: its name.
            partitions: how many.
            compact: keep each key's newest record for ever, for changelogs.
            retain: keep this many newest records, for topics that nobody may be reading (what a group that commits
                has not consumed is kept besides); None: until consumed.
        """
        if topic in self._index.topics:
            return

        def add(db: sqlite3.Connection) -> None:
            if topic not in self._index.topics:
                ids = storage.add_topic(db, topic, partitions, compact, retain)
                self._index.add_topic(topic, TopicInfo(partitions, compact, retain), ids)

        self._writer.call(add)

    def partitions(self, topic: str) -> int | None:
        """How many partitions a topic has; None: there is no such topic."""
        info = self._index.topics.get(topic)
        return None if info is None else info.partitions

    def partition_for(self, topic: str, key: bytes | None) -> int:
        """The partition of a key; without a key, one after the other."""
        count = self._index.topics[topic].partitions
        return (next(self._round_robin) if key is None else xxhash.xxh3_64_intdigest(key)) % count

    async def append(
        self, topic: str, value: bytes, *, key: bytes | None = None, partition: int | None = None
    ) -> tuple[int, int]:
        """Append one record from outside; returns (partition, offset) when it is on disk.

        Raises:
            LogFullError: nothing was stored; carries the delay after which to try again.
        """
        self.check_room(len(value))
        where = Partition(topic, self.partition_for(topic, key) if partition is None else partition)
        try:
            (offset,) = await self.submit([Entry(where, key, value, time.time_ns())])
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
                raise LogFullError(f"the disk of the log is full or failing: {exc}", FULL_RETRY_S) from exc
            raise
        return where.partition, offset

    def check_room(self, size_bytes: int = 0) -> None:
        """Raise LogFullError if `size_bytes` more do not fit under the bound while records wait to be consumed."""
        queued = self._writer.queued_bytes
        if self._index.used_bytes + queued + size_bytes <= self.max_bytes:
            return
        lag = self._index.lag()
        if lag or queued:
            raise LogFullError(
                f"the log holds {self._index.used_bytes + queued} bytes of at most {self.max_bytes}; "
                f"{lag} messages wait to be processed",
                FULL_RETRY_S,
            )

    def submit(self, entries: Sequence[Entry], commits: Sequence[Commit] = ()) -> asyncio.Future[list[int]]:
        """Queue records and commits as one transaction, unbounded; the future gets the offsets once on disk."""
        return self._writer.submit(entries, commits)

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell `watcher`, in the running loop, of every append; returns how to stop that."""
        return self._writer.watch(watcher)

    def read(
        self, where: Partition, first: int, end: int, max_records: int = READ_RECORDS, max_bytes: int = READ_BYTES
    ) -> list[Record]:
        """Records from offset `first` to before `end`, oldest first; empty when there is none."""
        base = self._index.ids[where] << storage.OFFSET_BITS
        rows = storage.read(self._reader, base | first, base | end, max_records, max_bytes)
        return [Record(row.id & storage.OFFSET_MASK, *row[1:]) for row in rows]

    def start_of(self, where: Partition) -> int:
        """Offset of the oldest record that is still there."""
        return self._index.start[where]

    def next_of(self, where: Partition) -> int:
        """Offset that the next record gets."""
        return self._index.next[where]

    def committed(self, group: str, where: Partition) -> Committed | None:
        """How far a group has come; None: it never committed here."""
        return self._index.committed.get((group, where))

    def lag(self) -> int:
        """Records that wait to be consumed, over all topics."""
        return self._index.lag()

    @property
    def used_bytes(self) -> int:
        """Bytes of the file in use, and what waits to be written."""
        return self._index.used_bytes + self._writer.queued_bytes

    def keep_house(self) -> None:
        """Trim what was consumed and compact every changelog now; blocks until it is done."""

        def everything(db: sqlite3.Connection) -> None:
            for where, info in ((where, self._index.topics[where.topic]) for where in self._index.next):
                if info.compact:
                    retention.compact(db, self._index, where)
            while retention.keep(db, self._index):
                pass
            self._index.used_bytes = storage.used_bytes(db)

        self._writer.call(everything)


def _load(db: sqlite3.Connection) -> Index:
    index = Index()
    for name, count, compact, retain in storage.topics(db):
        index.topics[name] = TopicInfo(count, compact, retain)
    by_id: dict[int, Partition] = {}
    for stored in storage.partitions(db):
        where = by_id[stored.id] = Partition(stored.topic, stored.partition)
        index.ids[where], index.start[where], index.next[where] = stored.id, stored.start, stored.next
        index.since_compaction[where] = stored.records
    for group, part_id, offset, metadata in storage.committed(db):
        index.committed[group, by_id[part_id]] = Committed(offset, metadata)
    index.used_bytes = storage.used_bytes(db)
    return index

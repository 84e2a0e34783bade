"""The log's writer thread: what arrives while one transaction is being synced to disk becomes the next transaction."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from pipeline.transport import retention, storage
from pipeline.transport.records import Commit, Committed, Entry, Index, Partition, Record
from schemas.errors import TelltaleError

GROUP_BYTES: Final = 16 * 1024 * 1024
HOUSEKEEPING_S: Final = 1.0
_RECORD_OVERHEAD: Final = 48

Watcher = Callable[[dict[Partition, list[Record]]], None]
"""Told in its own loop what was appended, in order, after it is on disk."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Append:
    """Records and commits that stand or fall together; `done` gets the records' offsets."""

    entries: Sequence[Entry]
    commits: Sequence[Commit]
    size: int
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[list[int]]


@dataclass(slots=True)
class Call:
    """Something else that has to be done with the writer's connection."""

    run: Callable[[sqlite3.Connection], Any]
    done: Future[Any]


def size_of(entry: Entry) -> int:
    """Bytes that an entry takes in the file, about."""
    return len(entry.key or b"") + len(entry.value or b"") + _RECORD_OVERHEAD


class Writer:
    """Owns the connection that writes. `submit` and `call` may be used from any thread."""

    def __init__(self, db: sqlite3.Connection, index: Index) -> None:
        self._db = db
        self._index = index
        self._jobs: queue.SimpleQueue[Append | Call | None] = queue.SimpleQueue()
        self._watchers: list[tuple[asyncio.AbstractEventLoop, Watcher]] = []
        self._thread = threading.Thread(target=self._run, name="telltale-log", daemon=True)
        self._next_housekeeping = time.monotonic() + HOUSEKEEPING_S
        self._counting = threading.Lock()
        self.queued_bytes = 0
        self.closed = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, entries: Sequence[Entry], commits: Sequence[Commit] = ()) -> asyncio.Future[list[int]]:
        """Queue records and commits; the future is done when they are on disk. Called in an event loop."""
        if self.closed:
            raise TelltaleError("the log is closed")
        for entry in entries:
            if entry.where not in self._index.next:
                raise TelltaleError(f"there is no partition {entry.where.partition} of {entry.where.topic}")
        loop = asyncio.get_running_loop()
        size = sum(map(size_of, entries))
        self._count_queued(size)
        job = Append(entries, commits, size, loop, loop.create_future())
        self._jobs.put(job)
        return job.done

    def _count_queued(self, change_bytes: int) -> None:
        with self._counting:
            self.queued_bytes += change_bytes

    def call(self, run: Callable[[sqlite3.Connection], Any]) -> Any:
        """Do something with the writer's connection, in turn; blocks until it is done."""
        job = Call(run, Future())
        self._jobs.put(job)
        return job.done.result()

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell `watcher`, in the running loop, of every append from now on; returns how to stop that."""
        entry = (asyncio.get_running_loop(), watcher)
        self._watchers = [*self._watchers, entry]

        def stop() -> None:
            self._watchers = [w for w in self._watchers if w is not entry]

        return stop

    def close(self) -> None:
        """Write what is queued and end the thread."""
        self.closed = True
        self._jobs.put(None)
        self._thread.join()
        self._db.close()

    def _run(self) -> None:
        while True:
            appends, other = self._gather()
            if appends:
                self._write(appends)
            if isinstance(other, Call):
                self._do(other)
            elif other is _END:
                return
            if time.monotonic() >= self._next_housekeeping:
                self._keep_house()

    def _gather(self) -> tuple[list[Append], Call | str]:
        """Everything that is queued, at most `GROUP_BYTES`; and what ended the group early."""
        appends: list[Append] = []
        size = 0
        wait_s = max(0.0, self._next_housekeeping - time.monotonic())
        try:
            job = self._jobs.get(timeout=wait_s) if wait_s else self._jobs.get_nowait()
            while True:
                if job is None:
                    return appends, _END
                if isinstance(job, Call):
                    return appends, job
                appends.append(job)
                size += job.size
                if size >= GROUP_BYTES:
                    return appends, _FULL
                job = self._jobs.get_nowait()
        except queue.Empty:
            return appends, _FULL

    def _write(self, appends: list[Append]) -> None:
        index = self._index
        following: dict[Partition, int] = {}
        rows: list[storage.Row] = []
        offsets: list[list[int]] = []
        fresh: dict[Partition, list[Record]] = defaultdict(list)
        for job in appends:
            own = []
            for entry in job.entries:
                at = following.get(entry.where)
                at = index.next[entry.where] if at is None else at
                following[entry.where] = at + 1
                record = Record(at, entry.timestamp_unix_nano, entry.key, entry.value)
                rows.append(storage.Row(index.ids[entry.where] << storage.OFFSET_BITS | at, *record[1:]))
                fresh[entry.where].append(record)
                own.append(at)
            offsets.append(own)
        # one commit for each group and partition: the last one queued wins
        commits = {(c.group, c.where): Committed(c.offset, c.metadata) for job in appends for c in job.commits}
        try:
            storage.write(self._db, rows, [(group, index.ids[where], *c) for (group, where), c in commits.items()])
        except Exception as exc:  # handed to everyone who waits; the thread has to go on
            _log.error("the log could not be written: %s", exc)
            _settle(appends, None, exc)
        else:
            index.next.update(following)
            index.committed.update(commits)
            index.used_bytes += sum(job.size for job in appends)
            for where, records in fresh.items():
                index.since_compaction[where] += len(records)
            # watchers first: who is told that an append is done may ask for it at once
            for loop, watcher in self._watchers if fresh else ():
                _in_loop(loop, watcher, dict(fresh))
            _settle(appends, offsets, None)
        self._count_queued(-sum(job.size for job in appends))

    def _do(self, job: Call) -> None:
        try:
            job.done.set_result(job.run(self._db))
        except Exception as exc:  # handed to the caller, who waits for it
            job.done.set_exception(exc)

    def _keep_house(self) -> None:
        try:
            more = retention.keep(self._db, self._index)
        except Exception as exc:  # it is tried again; the thread has to go on
            _log.error("the log could not be trimmed: %s", exc)
            more = False
        self._next_housekeeping = time.monotonic() + (0.0 if more else HOUSEKEEPING_S)


_END: Final = "end"
_FULL: Final = "full"


def _in_loop(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    try:
        loop.call_soon_threadsafe(function, *arguments)
    except RuntimeError:
        # the loop has been closed: nobody waits there any more
        _log.debug("a loop that waited for the log is closed")


def _settle(appends: list[Append], offsets: list[list[int]] | None, failure: Exception | None) -> None:
    """Answer every append, with one wake-up for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[int]] = defaultdict(list)
    for at, job in enumerate(appends):
        by_loop[job.loop].append(at)

    def answer(which: list[int]) -> None:
        for at in which:
            done = appends[at].done
            if done.done():
                continue
            if failure is not None:
                done.set_exception(failure)
            elif offsets is not None:
                done.set_result(offsets[at])

    for loop, which in by_loop.items():
        _in_loop(loop, answer, which)

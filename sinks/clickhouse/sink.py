"""The sink that stores batches in ClickHouse, once each, in a worker thread of its own.

A first write carries a deduplication token. That alone is not enough: MergeTree notes the token before it renames
the part, so that a process killed in between would find its retry dropped. A batch that may have been written
before (`replay`) is therefore compared with what is stored, and only offsets that are missing are inserted, with
deduplication off. This rests on the rows of one message being stored together: every table goes in as one block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.columns import RetentionDays
from schemas.errors import PermanentSinkError, RetryableSinkError, SettingsError
from schemas.tables import BY_NAME
from sinks.clickhouse.client import connect
from sinks.clickhouse.deduplication import deduplication
from sinks.clickhouse.errors import sink_error
from sinks.clickhouse.mend import mend
from sinks.clickhouse.migrations import migrate
from sinks.contract import Batch, Mend

STORED_OFFSETS: Final = """\
SELECT DISTINCT SourceOffset FROM {table:Identifier}
WHERE SourceTopic = {topic:String} AND SourcePartition = {partition:UInt32}
  AND SourceOffset BETWEEN {first:UInt64} AND {last:UInt64}"""

# one block a table: never split by size, nor refused for the number of partitions
ONE_BLOCK: Final = {"max_partitions_per_insert_block": 0, "max_insert_threads": 1}

# A new part gets its skipping indexes when it is merged, which writes them anew in any case: writing them here as
# well takes half of the time of an insert. Until then a search reads all of that part, and it is a small one.
INDEX_LATER: Final = {"materialize_skip_indexes_on_insert": 0}


class ClickHouseSink:
    """Stores batches. Contract: `sinks.contract.Sink[Batch]`; writes run one after the other."""

    def __init__(self, url: str, retention: RetentionDays = RetentionDays()) -> None:  # noqa: B008 - immutable
        self._url = url
        self._retention = retention
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="clickhouse-sink")
        self._client: Client | None = None
        self._started = False

    async def start(self) -> None:
        """Connect and migrate; raises SettingsError."""
        await self._run(self._open)

    async def write(self, batch: Batch) -> None:
        """Store a batch; see `sinks.contract.Sink`."""
        await self._run(lambda: self._write(batch))

    async def mend(self, mends: Sequence[Mend]) -> None:
        """Show calls under another session; see `sinks.contract.Mend`."""
        await self._run(lambda: self._with_client("mend", lambda client: mend(client, mends)))

    async def close(self) -> None:
        """Wait for the write under way, then release the client."""
        await asyncio.to_thread(self._close)

    async def _run(self, work: Callable[[], None]) -> None:
        try:
            future = self._worker.submit(work)
        except RuntimeError as error:
            raise PermanentSinkError("the sink is closed") from error
        # a write that was begun goes on to its end when its caller is cancelled; `close` waits for it
        await asyncio.shield(asyncio.wrap_future(future))

    def _open(self) -> None:
        self._client = connect(self._url)
        migrate(self._client, self._retention)
        self._started = True

    def _close(self) -> None:
        self._worker.shutdown(wait=True)
        self._drop_client()

    def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _with_client(self, what: str, work: Callable[[Client], None]) -> None:
        """Do work; after a failure the next one gets a client of its own.

        chDB puts what a failed query had already written in front of the same client's next answer.
        """
        if not self._started:
            raise RetryableSinkError("the sink is not started")
        try:
            if self._client is None:
                self._client = connect(self._url)
            work(self._client)
        except SettingsError as error:
            raise RetryableSinkError(str(error)) from error
        except (ClickHouseError, pa.ArrowException) as error:
            self._drop_client()
            raise sink_error(what, error) from error

    def _write(self, batch: Batch) -> None:
        for name, rows in batch.tables.items():
            if name not in BY_NAME:
                raise PermanentSinkError(f"there is no table {name!r}")
            self._with_client(name, partial(_store, batch, name, rows))


def _store(batch: Batch, name: str, rows: pa.Table, client: Client) -> None:
    token = ""
    if batch.replay and not batch.upsert:
        rows = _missing(client, batch, name, rows)
    elif not batch.upsert:
        token = f"{batch.topic}:{batch.partition}:{batch.first_offset}-{batch.last_offset}:{name}"
    if rows.num_rows:
        settings = ONE_BLOCK | INDEX_LATER | deduplication(client, token)
        client.insert_arrow(name, rows.combine_chunks(), settings=settings)


def _missing(client: Client, batch: Batch, name: str, rows: pa.Table) -> pa.Table:
    """The rows whose offset is not stored yet."""
    parameters = {
        "table": name,
        "topic": batch.topic,
        "partition": batch.partition,
        "first": batch.first_offset,
        "last": batch.last_offset,
    }
    stored = client.query(STORED_OFFSETS, parameters=parameters).result_columns
    if not stored or not len(stored[0]):
        return rows
    known = pc.is_in(rows.column("SourceOffset"), value_set=pa.array(stored[0], pa.uint64()))
    return rows.filter(pc.invert(known))

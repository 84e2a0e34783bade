"""The sink that stores batches in ClickHouse, once each, in a worker thread of its own.

A first write carries a deduplication token. That alone is not enough: MergeTree notes the token before it renames
the part, so that a process killed in between would find its retry dropped. A batch that may have been written
before (`replay`) is therefore repaired, table by table:

1. an insert of this batch that still runs at the server, for a client that is gone or gave up, is ended;
2. offsets that are missing are looked for, and if all are, the batch is inserted with its token once more: a writer
   that was paused meanwhile finds the token used, and its late insert is dropped;
3. what is missing even then, because the token had been noted without the rows, is inserted with a token of its own.

This rests on the rows of one message being stored together: every table goes in as one block.
"""

from __future__ import annotations

import asyncio
import uuid
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
from sinks.clickhouse.migrations import migrate, problems
from sinks.contract import Batch, Mend

STORED_OFFSETS: Final = """\
SELECT DISTINCT SourceOffset FROM {table:Identifier}
WHERE SourceTopic = {topic:String} AND SourcePartition = {partition:UInt32}
  AND SourceOffset BETWEEN {first:UInt64} AND {last:UInt64}"""

# SYNC: returns when it has ended. Everybody may end queries of their own.
END_EARLIER: Final = "KILL QUERY WHERE Settings['log_comment'] = {mark:String} SYNC"

# one block a table: never split by size, nor refused for the number of partitions
ONE_BLOCK: Final = {"max_partitions_per_insert_block": 0, "max_insert_threads": 1}

# A new part gets its skipping indexes, and loses rows that newer ones of it replace, when it is merged, which does
# both anew in any case: doing it here as well takes half of the time of an insert. Until then a search reads all of
# that part, and it is a small one; readers of tables whose rows are replaced read them with `final`.
AT_MERGE: Final = {"materialize_skip_indexes_on_insert": 0, "optimize_on_insert": 0}


class ClickHouseSink:
    """Stores batches. Contract: `sinks.contract.Sink[Batch]`; writes run one after the other.

    Args:
        url: The store, see `sinks.clickhouse.client`.
        retention: How long rows are kept; set where tables are created.
        create: Tables are created and brought up to date at the start; False: a store that lacks any is refused.
    """

    def __init__(
        self,
        url: str,
        retention: RetentionDays = RetentionDays(),  # noqa: B008 - immutable
        *,
        create: bool = True,
    ) -> None:
        self._url = url
        self._create = create
        self._retention = retention
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="clickhouse-sink")
        self._client: Client | None = None
        self._started = False

    async def start(self) -> None:
        """Connect, and migrate or see that nothing is missing; raises SettingsError."""
        await self._run(self._open)

    async def write(self, batch: Batch) -> None:
        """Store a batch; see `sinks.contract.Sink`."""
        await self._run(lambda: self._write(batch))

    async def mend(self, mends: Sequence[Mend]) -> None:
        """Show calls under another session; see `sinks.contract.Mend`."""
        await self._run(lambda: self._with_client("mend", lambda client: mend(client, mends)))

    async def dead_letters(self, topic: str, partition: int, first: int, last: int) -> frozenset[int]:
        """Offsets from first to last, both included, that have a dead letter; raises SinkError."""
        found: list[int] = []

        def ask(client: Client) -> None:
            found.extend(_stored_offsets(client, "dead_letters", topic, partition, (first, last)))

        await self._run(lambda: self._with_client("dead_letters", ask))
        return frozenset(found)

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
        if self._create:
            migrate(self._client, self._retention)
        elif wrong := problems(self._client):
            raise SettingsError("the ClickHouse store cannot be used: " + "; ".join(wrong))
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
    token = f"{batch.topic}:{batch.partition}:{batch.first_offset}-{batch.last_offset}:{name}"
    if not rows.num_rows:
        return
    if batch.upsert:
        _insert(client, name, rows, token="", mark=token)
    elif batch.replay:
        _repair(batch, name, rows, client, token)
    else:
        _insert(client, name, rows, token, mark=token)


def _repair(batch: Batch, name: str, rows: pa.Table, client: Client, token: str) -> None:
    client.command(END_EARLIER, parameters={"mark": token})
    missing = _missing(client, batch, name, rows)
    if missing.num_rows == rows.num_rows:
        _insert(client, name, rows, token, mark=token)
        missing = _missing(client, batch, name, rows)
    if missing.num_rows:
        _insert(client, name, missing, token=f"{token}:{uuid.uuid4().hex}", mark=token)


def _insert(client: Client, name: str, rows: pa.Table, token: str, mark: str) -> None:
    """Insert rows as one block; of two inserts with one token the second is dropped, `mark` tells which batch it is."""
    settings = ONE_BLOCK | AT_MERGE | deduplication(client, token) | {"log_comment": mark}
    client.insert_arrow(name, rows.combine_chunks(), settings=settings)


def _missing(client: Client, batch: Batch, name: str, rows: pa.Table) -> pa.Table:
    """The rows whose offset is not stored yet."""
    between = (batch.first_offset, batch.last_offset)
    stored = _stored_offsets(client, name, batch.topic, batch.partition, between)
    if not len(stored):
        return rows
    known = pc.is_in(rows.column("SourceOffset"), value_set=pa.array(stored, pa.uint64()))
    return rows.filter(pc.invert(known))


def _stored_offsets(client: Client, table: str, topic: str, partition: int, between: tuple[int, int]) -> Sequence[int]:
    """Offsets, among those between two, both included, that have a row in a table."""
    first, last = between
    parameters = {"table": table, "topic": topic, "partition": partition, "first": first, "last": last}
    columns: Sequence[Sequence[int]] = client.query(STORED_OFFSETS, parameters=parameters).result_columns
    return columns[0] if columns else ()

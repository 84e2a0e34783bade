"""The writing client of the API: what people and agents decide. Rows are few, and each is durable when told.

The embedded engine takes one process a folder: there, this client and the stream's sink stand in one process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.errors import QueryError, SettingsError
from schemas.tables import Table
from sinks.clickhouse import connect
from sinks.clickhouse.deduplication import deduplication


class Writer:
    """Inserts rows, one insert after the other. `close` once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="query-writer")
        self._client: Client | None = None

    async def insert(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows whose values stand as `table.sent` has them; raises QueryError where they are not stored."""
        await asyncio.shield(asyncio.wrap_future(self._worker.submit(self._insert, table, rows)))

    def close(self) -> None:
        """Wait for the insert under way, then release the client."""
        self._worker.shutdown(wait=True)
        self._drop()

    def _insert(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        names = [column.name for column in table.sent]
        try:
            if self._client is None:
                self._client = connect(self._url)
            self._client.insert(table.name, rows, column_names=names, settings=deduplication(self._client))
        except (ClickHouseError, SettingsError) as error:
            self._drop()
            raise QueryError("store_unavailable", f"this could not be stored: {error}"[:500], status=503) from error

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

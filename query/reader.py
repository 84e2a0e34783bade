"""Read-only clients of the store, one for each thread of a small pool."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import orjson
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.errors import QueryError, SettingsError
from sinks.clickhouse import connect

MAX_ROWS: Final = 10_000
MAX_WAITING: Final = 64
"""Queries that may wait for a thread."""

# Set in this order on every client; once `readonly` is set none of them can be changed again, by no SQL either.
SETTINGS: Final[dict[str, Any]] = {
    "final": 1,
    "timeout_before_checking_execution_speed": 0,
    "max_memory_usage": 500_000_000,
    "max_threads": 2,
    "max_block_size": 8192,
    "max_result_rows": MAX_ROWS,
    "max_result_bytes": 32_000_000,
    "result_overflow_mode": "break",
    "max_recursive_cte_evaluation_depth": 100,
    "date_time_output_format": "iso",
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_denormals": 0,
    "readonly": 1,
}

# Numbers of ClickHouse's errors: https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
_CODES: Final[dict[int, tuple[str, str]]] = {
    6: ("wrong_type", "...OrNull functions give NULL where text cannot be parsed"),
    38: ("wrong_type", "...OrNull functions give NULL where text cannot be parsed"),
    41: ("wrong_type", "...OrNull functions give NULL where text cannot be parsed"),
    42: ("wrong_arguments", "the function takes another number of arguments"),
    43: ("wrong_type", "cast to the type that the function takes"),
    46: ("unknown_function", "function names of ClickHouse are case-sensitive"),
    47: ("unknown_column", "columns: SELECT * FROM the table LIMIT 1"),
    53: ("wrong_type", "cast to the type that is compared with"),
    60: ("unknown_table", ""),
    62: ("syntax", "this is ClickHouse SQL"),
    70: ("wrong_type", "cast to the type that is needed"),
    159: ("timeout", "ask for less: a narrower time range, fewer columns, no cross join"),
    160: ("timeout", "ask for less: a narrower time range, fewer columns, no cross join"),
    164: ("not_allowed", "only reading is possible here"),
    215: ("not_aggregated", "put the column into GROUP BY or an aggregate"),
    241: ("memory_limit", "ask for less: aggregate, or filter before joining and sorting"),
    386: ("wrong_type", "cast to the type that is compared with"),
}

TOO_MUCH: Final = frozenset({"timeout", "memory_limit"})
"""The store could not do it now; with less to do, or more to do it with, it could."""


class Table(NamedTuple):
    """The answer to one query."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[list[Any]]

    def as_dicts(self) -> list[dict[str, Any]]:
        """Each row by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Reader:
    """Runs queries. Times come as RFC 3339, NaN as None."""

    def __init__(self, url: str, threads: int = 4, timeout_s: int = 10, max_waiting: int = MAX_WAITING) -> None:
        self._url = url
        self._max_waiting = max_waiting
        self._settings = {"max_execution_time": timeout_s, **SETTINGS}
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="query")
        self._own = threading.local()
        self._clients: set[Client] = set()
        self._lock = threading.Lock()
        self._waiting = 0
        self._theirs = asyncio.Semaphore(max(1, threads - 1))
        """A thread is left to our own queries: a statement of a user's may take all the time it is given."""

    async def query_theirs(self, sql: str) -> Table:
        """Run a statement of a user's, that `query.sql.safe_sql` wrote; as `query`, and one thread is never taken."""
        with self._counted(self._max_waiting // 2 if self._theirs.locked() else self._max_waiting):
            async with self._theirs:
                return await asyncio.wrap_future(self._pool.submit(self._run, sql, {}, True))

    async def query(self, sql: str, parameters: dict[str, Any] | None = None, *, final: bool = True) -> Table:
        """Run one query.

        Args:
            sql: Our own text.
            parameters: Values of `{name:Type}` in it.
            final: Whether rows that were told again are left out, which takes ten times as long.

        Raises:
            QueryError: It failed, took too long or the store is not there.
        """
        with self._counted(self._max_waiting):
            return await asyncio.wrap_future(self._pool.submit(self._run, sql, parameters or {}, final))

    @contextmanager
    def _counted(self, most: int) -> Iterator[None]:
        """One of the queries that wait or run, unless there are so many."""
        if self._waiting >= most:
            raise QueryError("busy", "too many queries are waiting", hint="try again in a second", status=429)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Wait for what runs, then close every client."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for client in self._clients:
            client.close()
        self._clients.clear()

    def _run(self, sql: str, parameters: dict[str, Any], final: bool) -> Table:
        try:
            body = self._client(final).raw_query(sql, parameters=parameters, fmt="JSONCompact")
        except ClickHouseError as error:
            # chDB puts what a failed query had already written in front of the next answer of the same client.
            self._drop_client(final)
            raise _query_error(str(error)) from error
        if not body:
            return Table((), (), [])
        answer = orjson.loads(body)
        meta = answer["meta"]
        return Table(tuple(m["name"] for m in meta), tuple(m["type"] for m in meta), answer["data"])

    def _client(self, final: bool) -> Client:
        """This thread's own; of either kind one, because what only reads cannot change its settings."""
        own: dict[bool, Client] = self._own.__dict__.setdefault("clients", {})
        client = own.get(final)
        if client is None:
            try:
                client = connect(self._url)
            except SettingsError as error:
                raise QueryError("store_unavailable", str(error), status=503) from error
            for name, value in {**self._settings, "final": int(final)}.items():
                client.set_client_setting(name, value)
            own[final] = client
            with self._lock:
                self._clients.add(client)
        return client

    def _drop_client(self, final: bool) -> None:
        client: Client = self._own.clients.pop(final)
        with self._lock:
            self._clients.discard(client)
        client.close()


# What a server and its client put around the message: HTTP status, address, version, the error's symbolic name.
_AROUND: Final = re.compile(
    r"^(Received ClickHouse exception, code: \d+, server response: )?(Code: \d+\. DB::Exception: )+(default: )?"
    r"|\s*\(for url [^)]*\)|\s*\(version [^()]*(\([^()]*\))?\)|\s*\([A-Z_]+\)\.?"
)


def _query_error(text: str) -> QueryError:
    numbers = re.findall(r"Code: (\d+)\.", text)
    if not numbers:  # no answer of the database at all; the client's own text names addresses
        return QueryError("store_unavailable", "the database does not answer", status=503)
    code, hint = _CODES.get(int(numbers[-1]), ("query_failed", ""))
    status = 503 if code in TOO_MUCH else 400
    return QueryError(code, _AROUND.sub("", text.strip()).strip()[:500], hint=hint, status=status)

"""What a store holds: version, tables, migrations, room on its disks, how fresh it is. Only asks."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from schemas.columns import RetentionDays
from schemas.errors import SettingsError
from schemas.tables import BY_NAME
from sinks.clickhouse.migrations import RECORD_TABLE, plan, problems

ABOUT: Final = "SELECT version(), uptime(), currentUser(), currentDatabase()"
SIZES: Final = """\
SELECT table, sum(rows), sum(bytes_on_disk), count(), max(parts_of) FROM (
    SELECT table, rows, bytes_on_disk, count() OVER (PARTITION BY table, partition_id) AS parts_of
    FROM system.parts WHERE active AND database = currentDatabase()
) GROUP BY table"""
DISKS: Final = "SELECT name, free_space, total_space FROM system.disks WHERE total_space > 0"
STEPS: Final = "SELECT Number, Name, toString(AppliedAt) FROM schema_migrations FINAL ORDER BY Number"
# `StoredAt` is the partition: only today's and yesterday's are read
FRESH: Final = """\
SELECT toUnixTimestamp(max(StoredAt)), toUnixTimestamp(max(Timestamp)) FROM otel_traces
WHERE StoredAt > now() - INTERVAL 1 DAY"""
BURIED: Final = """\
SELECT SourceTopic, count() FROM dead_letters WHERE StoredAt > now() - INTERVAL 1 DAY
GROUP BY SourceTopic ORDER BY count() DESC LIMIT 20"""


class TableFound(NamedTuple):
    """One table of ours as it is."""

    rows: int
    bytes: int
    parts: int
    parts_in_one: int
    """Of the partition that has the most."""


class Disk(NamedTuple):
    """One disk of the server."""

    name: str
    free_bytes: int
    total_bytes: int


class Store(NamedTuple):
    """What was found."""

    version: str
    uptime_s: int
    user: str
    database: str
    tables: dict[str, TableFound]
    """Those that hold rows."""
    missing: tuple[str, ...]
    """What keeps this program from storing here, a sentence each with its repair."""
    steps: tuple[tuple[int, str, str], ...]
    """Number, name and time of the migrations taken."""
    retention: dict[str, str]
    """Table -> the TTL that the settings ask for and it has not."""
    disks: tuple[Disk, ...]
    stored_unix_s: int
    """When the newest span was stored, within a day; 0: none was."""
    newest_unix_s: int
    """Event time of the newest span."""
    dead_letters: dict[str, int]
    """Topic -> dead letters of the last day."""


def survey(client: Client, days: RetentionDays) -> Store:
    """Ask a store everything; raises ClickHouseError."""

    def rows(sql: str) -> list[Any]:
        return list(client.query(sql).result_rows)

    ((version, uptime_s, user, database),) = rows(ABOUT)
    there = {str(row[0]) for row in rows("SELECT name FROM system.tables WHERE database = currentDatabase()")}
    ((stored, newest),) = rows(FRESH) if "otel_traces" in there else ((0, 0),)
    try:
        retention = plan(client, days).retention
    except SettingsError:  # `missing` says it
        retention = {}
    return Store(
        version=str(version),
        uptime_s=int(uptime_s),
        user=str(user),
        database=str(database),
        tables={str(name): TableFound(*map(int, sizes)) for name, *sizes in rows(SIZES) if name in BY_NAME},
        missing=tuple(problems(client)),
        steps=tuple((int(n), str(name), str(at)) for n, name, at in rows(STEPS)) if RECORD_TABLE in there else (),
        retention=retention,
        disks=tuple(Disk(str(name), int(free), int(total)) for name, free, total in rows(DISKS)),
        stored_unix_s=int(stored),
        newest_unix_s=int(newest),
        dead_letters={str(topic): int(n) for topic, n in rows(BURIED)} if "dead_letters" in there else {},
    )

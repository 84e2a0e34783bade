"""The schema comes up in recorded steps, again and again, and after an interruption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.columns import RetentionDays
from schemas.errors import SettingsError
from schemas.tables import BY_NAME, TABLES, VIEWS
from schemas.tables.ddl import create_table
from sinks.clickhouse import connect, migrate
from sinks.clickhouse.migrations import MIGRATIONS, Migration

DAYS = RetentionDays()
DECLARED = {table.name for table in TABLES} | {view.name for view in VIEWS}


@pytest.fixture
def empty(folder: Path) -> Iterator[Client]:
    found = connect(f"chdb://{folder}")
    yield found
    found.close()


def names(client: Client) -> set[str]:
    return {row[0] for row in client.query("SHOW TABLES").result_rows}


def recorded(client: Client) -> list[tuple[int, str]]:
    return [tuple(r) for r in client.query("SELECT Number, Name FROM schema_migrations ORDER BY Number").result_rows]


def test_every_table_and_view_is_made_and_the_step_is_recorded(empty: Client) -> None:
    assert migrate(empty, DAYS) == [1]
    assert names(empty) >= DECLARED
    assert recorded(empty) == [(1, "tables and views as declared")]


def test_the_second_time_there_is_nothing_to_do(empty: Client) -> None:
    migrate(empty, DAYS)
    assert migrate(empty, DAYS) == []
    assert recorded(empty) == [(1, "tables and views as declared")]


def test_a_step_that_was_interrupted_is_taken_again(empty: Client) -> None:
    def broken(days: RetentionDays) -> Sequence[str]:
        statements = list(MIGRATIONS[0].statements(days))
        return [*statements[:5], "CREATE NONSENSE", *statements[5:]]

    with pytest.raises(ClickHouseError):
        migrate(empty, DAYS, (Migration(1, "interrupted", broken),))
    assert recorded(empty) == []
    assert TABLES[4].name in names(empty)
    assert migrate(empty, DAYS) == [1]
    assert names(empty) >= DECLARED


def test_later_steps_follow_in_order_and_only_once(empty: Client) -> None:
    migrate(empty, DAYS)
    added = Migration(2, "a column", lambda days: ["ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS Extra String"])
    assert migrate(empty, DAYS, (*MIGRATIONS, added)) == [2]
    assert migrate(empty, DAYS, (*MIGRATIONS, added)) == []


def test_a_store_of_a_newer_version_is_refused(empty: Client) -> None:
    newer = Migration(2, "from the future", lambda days: [])
    migrate(empty, DAYS, (*MIGRATIONS, newer))
    with pytest.raises(SettingsError, match="knows migration 2, this version only 1"):
        migrate(empty, DAYS)


def test_the_store_has_the_declared_columns_in_order(empty: Client) -> None:
    migrate(empty, DAYS)
    for table in TABLES:
        found = [row[0] for row in empty.query(f"DESCRIBE TABLE {table.name}").result_rows]
        assert found == [column.name for column in table.columns], table.name
    for view in VIEWS:
        if view.columns:
            found = [tuple(row[:2]) for row in empty.query(f"DESCRIBE TABLE {view.name}").result_rows]
            assert found == [(column.name, column.type) for column in view.columns], view.name


def test_another_retention_changes_the_ttl_of_the_tables_it_is_for(empty: Client) -> None:
    migrate(empty, DAYS)
    migrate(empty, RetentionDays(telemetry=7))
    definitions = {
        name: str(empty.command(f"SHOW CREATE TABLE {name}")) for name in ("otel_traces", "tool_calls", "series_1m")
    }
    assert "toIntervalDay(7)" in definitions["otel_traces"]
    assert "toIntervalDay(90)" in definitions["tool_calls"]
    assert "toIntervalDay(400)" in definitions["series_1m"]


def test_rows_of_1970_are_kept_as_long_as_any_other(empty: Client) -> None:
    migrate(empty, DAYS)
    empty.command("INSERT INTO otel_traces (Timestamp, TraceId) VALUES (0, 'old'), ('2262-01-01', 'far')")
    empty.command("OPTIMIZE TABLE otel_traces FINAL")
    assert empty.query("SELECT TraceId FROM otel_traces ORDER BY Timestamp").result_rows == [("old",), ("far",)]


def test_every_table_has_a_ttl_and_deduplicates() -> None:
    for table in BY_NAME.values():
        ddl = create_table(table, DAYS)
        assert "TTL StoredAt + toIntervalDay(" in ddl, table.name
        assert "non_replicated_deduplication_window" in ddl, table.name

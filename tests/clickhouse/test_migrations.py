"""The schema comes up in recorded steps, again and again, and after an interruption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.columns import RetentionDays
from schemas.errors import SettingsError
from schemas.tables import BY_NAME, FACTS, TABLES, VIEWS
from schemas.tables.ddl import create_table
from schemas.tables.facts import KEY_SESSION
from sinks.clickhouse import ClickHouseSink, connect, migrate
from sinks.clickhouse.migrations import MIGRATIONS, RECORD, Migration, Plan, plan, problems

DAYS = RetentionDays()
STEPS = [(step.number, step.name) for step in MIGRATIONS]
NUMBERS = [step.number for step in MIGRATIONS]
NEXT = NUMBERS[-1] + 1
DECLARED = {table.name for table in TABLES} | {view.name for view in VIEWS}


@pytest.fixture
def empty(fresh_url: str) -> Iterator[Client]:
    found = connect(fresh_url)
    yield found
    found.close()


def names(client: Client) -> set[str]:
    return {row[0] for row in client.query("SHOW TABLES").result_rows}


def recorded(client: Client) -> list[tuple[int, str]]:
    return [tuple(r) for r in client.query("SELECT Number, Name FROM schema_migrations ORDER BY Number").result_rows]


def test_every_table_and_view_is_made_and_the_step_is_recorded(empty: Client) -> None:
    assert migrate(empty, DAYS) == NUMBERS
    assert names(empty) >= DECLARED
    assert recorded(empty) == STEPS


def test_the_second_time_there_is_nothing_to_do(empty: Client) -> None:
    migrate(empty, DAYS)
    assert migrate(empty, DAYS) == []
    assert recorded(empty) == STEPS


def test_a_step_that_was_interrupted_is_taken_again(empty: Client) -> None:
    def broken(days: RetentionDays) -> Sequence[str]:
        statements = list(MIGRATIONS[0].statements(days))
        return [*statements[:5], "CREATE NONSENSE", *statements[5:]]

    with pytest.raises(ClickHouseError):
        migrate(empty, DAYS, (Migration(1, "interrupted", broken),))
    assert recorded(empty) == []
    assert TABLES[4].name in names(empty)
    assert migrate(empty, DAYS) == NUMBERS
    assert names(empty) >= DECLARED


def test_later_steps_follow_in_order_and_only_once(empty: Client) -> None:
    migrate(empty, DAYS)
    added = Migration(NEXT, "a column", lambda days: ["ALTER TABLE otel_traces ADD COLUMN IF NOT EXISTS Extra String"])
    assert migrate(empty, DAYS, (*MIGRATIONS, added)) == [NEXT]
    assert migrate(empty, DAYS, (*MIGRATIONS, added)) == []


def test_a_store_of_a_newer_version_is_refused(empty: Client) -> None:
    newer = Migration(NEXT, "from the future", lambda days: [])
    migrate(empty, DAYS, (*MIGRATIONS, newer))
    with pytest.raises(SettingsError, match=f"knows migration {NEXT}, this version only {NUMBERS[-1]}"):
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


def test_findings_of_an_older_store_come_into_the_feed(empty: Client) -> None:
    migrate(empty, DAYS, MIGRATIONS[:1])
    for name in ("finding_revisions", "finding_revisions_filled"):
        empty.command(f"DROP TABLE {name}")
    empty.command(
        "INSERT INTO findings (Id, Precedence, Document, SourceOffset) VALUES ('a', 1, '{}', 7), ('b', 1, '', 8)"
    )
    empty.command("INSERT INTO findings (Id, Precedence, Document, SourceOffset) VALUES ('a', 2, '{}', 9)")
    migrate(empty, DAYS)
    sql = "SELECT Id, Precedence, SourceOffset FROM finding_revisions FINAL ORDER BY SourceOffset"
    assert empty.query(sql).result_rows == [("b", 1, 8), ("a", 2, 9)]
    empty.command("INSERT INTO findings (Id, Precedence, Document, SourceOffset) VALUES ('a', 3, '{}', 10)")
    assert empty.query(sql).result_rows[-1] == ("a", 3, 10)


def test_calls_of_an_older_store_stay_and_later_ones_are_told_apart_by_session(empty: Client) -> None:
    migrate(empty, DAYS, MIGRATIONS[:6])
    for table in FACTS:
        older = replace(
            table,
            columns=tuple(column for column in table.columns if column != KEY_SESSION),
            order_by=table.order_by.replace(", KeySession", ""),
        )
        empty.command(f"DROP TABLE {table.name}")
        empty.command(create_table(older, DAYS))
    there = "INSERT INTO model_calls (SessionId, Version) VALUES ('old', 0)"
    empty.command(there)
    assert [step.number for step in plan(empty, DAYS).steps] == [7]
    assert "facts without any id" in problems(empty)[0]
    assert migrate(empty, DAYS) == [7]
    assert problems(empty) == []
    for table in FACTS:
        assert f"ORDER BY {table.order_by}" in str(empty.command(f"SHOW CREATE TABLE {table.name}"))
        described = [row[0] for row in empty.query(f"DESCRIBE TABLE {table.name}").result_rows]
        assert described == [column.name for column in table.columns]
    empty.command(there)  # by a worker of the version before
    empty.command("INSERT INTO model_calls (SessionId, KeySession) VALUES ('one', 'one'), ('two', 'two')")
    empty.command("OPTIMIZE TABLE model_calls FINAL")
    stored = empty.query("SELECT SessionId FROM model_calls FINAL ORDER BY SessionId").result_rows
    assert stored == [("old",), ("one",), ("two",)]


def test_a_plan_says_what_is_missing_and_changes_nothing(empty: Client) -> None:
    found = plan(empty, DAYS)
    assert [step.number for step in found.steps] == NUMBERS
    assert names(empty) == set()
    migrate(empty, DAYS)
    assert plan(empty, DAYS) == Plan((), {})
    assert set(plan(empty, RetentionDays(telemetry=7)).retention) >= {"otel_traces", "dead_letters"}


def test_parts_are_merged_seldom_where_the_engine_can_be_told(empty: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.setattr("sinks.clickhouse.migrations.MERGE_SETTING", "a_setting_of_a_later_engine")
        migrate(empty, DAYS)
        assert plan(empty, DAYS) == Plan((), {})
    assert set(plan(empty, DAYS).seldom) == {table.name for table in TABLES}
    migrate(empty, DAYS)
    assert plan(empty, DAYS) == Plan((), {})


def test_a_store_without_tables_is_no_place_to_work(empty: Client) -> None:
    (found,) = problems(empty)
    assert "migrations are missing: 1 (tables and views as declared)" in found
    assert "telltale migrate" in found
    migrate(empty, DAYS)
    assert problems(empty) == []


def test_a_table_of_another_program_and_a_lost_one_are_told(empty: Client) -> None:
    empty.command("CREATE TABLE otel_traces (Timestamp DateTime64(9), TraceId String) ENGINE = MergeTree ORDER BY ()")
    empty.command(RECORD)
    for step in MIGRATIONS:
        empty.insert("schema_migrations", [[step.number, step.name]], column_names=["Number", "Name"])
    found = problems(empty)
    assert len(found) == len(TABLES)
    assert any(one.startswith("table otel_traces has no column SpanId") for one in found)
    assert any(one.startswith("table tool_calls is gone") for one in found)


async def test_a_worker_of_a_fleet_refuses_a_store_that_is_not_prepared(fresh_url: str) -> None:
    worker = ClickHouseSink(fresh_url, create=False)
    with pytest.raises(SettingsError, match="telltale migrate"):
        await worker.start()
    await worker.close()
    maker = ClickHouseSink(fresh_url)
    await maker.start()
    await maker.close()
    worker = ClickHouseSink(fresh_url, create=False)
    await worker.start()
    await worker.close()

"""The rows of the real Collector, column by column, through the real engine; and its tables."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from pipeline.decode import decode, decode_json
from schemas.tables import BY_NAME
from tests.decode import golden

OURS = ("SourceTopic", "SourcePartition", "SourceOffset")
QUOTED = {"output_format_json_quote_64bit_integers": 1, "output_format_json_quote_denormals": 1}
TABLES = sorted(name for name in BY_NAME if name.startswith("otel_"))


def stored(client: Client, table: str) -> list[dict[str, Any]]:
    """All rows of a table without our own columns, sorted; the table is emptied."""
    text = client.raw_query(f"SELECT * FROM {table}", fmt="JSONEachRow", settings=QUOTED).decode()  # noqa: S608
    client.command(f"TRUNCATE TABLE {table}")
    found = [json.loads(line) for line in text.splitlines()]
    return golden.ordered([{k: v for k, v in row.items() if k not in OURS} for row in found])


def test_rows_of_protobuf_are_the_collectors(client: Client) -> None:
    for signal, messages in golden.protobuf_messages().items():
        decoded = decode(signal, messages)
        assert decoded.dead_letters == []
        for name, rows in decoded.tables.items():
            client.insert_arrow(name, rows)
    for table in TABLES:
        assert stored(client, table) == golden.rows(table), table


def test_rows_of_json_are_the_collectors(client: Client) -> None:
    decoded = decode_json(golden.json_messages())
    assert decoded.dead_letters == []
    for name, rows in decoded.tables.items():
        client.insert_arrow(name, rows)
    for table in TABLES:
        assert stored(client, table) == golden.rows(table), table


def columns(ddl: str) -> list[str]:
    """The column lines of a CREATE TABLE."""
    return [line.strip().rstrip(",") for line in ddl.splitlines() if line.strip().startswith("`")]


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_the_collectors_and_then_ours(client: Client, table: str) -> None:
    theirs = columns((golden.FOLDER / f"{table}.sql").read_text())
    created = client.raw_query(f"SHOW CREATE TABLE {table}", fmt="TSVRaw").decode()
    assert len(theirs) > 2
    assert columns(created)[: len(theirs)] == theirs
    added = [re.findall(r"`([^`]+)`", line)[0] for line in columns(created)[len(theirs) :]]
    assert added == [*(OURS if table != "otel_traces_trace_id_ts" else ()), "StoredAt"]


@pytest.mark.parametrize("table", TABLES)
def test_the_collectors_indexes_and_sort_key_are_there(client: Client, table: str) -> None:
    theirs = (golden.FOLDER / f"{table}.sql").read_text()
    created = client.raw_query(f"SHOW CREATE TABLE {table}", fmt="TSVRaw").decode()
    wanted = [line.strip().rstrip(",") for line in theirs.splitlines() if line.strip().startswith("INDEX")]
    wanted += [line for line in theirs.splitlines() if line.startswith(("ORDER BY", "PRIMARY KEY", "ENGINE"))]
    assert [line for line in wanted if line not in created] == []

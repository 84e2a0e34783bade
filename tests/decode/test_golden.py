"""JSON and protobuf of the golden requests give equal tables; the rows themselves are checked in tests/clickhouse."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.decode import decode, decode_json, request_from_json
from pipeline.message import Message
from schemas.tables import BY_NAME
from schemas.topics import SOURCES, Signal
from tests.decode import golden

SIGNALS: tuple[Signal, ...] = ("traces", "logs", "metrics")


def without_topic(table: pa.Table) -> pa.Table:
    return table.drop_columns(["SourceTopic"])


@pytest.mark.parametrize("signal", SIGNALS)
def test_json_straight_to_columns_equals_protobuf(signal: Signal) -> None:
    tables = decode(signal, golden.protobuf_messages()[signal]).tables
    decoded = decode_json(golden.json_messages())
    assert decoded.dead_letters == []
    assert {name: without_topic(decoded.tables[name]).equals(without_topic(rows)) for name, rows in tables.items()} == (
        dict.fromkeys(tables, True)
    )


@pytest.mark.parametrize("signal", SIGNALS)
def test_json_by_way_of_protobuf_equals_protobuf(signal: Signal) -> None:
    found = []
    for message in golden.json_messages():
        for of, body in request_from_json(None, message.value):
            if of == signal:
                found.append(message._replace(topic=SOURCES[signal].name, value=body))
    wanted = decode(signal, golden.protobuf_messages()[signal])
    assert decode(signal, found) == wanted


@pytest.mark.parametrize("signal", SIGNALS)
def test_tables_have_the_declared_columns(signal: Signal) -> None:
    for name, rows in decode(signal, golden.protobuf_messages()[signal]).tables.items():
        assert rows.schema == BY_NAME[name].schema
        rows.validate(full=True)


def test_rows_carry_where_they_came_from() -> None:
    messages = [m._replace(partition=3, offset=m.offset + 1000) for m in golden.protobuf_messages()["logs"]]
    rows = decode("logs", messages).tables["otel_logs"]
    assert set(rows.column("SourceTopic").to_pylist()) == {"otlp_logs"}
    assert set(rows.column("SourcePartition").to_pylist()) == {3}
    alone = [(m.offset, decode("logs", [m]).tables) for m in messages]
    wanted = [offset for offset, tables in alone if tables for _ in range(tables["otel_logs"].num_rows)]
    assert rows.column("SourceOffset").to_pylist() == wanted


def test_nothing_gives_no_tables() -> None:
    for signal in SIGNALS:
        assert decode(signal, []).tables == {}
        assert decode(signal, [Message(SOURCES[signal].name, 0, 0, 0, b"")]).tables == {}

"""Batches are stored once each: tokens, replays, repairs, errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from benchmarks.spans import messages
from pipeline.decode import decode
from pipeline.message import DeadLetter, Message
from schemas.errors import PermanentSinkError, RetryableSinkError, SettingsError
from schemas.rows import dead_letter_rows
from sinks.clickhouse import ClickHouseSink, connect
from sinks.clickhouse.errors import sink_error
from sinks.contract import Batch

SPANS = 5


@pytest.fixture
async def sink(url: str) -> AsyncIterator[ClickHouseSink]:
    found = ClickHouseSink(url)
    await found.start()
    yield found
    await found.close()


@pytest.fixture
def reader(url: str, sink: ClickHouseSink) -> Iterator[Client]:
    del sink  # the tables are there once it has started
    found = connect(url)
    for table in ("otel_traces", "dead_letters"):
        found.command(f"TRUNCATE TABLE {table}")
    yield found
    found.close()


def batch(first: int, last: int, partition: int = 0) -> Batch:
    bodies = list(messages(last - first + 1, SPANS, seed=first + 1))
    found = [Message("otlp_spans", partition, first + at, 0, body) for at, body in enumerate(bodies)]
    return Batch("otlp_spans", partition, first, last, decode("traces", found).tables)


def offsets(reader: Client) -> dict[int, int]:
    """Offset -> rows stored."""
    found = reader.query("SELECT SourceOffset, count() FROM otel_traces GROUP BY SourceOffset ORDER BY SourceOffset")
    return {int(offset): int(count) for offset, count in found.result_rows}


async def test_a_batch_is_stored_when_write_returns(sink: ClickHouseSink, reader: Client) -> None:
    await sink.write(batch(10, 12))
    assert offsets(reader) == {10: SPANS, 11: SPANS, 12: SPANS}


async def test_the_same_batch_written_twice_is_stored_once(sink: ClickHouseSink, reader: Client) -> None:
    for _ in range(2):
        await sink.write(batch(20, 21))
    assert offsets(reader) == {20: SPANS, 21: SPANS}


async def test_a_replay_of_what_is_stored_adds_nothing(sink: ClickHouseSink, reader: Client) -> None:
    await sink.write(batch(30, 32))
    await sink.write(replace(batch(30, 32), replay=True))
    assert offsets(reader) == {30: SPANS, 31: SPANS, 32: SPANS}


async def test_a_replay_inserts_the_offsets_that_are_missing(sink: ClickHouseSink, reader: Client) -> None:
    await sink.write(batch(40, 43))
    reader.command("DELETE FROM otel_traces WHERE SourceOffset IN (41, 43)")
    await sink.write(replace(batch(40, 43), replay=True))
    assert offsets(reader) == dict.fromkeys(range(40, 44), SPANS)


async def test_a_replay_is_not_dropped_as_a_duplicate(sink: ClickHouseSink, reader: Client) -> None:
    # a process killed between the deduplication log and the part leaves the token without the rows
    await sink.write(batch(50, 51))
    reader.command("TRUNCATE TABLE otel_traces")
    await sink.write(replace(batch(50, 51), replay=True))
    assert offsets(reader) == {50: SPANS, 51: SPANS}


async def test_partitions_with_equal_offsets_do_not_hide_each_other(sink: ClickHouseSink, reader: Client) -> None:
    await sink.write(batch(60, 61, partition=0))
    await sink.write(replace(batch(60, 61, partition=1), replay=True))
    assert offsets(reader) == {60: 2 * SPANS, 61: 2 * SPANS}


async def test_a_batch_becomes_one_part_whatever_its_times(sink: ClickHouseSink, reader: Client) -> None:
    rows = batch(70, 169).tables["otel_traces"]
    day_ns = 86_400_000_000_000
    spread = pa.array([at * 200 * day_ns for at in range(rows.num_rows)]).cast(pa.timestamp("ns"))
    wide = rows.set_column(0, "Timestamp", spread)
    await sink.write(Batch("otlp_spans", 0, 70, 169, {"otel_traces": wide}))
    parts = reader.query(
        "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'otel_traces' AND active"
    ).result_rows
    assert (offsets(reader), parts) == (dict.fromkeys(range(70, 170), SPANS), [(1,)])


async def test_dead_letters_keep_their_bytes_and_their_size(sink: ClickHouseSink, reader: Client) -> None:
    letter = DeadLetter("otlp_logs", 0, 7, 1_790_000_000_000_000_001, "not a request", b"\xff\x00" * 50_000)
    await sink.write(Batch("otlp_logs", 0, 7, 7, {"dead_letters": dead_letter_rows([letter])}))
    query = "SELECT Reason, SizeBytes, length(Bytes), hex(left(Bytes, 2)), toString(Timestamp) FROM dead_letters"
    assert reader.query(query).result_rows == [
        ("not a request", 100_000, 65_536, "FF00", "2026-09-21 14:13:20.000000001")
    ]


async def test_a_batch_without_rows_is_fine(sink: ClickHouseSink, reader: Client) -> None:
    await sink.write(Batch("otlp_spans", 0, 1, 1, {"otel_traces": batch(1, 1).tables["otel_traces"].slice(0, 0)}))
    assert offsets(reader) == {}


async def test_a_table_that_is_not_declared_is_refused_for_good(sink: ClickHouseSink) -> None:
    with pytest.raises(PermanentSinkError, match="no table"):
        await sink.write(Batch("otlp_spans", 0, 1, 1, {"system.users": batch(1, 1).tables["otel_traces"]}))


async def test_rows_that_do_not_fit_the_table_are_refused_for_good(sink: ClickHouseSink, reader: Client) -> None:
    rows = batch(1, 1).tables["otel_traces"]
    at = rows.column_names.index("Events.Name")
    wrong = rows.set_column(at, "Events.Name", pa.array([[["three", "levels"]]] * rows.num_rows))
    with pytest.raises(PermanentSinkError, match="otel_traces"):
        await sink.write(Batch("otlp_spans", 0, 1, 1, {"otel_traces": wrong}))
    assert offsets(reader) == {}


async def test_a_column_that_the_table_has_not_is_waited_for(sink: ClickHouseSink) -> None:
    rows = batch(1, 1).tables["otel_traces"].rename_columns({"SpanName": "NoSuchColumn"})
    with pytest.raises(RetryableSinkError, match="otel_traces") as caught:
        await sink.write(Batch("otlp_spans", 0, 1, 1, {"otel_traces": rows}))
    assert caught.value.retry_after_s >= 30


async def test_a_paused_writer_that_goes_on_after_the_repair_stores_nothing(
    url: str, sink: ClickHouseSink, reader: Client
) -> None:
    late = ClickHouseSink(url)
    await late.start()
    await sink.write(replace(batch(80, 82), replay=True))  # another worker repairs what the paused one had planned
    await late.write(batch(80, 82))
    await late.close()
    assert offsets(reader) == dict.fromkeys(range(80, 83), SPANS)


async def test_an_insert_that_still_runs_is_ended_before_a_repair(
    url: str, sink: ClickHouseSink, reader: Client
) -> None:
    token = "otlp_spans:0:90-91:otel_traces"
    slow = connect(url)
    sql = (
        "INSERT INTO otel_traces (SpanName, SourceTopic, SourceOffset) "
        "SELECT 'late', 'otlp_spans', 90 + sleepEachRow(0.1) FROM numbers(200)"
    )
    settings = {"log_comment": token, "max_block_size": 1, "function_sleep_max_microseconds_per_block": 0}
    running = asyncio.create_task(asyncio.to_thread(slow.command, sql, settings=settings))
    while not reader.query("SELECT count() FROM system.processes WHERE Settings['log_comment'] != ''").result_rows[0][
        0
    ]:
        await asyncio.sleep(0.01)
    await sink.write(replace(batch(90, 91), replay=True))
    with pytest.raises(ClickHouseError, match="394"):
        await running
    slow.close()
    assert offsets(reader) == {90: SPANS, 91: SPANS}


async def test_closing_twice_is_fine_and_writing_after_it_is_not(url: str) -> None:
    found = ClickHouseSink(url)
    await found.start()
    await found.close()
    await found.close()
    with pytest.raises(PermanentSinkError, match="closed"):
        await found.write(batch(1, 1))


async def test_writing_before_start_asks_to_come_again(url: str) -> None:
    found = ClickHouseSink(url)
    with pytest.raises(RetryableSinkError):
        await found.write(batch(1, 1))
    await found.close()


async def test_a_folder_that_is_a_file_is_a_settings_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = ClickHouseSink(f"chdb://{tmp_path / 'file'}")
    with pytest.raises(SettingsError, match="data folder"):
        await found.start()
    await found.close()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Code: 252. DB::Exception: Too many parts", RetryableSinkError),
        ("Code: 241. DB::Exception: Memory limit exceeded", RetryableSinkError),
        ("Code: 99999. DB::Exception: something new", RetryableSinkError),
        ("connection refused", RetryableSinkError),
        ("Code: 60. DB::Exception: Unknown table", RetryableSinkError),
        ("Code: 516. DB::Exception: Authentication failed", RetryableSinkError),
        ("Code: 53. DB::Exception: Type mismatch", PermanentSinkError),
        ("Code: 117. DB::Exception: Incorrect data", PermanentSinkError),
    ],
)
def test_errors_are_told_apart_by_their_code(text: str, kind: type[Exception]) -> None:
    assert type(sink_error("otel_traces", RuntimeError(text))) is kind

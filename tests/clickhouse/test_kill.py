"""A process killed while it inserts: replaying its plan leaves every row once."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.spans import messages
from pipeline.decode import decode
from pipeline.message import DeadLetter, Message
from schemas.rows import dead_letter_rows
from sinks.clickhouse import ClickHouseSink, connect
from sinks.contract import Batch

OFFSETS = 4
SPANS = 64

WRITER = """
import asyncio, itertools, sys
from sinks.clickhouse import ClickHouseSink
from tests.clickhouse.test_kill import batch

async def main():
    sink = ClickHouseSink(sys.argv[1])
    await sink.start()
    for number in itertools.count():
        found = batch(number)
        print(number, flush=True)
        await sink.write(found)

asyncio.run(main())
"""


def batch(number: int) -> Batch:
    """Batch `number` of a partition: four messages and a dead letter for each."""
    first = number * OFFSETS
    found = [Message("otlp_spans", 0, first + at, 0, body) for at, body in enumerate(messages(OFFSETS, SPANS, number))]
    dead = [DeadLetter(*message[:4], "for the test", b"x") for message in found]
    tables = {**decode("traces", found).tables, "dead_letters": dead_letter_rows(dead)}
    return Batch("otlp_spans", 0, first, first + OFFSETS - 1, tables)


@pytest.mark.parametrize("after_s", [0.0, 0.02])
async def test_every_row_is_stored_once_after_a_kill_and_a_replay(folder: Path, after_s: float) -> None:
    url = f"chdb://{folder}"
    with subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        started = [writer.stdout.readline(), writer.stdout.readline()]
        time.sleep(after_s)
        writer.kill()
        started += writer.stdout.readlines()
    last = int(started[-1])
    sink = ClickHouseSink(url)
    await sink.start()
    for number in range(max(0, last - 2), last + 1):
        await sink.write(replace(batch(number), replay=True))
    await sink.close()
    reader = connect(url)
    for table, rows in (("otel_traces", SPANS), ("dead_letters", 1)):
        found = reader.query(f"SELECT SourceOffset, count() FROM {table} GROUP BY SourceOffset").result_rows  # noqa: S608
        counts = {int(offset): int(count) for offset, count in found}
        assert counts == dict.fromkeys(range((last + 1) * OFFSETS), rows), table
    reader.close()

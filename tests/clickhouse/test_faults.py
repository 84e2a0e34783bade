"""A store that is ill, over the wire: what each fault means for the sink, and that nothing is lost or stored twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from benchmarks.spans import messages
from pipeline.decode import decode
from pipeline.message import Message
from schemas.errors import RetryableSinkError
from sinks.clickhouse import ClickHouseSink
from sinks.contract import Batch
from testbed.clickhouse import ServerProcess
from testbed.clickhouse.faults import DISK_FULL, OUT_OF_MEMORY, READ_ONLY, SEVEN_OF_TEN, TOO_MANY_PARTS, Fault
from tests.clickhouse.conftest import new_database

SPANS = 4
ERRORS = {
    "too many parts": (TOO_MANY_PARTS, 5.0),
    "disk full": (DISK_FULL, 30.0),
    "out of memory": (OUT_OF_MEMORY, 5.0),
    "read-only": (READ_ONLY, 30.0),
    "timeout": (Fault("error", code=159, message="Timeout exceeded (TIMEOUT_EXCEEDED)"), 1.0),
    "network": (Fault("error", code=210, message="Connection reset by peer (NETWORK_ERROR)"), 1.0),
    "keeper": (Fault("error", code=999, message="Session expired (KEEPER_EXCEPTION)"), 1.0),
    "password": (Fault("error", on="any", code=516, message="Authentication failed (AUTHENTICATION_FAILED)"), 30.0),
    "grants": (Fault("error", code=497, message="Not enough privileges (ACCESS_DENIED)"), 30.0),
    "unknown": (Fault("error", code=98_765, message="something new"), 1.0),
    "cut before": (Fault("cut"), 1.0),
    "cut after": (Fault("cut", when="after"), 1.0),
}


@pytest.fixture
async def sink(server: ServerProcess) -> AsyncIterator[ClickHouseSink]:
    found = ClickHouseSink(new_database(server))
    await found.start()
    yield found
    server.fault()
    await found.close()


def batch(first: int, last: int) -> Batch:
    bodies = list(messages(last - first + 1, SPANS, seed=first + 1))
    found = [Message("otlp_spans", 0, first + at, 0, body) for at, body in enumerate(bodies)]
    return Batch("otlp_spans", 0, first, last, decode("traces", found).tables)


def offsets(sink: ClickHouseSink) -> dict[int, int]:
    sql = b"SELECT SourceOffset, count() FROM otel_traces GROUP BY SourceOffset ORDER BY SourceOffset FORMAT TSV"
    url, _, database = sink._url.rpartition("/")
    answer = httpx.post(url, params={"database": database}, content=sql).raise_for_status()
    return {int(offset): int(count) for offset, count in (line.split("\t") for line in answer.text.splitlines())}


async def until_stored(sink: ClickHouseSink, whole: Batch, pause_s: float = 0.0) -> int:
    """Write as the stage does, with pauses of our own; gives how often it took."""
    for attempt in range(200):
        try:
            await sink.write(replace(whole, replay=whole.replay or attempt > 0))
        except RetryableSinkError:
            await asyncio.sleep(pause_s)
            continue
        return attempt + 1
    raise AssertionError("never stored")


@pytest.mark.parametrize("name", ERRORS)
async def test_a_fault_of_the_store_is_waited_for_and_the_batch_is_stored_once(
    server: ServerProcess, sink: ClickHouseSink, name: str
) -> None:
    fault, pause_s = ERRORS[name]
    server.fault(fault)
    with pytest.raises(RetryableSinkError) as caught:
        await sink.write(batch(10, 12))
    assert caught.value.retry_after_s == pause_s
    server.fault()
    await sink.write(replace(batch(10, 12), replay=True))
    assert offsets(sink) == dict.fromkeys((10, 11, 12), SPANS)


@pytest.mark.parametrize(
    "faults",
    [
        [SEVEN_OF_TEN],
        [Fault("cut", share=0.4, on="any"), Fault("cut", share=0.4, when="after")],
        [replace(SEVEN_OF_TEN, when="after")],
    ],
    ids=["70 % refused", "cut anywhere", "70 % stored and refused"],
)
async def test_through_a_storm_every_batch_is_stored_once(
    server: ServerProcess, sink: ClickHouseSink, faults: list[Fault]
) -> None:
    server.fault(*faults)
    attempts = [await until_stored(sink, batch(first, first + 2)) for first in range(0, 60, 3)]
    assert max(attempts) > 1
    server.fault()
    assert offsets(sink) == dict.fromkeys(range(60), SPANS)


async def test_a_server_killed_again_and_again_has_every_batch_once(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as own:
        sink = ClickHouseSink(new_database(own))
        await sink.start()
        for first in range(0, 24, 3):
            writing = asyncio.create_task(sink.write(batch(first, first + 2)))
            await asyncio.sleep(0.004 * first / 3)
            await asyncio.to_thread(own.stop, signal.SIGKILL)
            await asyncio.gather(writing, return_exceptions=True)
            await asyncio.to_thread(own.start)
            await until_stored(sink, replace(batch(first, first + 2), replay=True))
        assert offsets(sink) == dict.fromkeys(range(24), SPANS)
        await sink.close()


async def test_a_server_that_refuses_connections_is_waited_for(server: ServerProcess, sink: ClickHouseSink) -> None:
    server.fault(Fault("refuse", delay_s=3))
    with pytest.raises(RetryableSinkError, match="refused"):
        await sink.write(batch(10, 10))
    await until_stored(sink, replace(batch(10, 10), replay=True), pause_s=0.3)
    assert offsets(sink) == {10: SPANS}

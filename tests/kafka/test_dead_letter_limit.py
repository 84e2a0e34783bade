"""Poison: a little of it is diverted, much of it stops the worker, and a restart diverts no more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.spans import request, spans
from pipeline.assembly import detectors, normalizer
from pipeline.settings import Settings
from pipeline.stream import Parts, Stream
from pipeline.transport.kafka_topics import prepare_topics
from schemas.errors import DeadLetterLimitError
from schemas.topics import SPANS
from sinks.clickhouse import ClickHouseSink
from sinks.prometheus import PrometheusMetrics
from testbed.kafka import Broker
from tests.kafka.rig import producer

LIMIT = 10
POISON = b"\xff\xff no request"


@pytest.fixture
def own_broker(folder: Path, broker: Broker) -> Iterator[Broker]:
    """The raw topics of this one are poisoned: nobody shares them."""
    del broker  # it skips where there can be none
    started = Broker(folder / "broker")
    started.start()
    yield started
    started.stop()


async def until_it_stops(settings: Settings, sink: ClickHouseSink) -> str:
    """Run a worker until it fails; returns why."""
    stream = Stream(settings, Parts(normalizer(settings), detectors(), sink, PrometheusMetrics()))
    try:
        async with asyncio.timeout(60):
            await stream.start()
            await stream.failed()
    except DeadLetterLimitError as stopped:
        return str(stopped)
    finally:
        await stream.stop()
    raise AssertionError("it did not stop")


async def buried(sink: ClickHouseSink) -> list[int]:
    """Offsets of the dead letters that are stored."""
    await sink.start()
    return sorted(await sink.dead_letters(SPANS.name, 0, 0, 10_000))


async def test_many_stop_the_worker_and_starting_it_again_diverts_no_more(own_broker: Broker, folder: Path) -> None:
    settings = Settings(
        data_dir=folder, broker_url=own_broker.url, create_topics=1, dead_letter_limit=LIMIT, batch_messages=4
    )
    await prepare_topics(settings)
    good = request(list(spans(3))).SerializeToString()
    async with producer(settings) as sending:
        for value in [good, POISON, good, *[POISON] * 60]:
            await sending.send(SPANS.name, value, partition=0)
    for _ in range(2):
        why = await until_it_stops(settings, ClickHouseSink(settings.store_url))
        assert f"dead_letter_limit = {LIMIT}" in why
        assert "otlp_spans partition 0" in why
        assert "--set dead_letter_limit=0" in why
        sink = ClickHouseSink(settings.store_url)
        left = await buried(sink)
        await sink.close()
        assert 1 in left
        assert len(left) <= LIMIT

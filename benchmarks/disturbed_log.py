"""Disturbances of the log: poison messages, offsets without a record, partitions that are added."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from benchmarks.ledger import Stored
from benchmarks.scene import Scene
from pipeline.settings import Settings
from pipeline.transport.kafka import servers
from pipeline.transport.kafka_topics import admin
from schemas.topics import SPANS

REST_S: Final = 4.0
COMPACTED_WITHIN_S: Final = 60.0
COMPACT: Final = {
    "cleanup.policy": "compact",
    "segment.ms": "500",
    "min.cleanable.dirty.ratio": "0.001",
    "min.compaction.lag.ms": "0",
    "delete.retention.ms": "0",
}
DEAD_SQL: Final = (
    "SELECT SourcePartition AS partition, SourceOffset AS offset, Reason AS reason, hex(Bytes) AS bytes "
    "FROM dead_letters"
)
HALF: Final = 0.5
ROUND_REQUESTS: Final = 20
"""Of one transaction; half as many are in one that is taken back."""


def _settings(scene: Scene) -> Settings:
    return Settings(broker_url=scene.broker.url, data_dir=scene.folder)


def _producer(scene: Scene, **named: Any) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=servers(scene.broker.url), **named)


async def _partitions(scene: Scene) -> int:
    async with admin(_settings(scene)) as client:
        [topic] = await client.describe_topics([SPANS.name])
        return len(topic["partitions"])


def partitions_grow(scene: Scene, rounds: int) -> None:
    """Partitions are added to otlp_spans while it is written and read."""

    async def grow() -> int:
        count = await _partitions(scene) + 1
        async with admin(_settings(scene)) as client:
            await client.create_partitions({SPANS.name: NewPartitions(count)})
            return count

    count = 0
    for _ in scene.rounds(rounds):
        time.sleep(scene.rng.uniform(1, REST_S))
        count = asyncio.run(grow())
    time.sleep(REST_S)
    scene.notes.append(f"{count} partitions in the end")


def poison(scene: Scene, rounds: int) -> None:
    """Messages that are no telemetry come among the requests, a few each round."""
    sent: dict[tuple[int, int], bytes] = {}

    async def poison_once() -> None:
        async with _producer(scene) as producer:
            for value in _poisons(scene):
                where = await producer.send_and_wait(SPANS.name, value)
                sent[where.partition, where.offset] = value

    for _ in scene.rounds(rounds):
        time.sleep(scene.rng.uniform(0.2, 2.0))
        asyncio.run(poison_once())

    def check(_: Stored) -> str:
        letters = scene.store.rows(DEAD_SQL)
        found = {(int(one["partition"]), int(one["offset"])): bytes.fromhex(one["bytes"]) for one in letters}
        reasons = all(one["reason"] for one in letters)
        if found == sent and len(letters) == len(sent) and reasons:
            return ""
        return f"{len(sent)} poison messages, {len(letters)} dead letters, {len(found)} different, reasons: {reasons}"

    scene.checks.append(check)
    scene.notes.append(f"{len(sent)} poison messages")


def _poisons(scene: Scene) -> Iterable[bytes]:
    whole = scene.producer.body(scene.producer.number)
    yield b"not telemetry at all"
    yield b"\xff" * 64
    yield whole[: int(len(whole) * HALF)]


def holes(scene: Scene, rounds: int) -> None:
    """Workers read a log with offsets that hold no record: transactions, given up or not, and compacted keys.

    The topic is compacted while no worker runs, so nothing is sent to the receiver any more: its records have no key.
    """
    scene.producer.pause()
    time.sleep(1.0)
    scene.wait_stored()
    for one in scene.workers:
        one.stop()
    scene.workers.clear()
    withdrawn = asyncio.run(_write_with_holes(scene, rounds))
    records, offsets = asyncio.run(_wait_compacted(scene))
    scene.notes.append(f"{records:,} records in {offsets:,} offsets")
    for _ in range(2):
        scene.worker()

    def check(found: Stored) -> str:
        wrong = withdrawn & found.keys()
        return f"{len(wrong)} requests of aborted transactions were stored" if wrong else ""

    scene.checks.append(check)


async def _write_with_holes(scene: Scene, rounds: int) -> set[int]:
    """Write numbered requests in transactions, and empty ones that supersede each other; returns those withdrawn."""
    async with admin(_settings(scene)) as client:
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, SPANS.name, COMPACT)])
    withdrawn: set[int] = set()
    async with _producer(scene, transactional_id="campaign", linger_ms=5) as producer:
        for one in scene.rounds(rounds):
            numbers = await _transaction(scene, producer, ROUND_REQUESTS)
            await producer.commit_transaction()
            scene.producer.acknowledged += numbers
            withdrawn.update(await _transaction(scene, producer, ROUND_REQUESTS // 2))
            await producer.abort_transaction()
            await asyncio.sleep(0.6 if one % 4 == 0 else 0.1)  # now and then past segment.ms: only closed ones compact
        await asyncio.sleep(1.0)
        await _transaction(scene, producer, 1)
        await producer.abort_transaction()
    return withdrawn


async def _transaction(scene: Scene, producer: AIOKafkaProducer, count: int) -> list[int]:
    await producer.begin_transaction()
    numbers = [scene.producer.take() for _ in range(count)]
    partitions = sorted(await producer.partitions_for(SPANS.name))
    for number in numbers:
        body, partition = scene.producer.body(number), scene.rng.choice(partitions)
        await producer.send(SPANS.name, body, key=b"%d" % number, partition=partition)
        await producer.send(SPANS.name, b"", key=b"filler", partition=partition)
    await producer.flush()
    return numbers


async def _wait_compacted(scene: Scene) -> tuple[int, int]:
    """Records and offsets of the topic once fillers were compacted away in every partition."""
    until = time.monotonic() + COMPACTED_WITHIN_S
    while True:
        fillers, records, offsets = await _read_all(scene)
        if fillers < records * 0.2 or time.monotonic() > until:
            return records, offsets
        await asyncio.sleep(1.0)


async def _read_all(scene: Scene) -> tuple[int, int, int]:
    reading = AIOKafkaConsumer(
        bootstrap_servers=servers(scene.broker.url), isolation_level="read_committed", enable_auto_commit=False
    )
    everywhere = [TopicPartition(SPANS.name, n) for n in range(await _partitions(scene))]
    async with reading as consumer:
        consumer.assign(everywhere)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(everywhere)
        fillers = records = 0
        while [tp for tp in everywhere if await consumer.position(tp) < ends[tp]]:
            for found in (await consumer.getmany(timeout_ms=200)).values():
                records += len(found)
                fillers += sum(one.key == b"filler" for one in found)
        return fillers, records, sum(ends.values())

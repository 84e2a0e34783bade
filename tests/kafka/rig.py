"""The stages of `tests.stages.rig` on a real broker: same stages, same store, another log."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from pipeline.settings import Settings
from pipeline.stages.embedded import EmbeddedApp, make_app
from pipeline.stages.keyed import KeyedOptions, KeyedStage
from pipeline.stages.planned import BatchLimits, PlannedStage
from pipeline.transport.kafka import app_options, servers
from pipeline.transport.kafka_topics import admin
from testbed.kafka import Broker
from tests.stages.folds import Sums
from tests.stages.rig import MemoryStore, Rig


async def create(settings: Settings, topics: dict[str, int], **configs: dict[str, str]) -> None:
    """Create topics: name -> partitions."""
    async with admin(settings) as client:
        answer = await client.create_topics(
            [
                NewTopic(name, count, 1, topic_configs=configs.get(name.replace(".", "_")))
                for name, count in topics.items()
            ]
        )
    assert all(one[1] == 0 for one in answer.topic_errors), answer


def settings_of(broker: Broker, folder: Path, group: str, **named: Any) -> Settings:
    """Of a process whose topics begin with the group's name."""
    return Settings(data_dir=folder, broker_url=broker.url, group=group, **named)


class KafkaRig(Rig):
    """Topics `GROUP.spans` and `GROUP.calls`, a consumer group GROUP."""

    def __init__(
        self, settings: Settings, *, partitions: int = 2, limits: BatchLimits | None = None,
        store: MemoryStore | None = None,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.spans, self.calls = f"{settings.group}.spans", f"{settings.group}.calls"
        self.store = store or MemoryStore(partitions, self.calls)
        self._wire(settings, partitions, limits)

    def _wire(self, settings: Settings, partitions: int, limits: BatchLimits | None) -> None:
        self.app = make_app(
            settings.broker_url, settings.data_dir, partitions=partitions, group=settings.group,
            options=app_options(settings),
        )  # fmt: skip
        self.planned = PlannedStage(
            self.app, "normalize", [self.spans], self.store, limits or BatchLimits(linger_s=0.05, write_s=0)
        )
        self.told = []
        self.origins = []
        self.before_publish = None
        options = KeyedOptions(flush_s=0.05, partitions=partitions, fenced=True)
        self.keyed = KeyedStage(self.app, self.calls, Sums(), self.publish, options).after(self.planned)
        self.running = EmbeddedApp(self.app, [self.planned, self.keyed])

    async def __aenter__(self) -> KafkaRig:
        await self.running.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.running.stop(5.0)


async def prepare(settings: Settings, partitions: int = 2, **configs: dict[str, str]) -> None:
    """The topics of one rig."""
    group = settings.group
    topics = {f"{group}.spans": partitions, f"{group}.calls": partitions}
    topics[f"{group}-{group}.calls.state-changelog"] = partitions
    await create(settings, topics, **configs)


@asynccontextmanager
async def producer(settings: Settings, **named: Any) -> AsyncIterator[AIOKafkaProducer]:
    """Any other program that writes to Kafka."""
    made = AIOKafkaProducer(bootstrap_servers=servers(settings.broker_url), **named)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def put(settings: Settings, texts: Sequence[str], partitions: int = 2, **named: Any) -> None:
    """Append messages to the spans' topic, one partition after the other."""
    async with producer(settings, **named) as sending:
        for number, text in enumerate(texts):
            await sending.send(f"{settings.group}.spans", text.encode(), partition=number % partitions)


async def everything(settings: Settings, topic: str, partitions: int = 2) -> list[Any]:
    """All records of a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers(settings.broker_url))
    await consumer.start()
    try:
        where = [TopicPartition(topic, n) for n in range(partitions)]
        consumer.assign(where)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(where)
        found: list[Any] = []
        while [tp for tp in where if await consumer.position(tp) < ends[tp]]:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return found
    finally:
        await consumer.stop()


def on(settings: Settings, broker: Broker) -> Settings:
    """The same process against another broker."""
    return dataclasses.replace(settings, broker_url=broker.url)

"""What a cluster holds of a fleet: brokers, topics with their settings, and how far the group has come. Only asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, Final, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
    for_code,
)

from pipeline.settings import Settings
from pipeline.transport.kafka import servers
from pipeline.transport.kafka_security import client_options
from pipeline.transport.kafka_topics import wanted
from schemas.topics import TOPICS

T = TypeVar("T")
COORDINATOR_TRIES: Final = 10
NOT_YET: Final = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)


class TopicFound(NamedTuple):
    """One topic as it is."""

    partitions: int
    replicas: int
    """Of the partition that has the fewest."""
    in_sync: int
    """Of the partition that has the fewest."""
    leaderless: tuple[int, ...]
    config: dict[str, str]
    """Empty: not told."""


class PartitionFound(NamedTuple):
    """One partition that the group works on."""

    topic: str
    partition: int
    first: int
    """Offset of the oldest record that is still there."""
    end: int
    """The next offset to be written."""
    committed: int | None
    """None: the group never committed here."""

    @property
    def lag(self) -> int:
        """Records not processed yet; holes of compaction and transactions count as records."""
        return max(0, self.end - (self.first if self.committed is None else max(self.committed, self.first)))


class Member(NamedTuple):
    """One worker of the group."""

    client: str
    host: str


class Cluster(NamedTuple):
    """What was found. Of what could not be asked, nothing: `refused` says why."""

    brokers: dict[int, str]
    """Node -> HOST:PORT as the brokers advertise it."""
    controller: int
    topics: dict[str, TopicFound]
    group_state: str
    members: tuple[Member, ...]
    partitions: tuple[PartitionFound, ...]
    refused: dict[str, str]
    """What was asked -> why it was not answered."""


class Surveyor:
    """Asks one cluster. Use as `async with Surveyor(settings, within_s) as it`; raises KafkaError where it cannot."""

    def __init__(self, settings: Settings, within_s: float) -> None:
        self._settings = settings
        options = {
            "bootstrap_servers": servers(settings.broker_url),
            "request_timeout_ms": int(within_s * 1000),
            "client_id": "telltale-check",
            **client_options(settings),
        }
        self._admin = AIOKafkaAdminClient(**options)
        self._consumer = AIOKafkaConsumer(**options)
        self._refused: dict[str, str] = {}

    async def __aenter__(self) -> Surveyor:
        try:
            await self._admin.start()
            await self._consumer.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def survey(self) -> Cluster:
        """Everything, once."""
        self._refused = {}
        about = await self._asked("the cluster", self._admin.describe_cluster(), {"brokers": (), "controller_id": -1})
        topics = await self._asked("topics", self._topics(), {})
        state, members = await self._asked("the consumer group", self._group(), ("", ()))
        brokers = {one["node_id"]: f"{one['host']}:{one['port']}" for one in about["brokers"]}
        return Cluster(
            brokers, about["controller_id"], topics, state, members, await self.progress(topics), self._refused
        )

    async def progress(self, topics: dict[str, TopicFound]) -> tuple[PartitionFound, ...]:
        """How far the group has come in its topics."""
        return await self._asked("offsets", self._offsets(topics), ())

    async def _asked(self, what: str, question: Awaitable[T], otherwise: T) -> T:
        try:
            return await question
        except (KafkaError, OSError, TimeoutError) as error:
            self._refused[what] = f"{type(error).__name__}: {error}"[:300]
            return otherwise

    async def _topics(self) -> dict[str, TopicFound]:
        names = [one.name for one in wanted(self._settings)]
        there = {}
        for one in await self._admin.describe_topics(names):
            if one["partitions"]:
                there[one["topic"]] = one["partitions"]
            elif one["error_code"] != _UNKNOWN_TOPIC:
                self._refused[f"topic {one['topic']}"] = for_code(one["error_code"]).__name__
        configs = await self._asked("settings of topics", self._configs(there), {})
        return {name: _topic(partitions, configs.get(name, {})) for name, partitions in there.items()}

    async def _configs(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        found: dict[str, dict[str, str]] = {}
        for answer in await self._admin.describe_configs(resources) if resources else ():
            for code, _, _, name, entries in answer.resources:
                if code:
                    self._refused[f"settings of {name}"] = for_code(code).__name__
                found[name] = {entry[0]: entry[1] for entry in entries}
        return found

    async def _group(self) -> tuple[str, tuple[Member, ...]]:
        for _ in range(COORDINATOR_TRIES):
            try:
                (answer,) = await self._admin.describe_consumer_groups([self._settings.group])
                ((code, _, state, _, _, members, *_),) = answer.groups
                if code:
                    raise for_code(code)
            except NOT_YET:  # a new cluster makes its topic of offsets at the first question
                await asyncio.sleep(0.2)
            else:
                return state, tuple(Member(client, host.lstrip("/")) for _, client, host, *_ in members)
        raise GroupCoordinatorNotAvailableError

    async def _offsets(self, topics: dict[str, TopicFound]) -> tuple[PartitionFound, ...]:
        ours = [
            TopicPartition(one.name, number)
            for one in wanted(self._settings)
            if one.name in topics and one.name in _CONSUMED
            for number in range(topics[one.name].partitions)
        ]
        if not ours:
            return ()
        done = await self._admin.list_consumer_group_offsets(self._settings.group)
        firsts, ends = await asyncio.gather(self._consumer.beginning_offsets(ours), self._consumer.end_offsets(ours))
        return tuple(
            PartitionFound(tp.topic, tp.partition, firsts[tp], ends[tp], _committed(done.get(tp))) for tp in ours
        )


_UNKNOWN_TOPIC: Final = 3
_CONSUMED: Final = frozenset(topic.name for topic in TOPICS)
"""Where the group commits; changelogs it reads only to restore states."""


def _committed(found: Any) -> int | None:
    return None if found is None or found.offset < 0 else int(found.offset)


def _topic(partitions: list[dict[str, Any]], config: dict[str, str]) -> TopicFound:
    return TopicFound(
        len(partitions),
        min(len(one["replicas"]) for one in partitions),
        min(len(one["isr"]) for one in partitions),
        tuple(one["partition"] for one in partitions if one["leader"] < 0),
        config,
    )

"""The topics of a fleet: which there have to be, which there are, and making those that are missing.

Raw topics may have any number of partitions and may grow. The derived ones and the changelogs of their states belong
together, partition by partition: all of them have the same number, chosen when they are created and never changed.
What Kafka says counts, not `partitions` of the settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from pipeline.transport.kafka import servers
from pipeline.transport.kafka_security import client_options, tls_fault
from schemas.errors import SettingsError
from schemas.topics import ATTEMPTS, CALLS, FINDINGS, LINKS, SLICES, SOURCES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.settings import Settings

STATEFUL: Final = (LINKS, CALLS, ATTEMPTS, SLICES)
"""Topics whose consumer keeps states by key."""
DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
ALREADY_EXISTS: Final = 36
ANSWER_MS: Final = 15_000
SHOWN_WITHIN: Final = 100
"""Looks, a tenth of a second apart, until a new topic is there."""


class TopicState(NamedTuple):
    """One topic that a fleet works with."""

    name: str
    partitions: int
    """0: there is no such topic."""
    config: dict[str, str]
    """What it is created with."""
    stateful: bool
    """Its number of partitions is that of the others like it, for ever."""


def changelog_of(group: str, topic: str) -> str:
    """The topic that holds the states of a topic's keys."""
    return f"{group}-{topic}.state-changelog"


def wanted(settings: Settings) -> list[TopicState]:
    """Every topic that there has to be, as if none were."""
    size = {"max.message.bytes": str(settings.kafka_max_message_bytes)}
    day, week = ({"retention.ms": str(days * DAY_MS)} | size for days in (1, 7))
    compacted = {
        "cleanup.policy": "compact",
        "segment.ms": str(HOUR_MS),
        # who restores sees a stale write of a worker that was thought dead beside what it buries
        "min.compaction.lag.ms": str(HOUR_MS),
    } | size
    topics = [TopicState(topic.name, 0, day, False) for topic in SOURCES.values()]
    topics += [TopicState(topic.name, 0, day, True) for topic in STATEFUL]
    topics += [TopicState(changelog_of(settings.group, topic.name), 0, compacted, True) for topic in STATEFUL]
    return [*topics, TopicState(FINDINGS.name, 0, week, False)]


@asynccontextmanager
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client that asks and creates.

    Raises:
        SettingsError: no broker answers, or none lets us in.
    """
    brokers = servers(settings.broker_url)
    client = AIOKafkaAdminClient(
        bootstrap_servers=brokers, request_timeout_ms=ANSWER_MS, client_id="telltale", **client_options(settings)
    )
    try:
        await client.start()
        yield client
    except (KafkaError, OSError) as error:
        repair = await tls_fault(settings, brokers[0]) or (
            "Check --kafka, and kafka_security_protocol, kafka_username and kafka_password_file against the brokers' "
            "listener"
        )
        raise SettingsError(f"Kafka at {', '.join(brokers)}: {type(error).__name__}: {error}. {repair}") from error
    finally:
        await client.close()


async def topic_states(settings: Settings, client: AIOKafkaAdminClient) -> list[TopicState]:
    """Every topic that there has to be, and how many partitions it has."""
    topics = wanted(settings)
    found = {one["topic"]: len(one["partitions"]) for one in await client.describe_topics([t.name for t in topics])}
    return [topic._replace(partitions=found.get(topic.name, 0)) for topic in topics]


async def create_missing(settings: Settings, client: AIOKafkaAdminClient, states: Iterable[TopicState]) -> list[str]:
    """Create the topics that are missing; returns their names.

    The number of partitions is that of the settings, unless a topic that it has to agree with is there already.
    """
    states = list(states)
    agreed = max((one.partitions for one in states if one.stateful), default=0) or settings.partitions
    missing = [one for one in states if not one.partitions]
    news = [
        NewTopic(
            one.name,
            agreed if one.stateful else settings.partitions,
            settings.kafka_replication,
            topic_configs=one.config,
        )
        for one in missing
    ]
    if news:
        for name, code, *says in _errors(await client.create_topics(news)):
            if code not in {0, ALREADY_EXISTS}:
                raise SettingsError(f"topic {name} could not be created: {for_code(code).__name__} {says}")
    return [one.name for one in missing]


async def once_shown(settings: Settings, client: AIOKafkaAdminClient) -> list[TopicState]:
    """The topics after some were created: it takes a busy broker a moment to show them."""
    for _ in range(SHOWN_WITHIN):
        states = await topic_states(settings, client)
        if all(one.partitions for one in states):
            break
        await asyncio.sleep(0.1)
    return states


def _errors(answer: Any) -> list[Any]:
    return list(answer.topic_errors)


def problems(states: Iterable[TopicState]) -> list[str]:
    """What is wrong with the topics, one sentence each with its repair; none: nothing."""
    states = list(states)
    missing = [one.name for one in states if not one.partitions]
    found = []
    if missing:
        found.append(
            f"topics are missing: {', '.join(missing)}. Create them with `telltale migrate`, or start with "
            "`--set create_topics=1`"
        )
    counts = {one.name: one.partitions for one in states if one.stateful and one.partitions}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        found.append(
            f"topics with states have different numbers of partitions ({listed}): states would not be found again. "
            "They never grow: create a new --group with more partitions, and delete the topics of the old one"
        )
    return found


async def prepare_topics(settings: Settings) -> int:
    """Make sure that every topic is there; returns the number of partitions of those with states.

    Raises:
        SettingsError: a topic is missing and may not be created, or the numbers of partitions do not agree.
    """
    async with admin(settings) as client:
        states = await topic_states(settings, client)
        if settings.create_topics and await create_missing(settings, client, states):
            states = await once_shown(settings, client)
        if wrong := problems(states):
            raise SettingsError("; ".join(wrong))
        return next(one.partitions for one in states if one.stateful)

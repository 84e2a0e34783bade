"""The part of Kafka: brokers, topics, the group of workers."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.errors import KafkaError

from cli.checking.kafka_group import Pace, judge_group, paces
from cli.checking.kafka_topics import judge_topics
from cli.checking.report import Report
from pipeline.settings import Settings
from pipeline.transport.kafka import servers
from pipeline.transport.kafka_probe import Probed, explained, probe
from pipeline.transport.kafka_survey import Cluster, PartitionFound, Surveyor
from pipeline.transport.kafka_topics import wanted

PART: Final = "kafka"
SHOWN_PARTITIONS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Sample:
    """The group's offsets, twice."""

    before: tuple[PartitionFound, ...]
    after: tuple[PartitionFound, ...]
    seconds: float


async def look(settings: Settings, sample_s: float, answer_s: float) -> Report:
    """Connect, ask, judge.

    Args:
        settings: Which brokers, and how.
        sample_s: Between the two looks at the offsets.
        answer_s: After which one answer is given up.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it logs is said here, better
    named = servers(settings.broker_url)
    probed = await _probed(settings, named, answer_s)
    report = Report(PART, {"servers": named, "security": settings.kafka_security_protocol})
    _judge_named(report, probed)
    if all(one.trouble for one in probed):
        report.reached = False
        return report
    try:
        async with Surveyor(settings, answer_s) as surveyor:
            cluster = await surveyor.survey()
            began = time.monotonic()
            await asyncio.sleep(sample_s)
            later = await surveyor.progress(cluster.topics)
            sample = Sample(cluster.partitions, later, time.monotonic() - began)
    except (KafkaError, OSError, TimeoutError) as error:
        report.reached = False
        report.wrong(*explained(error, settings))
        return report
    report.facts |= {"like": next((one.like for one in probed if one.like), "")}
    others = [one for one in cluster.brokers.values() if one not in named]
    _judge_advertised(report, await _probed(settings, others, answer_s))
    _judge(report, settings, cluster, sample)
    return report


async def _probed(settings: Settings, addresses: list[str], answer_s: float) -> list[Probed]:
    return list(await asyncio.gather(*(probe(settings, one, answer_s) for one in addresses)))


def _judge_named(report: Report, probed: list[Probed]) -> None:
    for one in probed:
        if one.trouble:
            report.wrong(f"{one.server}: {one.trouble}", one.repair)


def _judge_advertised(report: Report, probed: list[Probed]) -> None:
    """What brokers call themselves is what clients connect to, whatever address answered first."""
    for one in probed:
        if one.trouble:
            report.wrong(
                f"a broker calls itself {one.server}, and there: {one.trouble}",
                "start that broker, or correct its advertised.listeners to an address that is reached from here",
            )


def _judge(report: Report, settings: Settings, cluster: Cluster, sample: Sample) -> None:
    found = paces(sample.before, sample.after, sample.seconds)
    report.facts |= {
        "brokers": {str(node): address for node, address in sorted(cluster.brokers.items())},
        "controller": cluster.controller,
        "topics": {one.name: _topic_facts(cluster, one.name) for one in wanted(settings) if one.name in cluster.topics},
        "group": {
            "name": settings.group,
            "state": cluster.group_state,
            "workers": [one._asdict() for one in cluster.members],
        },
        "lag_messages": sum(one.lag for one in found),
        "sample_s": round(sample.seconds, 2),
        "partitions": [_pace_facts(one) for one in found[:SHOWN_PARTITIONS]],
    }
    for what, why in cluster.refused.items():
        report.wrong(
            f"{what} could not be asked: {why}", "allow this user to describe topics, their configs and groups"
        )
    if "topics" not in cluster.refused:
        judge_topics(report, settings, cluster)
    judge_group(report, settings, cluster, found)


def _topic_facts(cluster: Cluster, name: str) -> dict[str, Any]:
    topic = cluster.topics[name]
    shown = ("cleanup.policy", "retention.ms", "max.message.bytes", "min.insync.replicas")
    return {
        "partitions": topic.partitions,
        "replicas": topic.replicas,
        "in_sync": topic.in_sync,
        "config": {key: topic.config[key] for key in shown if key in topic.config},
    }


def _pace_facts(one: Pace) -> dict[str, Any]:
    return {
        "topic": one.topic,
        "partition": one.partition,
        "committed": one.committed,
        "end": one.end,
        "lag": one.lag,
        "in_per_s": round(one.in_per_s, 2),
        "done_per_s": round(one.done_per_s, 2),
    }

"""What is wrong with topics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cli.checking.report import Report
from pipeline.settings import Settings
from pipeline.transport.kafka import servers
from pipeline.transport.kafka_survey import Cluster, TopicFound
from pipeline.transport.kafka_topics import HOUR_MS, TopicState, problems, wanted

MIN_RETENTION_MS: Final = HOUR_MS
"""A topic that keeps less loses what a stop of the workers for so long leaves unread."""
UNBOUNDED: Final = -1


def judge_topics(report: Report, settings: Settings, cluster: Cluster) -> None:
    """Missing topics, partitions that do not agree, replicas, and settings that lose what they should keep."""
    topics = [one._replace(partitions=_partitions(cluster, one.name)) for one in wanted(settings)]
    for sentence in problems(topics):
        report.wrong(sentence)
    for one in topics:
        found = cluster.topics.get(one.name)
        if found is not None:
            _judge_replicas(report, settings, one.name, found, len(cluster.brokers))
            for what, option in _wrong_config(one, found.config):
                report.wrong(f"{one.name}: {what}", alteration(settings, one.name, option))


def alteration(settings: Settings, topic: str, option: str) -> str:
    """The command of Kafka that sets one setting of a topic."""
    server = servers(settings.broker_url)[0]
    return (
        f"kafka-configs.sh --bootstrap-server {server} --alter --entity-type topics --entity-name {topic} "
        f"--add-config {option}"
    )


def _partitions(cluster: Cluster, name: str) -> int:
    found = cluster.topics.get(name)
    return 0 if found is None else found.partitions


def _judge_replicas(report: Report, settings: Settings, name: str, found: TopicFound, brokers: int) -> None:
    least = int(found.config.get("min.insync.replicas", "1"))
    if found.leaderless:
        listed = ", ".join(map(str, found.leaderless[:10]))
        report.wrong(f"{name}: partition {listed} has no leader", "start the brokers that hold its replicas")
    elif found.in_sync < least:
        report.wrong(
            f"{name}: {found.in_sync} replicas are in sync, and writes take {least} (min.insync.replicas)",
            "start the brokers that are down",
        )
    elif found.in_sync < found.replicas:
        report.wrong(f"{name}: {found.in_sync} of {found.replicas} replicas are in sync", "see why a broker is behind")
    if found.replicas < settings.kafka_replication:
        report.wrong(
            f"{name}: {found.replicas} replicas, and kafka_replication = {settings.kafka_replication}",
            "kafka-reassign-partitions.sh adds replicas; or lower kafka_replication to what is wanted",
        )
    elif found.replicas == 1 and brokers > 1:
        report.notes.append(f"{name}: one replica on a cluster of {brokers} brokers: a disk that dies takes it along")


def _wrong_config(wished: TopicState, config: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong and the setting that mends it; nothing where the settings were not told."""
    policy = wished.config.get("cleanup.policy", "delete")
    has = config.get("cleanup.policy", policy)
    if has != policy:
        because = "states of keys would vanish" if policy == "compact" else "messages have no key to be kept by"
        yield f"cleanup.policy is {has}, and has to be {policy}: {because}", f"cleanup.policy={policy}"
    retention_ms = int(config.get("retention.ms", UNBOUNDED))
    if policy == "delete" and retention_ms != UNBOUNDED and retention_ms < MIN_RETENTION_MS:
        wish = wished.config["retention.ms"]
        yield (
            f"retention.ms is {retention_ms}: what workers do not read within {retention_ms / 1000:g} s is lost",
            f"retention.ms={wish}",
        )
    for name, why in _AT_LEAST.items():
        least, is_set = wished.config.get(name), config.get(name)
        if least is not None and is_set is not None and int(is_set) < int(least):
            yield f"{name} is {is_set}, and has to be at least {least}: {why}", f"{name}={least}"


_AT_LEAST: Final = {
    "max.message.bytes": "larger messages are refused (kafka_max_message_bytes)",
    "min.compaction.lag.ms": "a late write of a worker that was thought dead would not be recognised",
}

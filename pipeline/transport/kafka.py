"""Faust on Kafka, behind the contract that the local log serves too: `kafka://HOST:PORT,HOST:PORT`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from yarl import URL

from pipeline.settings import Settings
from pipeline.transport.kafka_consumer import KafkaConsumer
from pipeline.transport.kafka_security import credentials

SCHEME: Final = "kafka"
INTERNAL_SCHEME: Final = "telltale-kafka"
"""What Faust finds our transport by; `kafka` is its own."""
DEFAULT_PORT: Final = 9092
METADATA_MAX_AGE_MS: Final = 3_000
"""So soon is a partition seen that was added to a topic."""
NEVER_S: Final = 86_400.0
COMPRESSION: Final = "snappy"
"""Of messages between stages, and of states. They are read once, soon, and by us: time counts more than room. zstd
makes them half as large and takes 2 us a span more, to write and to read."""
BATCH_BYTES: Final = 256 * 1024
"""Records of one partition that go to the broker together. With aiokafka's 16 KiB a few hundred states are dozens of
round trips, one after the other: with a broker that is slow to answer a flush took half a minute."""


def is_kafka(broker_url: str) -> bool:
    """Whether a log is Kafka, and not a folder."""
    return broker_url.startswith(f"{SCHEME}://")


def servers(broker_url: str) -> list[str]:
    """`HOST:PORT` of every broker that the URL names."""
    hosts = broker_url.removeprefix(f"{SCHEME}://").rstrip("/").split(",")
    return [host if _has_port(host) else f"{host}:{DEFAULT_PORT}" for host in hosts]


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2]


class KafkaProducer(driver.Producer):
    """aiokafka's producer: acknowledged by all replicas in sync, each message once and in order."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class KafkaTransport(driver.Transport):
    """Made by Faust from the broker URLs of the app."""

    Consumer: ClassVar[Any] = KafkaConsumer
    Producer: ClassVar[Any] = KafkaProducer


def app_options(settings: Settings) -> dict[str, Any]:
    """What a Faust app on Kafka is made with, beside what every app of ours is; raises SettingsError."""
    TRANSPORTS.aliases.setdefault(INTERNAL_SCHEME, f"{__name__}:KafkaTransport")
    timeout_s = settings.kafka_session_timeout_s
    return {
        "broker": [URL(f"{INTERNAL_SCHEME}://{server}") for server in servers(settings.broker_url)],
        "broker_credentials": credentials(settings),
        "broker_session_timeout": timeout_s,
        "broker_heartbeat_interval": timeout_s / 5,
        "broker_rebalance_timeout": timeout_s,
        "broker_request_timeout": max(40.0, 2 * timeout_s),
        "broker_max_poll_interval": NEVER_S,  # a store that is down is no reason to give partitions up
        "consumer_group_instance_id": settings.instance or None,
        "consumer_metadata_max_age_ms": METADATA_MAX_AGE_MS,
        "consumer_max_fetch_size": 1024 * 1024,
        "producer_max_batch_size": BATCH_BYTES,
        "producer_max_request_size": settings.kafka_max_message_bytes,
        "producer_compression_type": COMPRESSION,
        "topic_allow_declare": False,
    }

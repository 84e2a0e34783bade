"""The receiver's way into the log, local or Kafka. Contract: `pipeline.receiver.contract.LogWriter`."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

import aiokafka
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from yarl import URL

from pipeline.receiver.contract import LogWriter
from pipeline.settings import Settings
from pipeline.transport.kafka import is_kafka, servers
from pipeline.transport.kafka_clients import started
from pipeline.transport.kafka_security import client_options
from pipeline.transport.kafka_topics import prepare_topics
from pipeline.transport.local import directory_of
from pipeline.transport.log import Log, open_log
from schemas.errors import LimitError, LogFullError, SettingsError
from schemas.topics import SOURCES, Signal

SEND_WITHIN_S: Final = 20.0
"""After which a request that no broker took is answered with a refusal; the sender keeps it and tries again."""
LINGER_MS: Final = 5
RETRY_AFTER_S: Final = 2.0


class Journal(LogWriter, Protocol):
    """A writer that is opened and closed with its process."""

    async def start(self) -> None:
        """Return when requests can be appended; raises SettingsError."""
        ...

    async def close(self) -> None:
        """Write what is under way, let go; idempotent."""
        ...


class LocalJournal:
    """Appends to the local log; None: to none, it is closed."""

    def __init__(self, log: Log | None) -> None:
        self._log = log

    async def start(self) -> None:
        """The log is open already."""

    async def append(self, signal: Signal, value: bytes) -> None:
        """Store one OTLP export request; returns when it is on disk; raises LogFullError."""
        if self._log is None:
            raise LogFullError("the log is closed", RETRY_AFTER_S)
        await self._log.append(SOURCES[signal].name, value)

    async def close(self) -> None:
        """Give the log back."""
        log, self._log = self._log, None
        if log is not None:
            log.close()


class KafkaJournal:
    """Appends to Kafka: each request once, acknowledged by all replicas in sync before it is answered."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Any = None
        self._held_bytes = 0

    async def start(self) -> None:
        """Check the topics and connect."""
        settings = self._settings
        await prepare_topics(settings)
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=servers(settings.broker_url),
            client_id="telltale-receiver",
            acks="all",
            enable_idempotence=True,
            linger_ms=LINGER_MS,
            request_timeout_ms=int(SEND_WITHIN_S * 1000),
            max_request_size=settings.kafka_max_message_bytes,
            compression_type=None if settings.kafka_compression == "none" else settings.kafka_compression,
            **client_options(settings),
        )
        try:
            self._producer = await started(producer)
        except (KafkaError, OSError) as error:
            raise SettingsError(f"Kafka at {settings.broker_url} cannot be written: {error}") from error

    async def append(self, signal: Signal, value: bytes) -> None:
        """Store one OTLP export request; returns when the brokers have it.

        Raises:
            LogFullError: too much waits for the brokers already.
            LimitError: Kafka takes no message as large as this.
            KafkaError: no broker took it in time.
        """
        held = self._held_bytes + len(value)
        if held > self._settings.kafka_buffer_bytes and self._held_bytes:
            raise LogFullError(f"{self._held_bytes} bytes wait for Kafka already", RETRY_AFTER_S)
        self._held_bytes += len(value)
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._producer.send_and_wait(SOURCES[signal].name, value)
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            raise LimitError(
                f"Kafka takes no message of {len(value)} bytes: send smaller batches, or raise kafka_max_message_bytes "
                "and the topic's max.message.bytes"
            ) from error
        finally:
            self._held_bytes -= len(value)

    async def close(self) -> None:
        """Send what is buffered."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()


def journal(settings: Settings) -> Journal:
    """The writer of the log that the settings name."""
    if is_kafka(settings.broker_url):
        return KafkaJournal(settings)
    return LocalJournal(open_log(directory_of(URL(settings.broker_url)), max_bytes=settings.log_max_bytes))

"""The log as dead letters are put back into it, local or Kafka. Contract: `query.dead_letters.letters.Log`.

Opened when it is first needed: most processes never put anything back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from yarl import URL

from pipeline.settings import Settings
from pipeline.transport.kafka import is_kafka, servers
from pipeline.transport.kafka_clients import started
from pipeline.transport.kafka_security import client_options
from pipeline.transport.local import directory_of
from pipeline.transport.log import Log, open_log
from pipeline.transport.records import Partition
from schemas.dead_letters import Original, Place
from schemas.errors import PutBackError, SettingsError, TelltaleError

MS_NS: Final = 1_000_000
ANSWER_S: Final = 10.0
NEVER_SENT: Final = (MessageSizeTooLargeError, RecordListTooLargeError, TopicAuthorizationFailedError, AssertionError)
"""The last is what aiokafka says of a partition that is not there."""
GONE: Final = "the log no longer holds it (it begins at offset {first})"
ANOTHER: Final = "another message stands at its offset now: the topic was made anew"


class OpenLog(Protocol):
    """A log that is closed with its process."""

    async def original(self, place: Place, unix_nano: int) -> Original | str: ...  # noqa: D102 - see the contract
    async def put_back(self, place: Place, original: Original, headers: Mapping[str, str]) -> tuple[int, int]: ...  # noqa: D102
    async def close(self) -> None: ...  # noqa: D102


def open_for_putting_back(settings: Settings) -> OpenLog:
    """The log that the settings name."""
    return KafkaLog(settings) if is_kafka(settings.broker_url) else LocalLog(settings)


class KafkaLog:
    """Reads single messages and writes them, acknowledged by all replicas in sync."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: Any = None
        self._producer: Any = None
        self._lock = asyncio.Lock()

    async def original(self, place: Place, unix_nano: int) -> Original | str:
        """See the contract."""
        try:
            async with self._lock, asyncio.timeout(2 * ANSWER_S):  # one assignment at a time
                record = await self._record(place)
        except (TimeoutError, KafkaTimeoutError):
            return f"nothing came of partition {place.partition} of {place.topic} in time: is it still there?"
        except (KafkaError, OSError, SettingsError) as error:
            raise PutBackError(f"Kafka cannot be read: {_named(error)}", uncertain=False) from error
        if isinstance(record, str):
            return record
        if record.offset != place.offset:
            return "the log has no message at its offset any more"
        if abs(max(-1, record.timestamp * MS_NS) - unix_nano) > MS_NS:
            return ANOTHER
        return Original(record.value or b"", record.key)

    async def _record(self, place: Place) -> Any:
        tp = TopicPartition(place.topic, place.partition)
        consumer = await self._reading()
        consumer.assign([tp])
        first, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
        if place.offset < first:
            return GONE.format(first=first)
        if place.offset >= end:
            return ANOTHER
        consumer.seek(tp, place.offset)
        return await consumer.getone(tp)

    async def put_back(self, place: Place, original: Original, headers: Mapping[str, str]) -> tuple[int, int]:
        """See the contract."""
        listed = [(name, value.encode()) for name, value in headers.items()]
        try:
            producer = await self._writing()
        except (KafkaError, OSError, SettingsError) as error:
            raise PutBackError(f"Kafka cannot be written: {_named(error)}", uncertain=False) from error
        try:
            async with asyncio.timeout(2 * ANSWER_S):
                sent = await producer.send_and_wait(
                    place.topic, original.value, key=original.key, partition=place.partition, headers=listed
                )
        except (KafkaError, OSError, TimeoutError, AssertionError) as error:
            raise PutBackError(_named(error), uncertain=not isinstance(error, NEVER_SENT)) from error
        return int(sent.partition), int(sent.offset)

    async def close(self) -> None:
        """Let go; idempotent."""
        consumer, self._consumer = self._consumer, None
        producer, self._producer = self._producer, None
        if consumer is not None:
            await consumer.stop()
        if producer is not None:
            await producer.stop()

    async def _reading(self) -> Any:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                client_id="telltale-dead-letters",
                max_partition_fetch_bytes=self._settings.kafka_max_message_bytes,
                isolation_level="read_committed",
                auto_offset_reset="none",
                **self._options(),
            )
            self._consumer = await started(consumer)
        return self._consumer

    async def _writing(self) -> Any:
        if self._producer is None:
            producer = AIOKafkaProducer(
                client_id="telltale-dead-letters",
                acks="all",
                enable_idempotence=True,
                max_request_size=self._settings.kafka_max_message_bytes,
                **self._options(),
            )
            self._producer = await started(producer)
        return self._producer

    def _options(self) -> dict[str, Any]:
        return {
            "bootstrap_servers": servers(self._settings.broker_url),
            "request_timeout_ms": int(ANSWER_S * 1000),
            **client_options(self._settings),
        }


class LocalLog:
    """The log of this process: it forgets what was processed, so most letters come from the bytes kept."""

    def __init__(self, settings: Settings) -> None:
        self._directory = directory_of(URL(settings.broker_url))
        self._log: Log | None = None

    async def original(self, place: Place, unix_nano: int) -> Original | str:
        """See the contract."""
        log = self._opened()
        where = Partition(place.topic, place.partition)
        if place.partition >= (log.partitions(place.topic) or 0):
            return f"there is no partition {place.partition} of {place.topic}"
        for record in log.read(where, place.offset, place.offset + 1):
            same = abs(record.timestamp_unix_nano - unix_nano) <= MS_NS
            return Original(record.value or b"", record.key) if same else ANOTHER
        return GONE.format(first=log.start_of(where))

    async def put_back(self, place: Place, original: Original, headers: Mapping[str, str]) -> tuple[int, int]:
        """See the contract; its records have no headers."""
        del headers
        try:
            return await self._opened().append(place.topic, original.value, key=original.key, partition=place.partition)
        except TelltaleError as error:  # it is full, or has no such partition: nothing was written
            raise PutBackError(str(error), uncertain=False) from error

    async def close(self) -> None:
        """Let go; idempotent."""
        log, self._log = self._log, None
        if log is not None:
            log.close()

    def _opened(self) -> Log:
        if self._log is None:
            self._log = open_log(self._directory)
        return self._log


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]

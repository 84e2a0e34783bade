"""The role of the worker: from the log to the store and the findings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from cli.rules_watch import RulesWatch
from pipeline.assembly import normalizer
from pipeline.settings import Settings
from pipeline.stream import Parts, Stream
from pipeline.transport.kafka import is_kafka
from pipeline.transport.kafka_topics import prepare_topics
from schemas.finding import Finding
from sinks.clickhouse import ClickHouseSink
from sinks.prometheus import PrometheusMetrics

MEASURE_S: Final = 1.0
"""How often lag, watermark and throughput are told to Prometheus."""

_log = logging.getLogger(__name__)


class Working:
    """Contract: `cli.part.Part`. `tell` hears of every revision of a finding."""

    def __init__(self, settings: Settings, metrics: PrometheusMetrics, tell: Callable[[Finding], None]) -> None:
        self._settings = settings
        self._metrics = metrics
        self._tell = tell
        self._rules = RulesWatch(settings.rules_dir, tools_file=settings.tools_file)
        self._measuring: asyncio.Task[None] | None = None
        self._lag: int | None = None
        self._stream = None if is_kafka(settings.broker_url) else self._made(settings)

    def _made(self, settings: Settings) -> Stream:
        create = not is_kafka(settings.broker_url) or bool(settings.create_tables)
        sink = ClickHouseSink(settings.store_url, settings.retention, create=create)
        return Stream(settings, Parts(normalizer(settings), self._rules.detectors, sink, self._metrics, self._tell))

    @property
    def watermark_unix_nano(self) -> int:
        """Event time up to which everything was judged here; 0 = nothing was."""
        return 0 if self._stream is None else self._stream.watermark_unix_nano

    def lag(self) -> int | None:
        """Messages that waited here when it was last measured; None = not yet."""
        return self._lag

    def reload(self) -> None:
        """Read the rules again now."""
        self._rules.look()

    async def start(self) -> dict[str, str]:
        """Return when our partitions are restored."""
        if self._stream is None:
            # how many partitions the topics with states have is Kafka's to say
            self._stream = self._made(replace(self._settings, partitions=await prepare_topics(self._settings)))
        await self._stream.start()
        self._measuring = asyncio.create_task(self._measure(self._stream))
        self._rules.start(self._stream.use)
        return {}

    async def failed(self) -> None:
        """Wait for the stream to crash and raise why."""
        if self._stream is not None:
            await self._stream.failed()

    async def stop(self) -> None:
        """What has been acknowledged stays in the log until it is processed."""
        self._rules.stop()
        if self._measuring is not None:
            self._measuring.cancel()
        if self._stream is not None:
            await self._stream.stop()

    async def _measure(self, stream: Stream) -> None:
        while True:
            try:
                progress = await stream.progress()
            except Exception as error:  # a broker that does not answer now: it is asked again
                self._lag = None
                _log.warning("the lag is not known: %s", error)
            else:
                self._metrics.progress(progress)
                self._lag = sum(one.end - one.done for one in progress)
                self._metrics.watermark(stream.watermark_unix_nano)
            await asyncio.sleep(MEASURE_S)

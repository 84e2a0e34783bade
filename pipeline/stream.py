"""The live stream of one process: log, Faust app, stages, store, watchdog."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from detectors.catalog import Detectors
from pipeline.folds import bounds, folds
from pipeline.normalize import Normalizer
from pipeline.processing import KeepFindings, Normalize, Observer, Publishers, Store
from pipeline.settings import Settings
from pipeline.stages.embedded import EmbeddedApp, Stage, make_app
from pipeline.stages.keyed import KeyedOptions, KeyedStage
from pipeline.stages.planned import BatchLimits, PlannedStage
from pipeline.transport.local import directory_of
from pipeline.transport.log import Log, open_log
from pipeline.watchdog import Watchdog
from schemas.finding import Finding
from schemas.topics import CALLS, FINDINGS, LINKS, SLICES, SOURCES, TOPICS, Signal

SETTLE_S: Final = 10.0


class LocalLogWriter:
    """The receiver's way into the local log. Contract: `pipeline.receiver.contract.LogWriter`."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def append(self, signal: Signal, value: bytes) -> None:
        """Store one OTLP export request; returns when it is on disk; raises LogFullError."""
        await self._log.append(SOURCES[signal].name, value)


class Parts(NamedTuple):
    """What a stream works with."""

    normalizer: Normalizer
    detectors: Detectors
    store: Store
    observer: Observer
    tell: Callable[[Finding], None] = lambda finding: None
    """Told of every revision once it is stored; of some twice, after a crash."""


class Stream:
    """Everything from the log to the findings. `start` once, `stop` once."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self._store = store = parts.store
        self.app: Any = make_app(settings.broker_url, settings.data_dir, partitions=settings.partitions)
        self.log = _prepare_log(self.app, settings)
        self.writer = LocalLogWriter(self.log)
        self._normalize = Normalize(parts.normalizer, store, parts.observer, settings.partitions)
        publishers = Publishers(lambda: self.app.producer, store, settings.partitions)
        batches = BatchLimits(settings.batch_messages, settings.batch_bytes, settings.batch_linger_s)
        made = folds(parts.detectors, settings)
        within = bounds(settings)
        links, calls, slices = (
            KeyedOptions(settings.flush_messages, settings.flush_s, limits, settings.partitions) for limits in within
        )
        raw = PlannedStage(self.app, "normalize", [t.name for t in SOURCES.values()], self._normalize, batches)
        resolve = KeyedStage(self.app, LINKS.name, made.links, publishers.links, links).after(raw)
        self._calls = KeyedStage(self.app, CALLS.name, made.calls, publishers.calls, calls).after(raw, resolve)
        self._slices = KeyedStage(self.app, SLICES.name, made.slices, publishers.slices, slices).after(raw)
        keep = PlannedStage(
            self.app, "findings", [FINDINGS.name], KeepFindings(store, parts.observer, parts.tell), batches
        )
        self.stages: tuple[Stage, ...] = (raw, resolve, self._calls, self._slices, keep)
        self._running = EmbeddedApp(self.app, self.stages)
        self._watchdog = Watchdog(self.app, self.stages, settings.watchdog_s) if settings.watchdog_s else None

    async def start(self) -> None:
        """Open the store, then the stream; returns when every partition is ours and restored."""
        await self._store.start()
        await self._running.start()
        if self._watchdog is not None:
            self._watchdog.start()

    async def failed(self) -> None:
        """Wait for a service to crash and raise why; returns only when the stream was stopped."""
        await self._running.failed()

    async def settle(self, timeout_s: float) -> bool:
        """Wait until everything that has arrived is judged and stored; False: not within `timeout_s`."""
        return await self._running.settle(timeout_s)

    async def stop(self) -> None:
        """Finish what has arrived (for at most `SETTLE_S`), commit, close; what is left waits in the log."""
        if self._watchdog is not None:
            await self._watchdog.stop()
        if self.app.started and not self.app.crashed:
            await self._running.settle(SETTLE_S)
        await self._running.stop()
        await asyncio.to_thread(self._normalize.close)
        await self._store.close()
        self.log.close()

    async def lag(self) -> dict[str, int]:
        """Topic -> messages that wait to be processed."""
        consumer = self.app.consumer
        waiting: dict[str, int] = {}
        for stage in self.stages:
            ours = [tp for tp in consumer.assignment() if tp.topic in stage.topics]
            for tp, end in (await consumer.highwaters(*ours)).items():
                waiting[tp.topic] = waiting.get(tp.topic, 0) + max(0, end - (stage.done(tp) or 0))
        return waiting

    @property
    def watermark_unix_nano(self) -> int:
        """Event time up to which sessions and series have been judged; 0 = nothing has arrived."""
        return self._calls.watermark_unix_nano


def _prepare_log(app: Any, settings: Settings) -> Log:
    """Open the local log and create its topics before the app starts."""
    log = open_log(directory_of(app.transport.url[0]), max_bytes=settings.log_max_bytes)
    for topic in TOPICS:
        retain = settings.findings_log_records if topic is FINDINGS else None
        log.create(topic.name, settings.partitions, retain=retain)
    return log

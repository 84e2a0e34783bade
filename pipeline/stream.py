"""The live stream of one process: log, Faust app, stages, store, watchdog."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Final, NamedTuple

from detectors.catalog import Detectors
from pipeline.folds import bounds, folds
from pipeline.normalize import Normalizer
from pipeline.processing import KeepFindings, Normalize, Observer, Publishers, Store
from pipeline.settings import Settings
from pipeline.stages.embedded import EmbeddedApp, Stage, make_app
from pipeline.stages.keyed import KeyedOptions, KeyedStage
from pipeline.stages.order import Cuts
from pipeline.stages.planned import BatchLimits, PlannedStage
from pipeline.transport.kafka import app_options, is_kafka
from pipeline.transport.local import directory_of
from pipeline.transport.log import Log, open_log
from pipeline.watchdog import Watchdog
from schemas.finding import Finding
from schemas.topics import ATTEMPTS, CALLS, FINDINGS, LINKS, LOGS, SLICES, SOURCES, SPANS, TOPICS

SETTLE_S: Final = 10.0


MINUTES_FLUSH_S: Final = 1.0
"""Until what follows from minutes and attempts is sent on: a minute is judged when it is over."""


class Parts(NamedTuple):
    """What a stream works with."""

    normalizer: Normalizer
    detectors: Detectors
    store: Store
    observer: Observer
    tell: Callable[[Finding], None] = lambda finding: None
    """Told of every revision once it is stored; of some twice, after a crash."""


class Progress(NamedTuple):
    """How far one partition has come."""

    topic: str
    partition: int
    done: int
    """Everything before this offset is processed."""
    end: int
    """The next offset to be written."""
    watermark_unix_nano: int
    """Event time up to which its keys were judged; 0: it keeps no states."""


class Stream:
    """Everything from the log to the findings. `start` once, `stop` once.

    On Kafka the topics have to be there, and `partitions` is the number of those with states
    (`pipeline.transport.kafka_topics.prepare_topics`).
    """

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self._store = store = parts.store
        self._in_fleet = is_kafka(settings.broker_url)
        self.app: Any = _app(settings)
        self.log = None if self._in_fleet else _prepare_log(self.app, settings)
        # On one machine the receiver has refused what is no request, and who posts one that cannot be used must not be
        # able to stop receiver, API and all.
        limit = settings.dead_letter_limit if self._in_fleet else 0
        self._normalize = Normalize(parts.normalizer, store, parts.observer, settings.partitions, limit)
        publishers = Publishers(lambda: self.app.producer, store, settings.partitions)
        batches = BatchLimits(settings.batch_messages, settings.batch_bytes, settings.batch_linger_s)
        self._folds = made = folds(parts.detectors, settings)
        within = bounds(settings)
        unhurried = max(settings.flush_s, MINUTES_FLUSH_S)
        paces = (settings.flush_s, settings.flush_s, unhurried, unhurried)
        links, calls, attempts, slices = (
            KeyedOptions(pace, settings.store_messages, settings.store_s, limits, settings.partitions, self._in_fleet)
            for pace, limits in zip(paces, within, strict=True)
        )
        raw = PlannedStage(self.app, "normalize", [t.name for t in SOURCES.values()], self._normalize, batches)
        cuts = Cuts(self.app, raw.places, (SPANS.name, LOGS.name)) if self._in_fleet else None
        resolve = KeyedStage(self.app, LINKS.name, made.links, publishers.links, links).after(raw)
        self._calls = KeyedStage(self.app, CALLS.name, made.calls, publishers.calls, calls).after(raw, resolve)
        retried = KeyedStage(self.app, ATTEMPTS.name, made.attempts, publishers.attempts, attempts).after(raw, resolve)
        self._slices = KeyedStage(self.app, SLICES.name, made.slices, publishers.slices, slices).after(raw)
        for stage in (resolve, self._calls, retried, self._slices):
            stage.in_order(cuts)
        keep = PlannedStage(
            self.app, "findings", [FINDINGS.name], KeepFindings(store, parts.observer, parts.tell), batches
        )
        self.stages: tuple[Stage, ...] = (raw, resolve, self._calls, retried, self._slices, keep)
        self._running = EmbeddedApp(self.app, self.stages)
        self._watchdog = Watchdog(self.app, self.stages, settings.watchdog_s) if settings.watchdog_s else None

    async def start(self) -> None:
        """Open the store, then the stream; returns when every partition is ours and restored."""
        await self._store.start()
        await self._running.start()
        if self._watchdog is not None:
            self._watchdog.start()

    def use(self, detectors: Detectors) -> None:
        """Judge with these detectors from the next event on."""
        self._folds.use(detectors)

    async def failed(self) -> None:
        """Wait for a service to crash and raise why; returns only when the stream was stopped."""
        await self._running.failed()

    async def settle(self, timeout_s: float) -> bool:
        """Wait until everything that has arrived is judged and stored; False: not within `timeout_s`."""
        return await self._running.settle(timeout_s)

    async def stop(self) -> None:
        """Finish what has arrived (for at most `SETTLE_S`), commit, close; what is left waits in the log."""
        async with AsyncExitStack() as stack:  # each of it, whatever fails before
            if self.log is not None:
                stack.callback(self.log.close)
            stack.push_async_callback(self._store.close)
            stack.push_async_callback(asyncio.to_thread, self._normalize.close)
            stack.push_async_callback(self._running.stop)
            if self._watchdog is not None:
                await self._watchdog.stop()
            if self.app.started and not self.app.crashed and not self._in_fleet:
                # in a fleet others go on with what is left, and more always comes
                await self._running.settle(SETTLE_S)

    async def progress(self) -> list[Progress]:
        """How far every partition of ours has come."""
        consumer = self.app.consumer
        found = []
        for stage in self.stages:
            ours = [tp for tp in consumer.assignment() if tp.topic in stage.topics]
            ends = await consumer.highwaters(*ours)
            for tp in ours:
                done = stage.done(tp)
                if done is not None:
                    found.append(Progress(tp.topic, tp.partition, done, max(done, ends[tp]), stage.watermark(tp)))
        return found

    @property
    def watermark_unix_nano(self) -> int:
        """Event time up to which sessions and series have been judged; 0 = nothing has arrived."""
        return self._calls.watermark_unix_nano


def _app(settings: Settings) -> Any:
    options = app_options(settings) if is_kafka(settings.broker_url) else None
    return make_app(
        settings.broker_url, settings.data_dir, partitions=settings.partitions, group=settings.group, options=options
    )


def _prepare_log(app: Any, settings: Settings) -> Log:
    """Open the local log and create its topics before the app starts."""
    log = open_log(directory_of(app.transport.url[0]), max_bytes=settings.log_max_bytes)
    for topic in TOPICS:
        retain = settings.findings_log_records if topic is FINDINGS else None
        log.create(topic.name, settings.partitions, retain=retain)
    return log

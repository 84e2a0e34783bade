"""The stages of `telltale up` put together in one thread, each charged to its name."""

from __future__ import annotations

import time
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.clock import StageClock
from pipeline import assembly, normalize, routing, series
from pipeline.folds import bounds, folds
from pipeline.message import Message
from pipeline.minutes import SeriesMinute
from pipeline.normalize import Normalized, Normalizer
from pipeline.settings import Settings
from pipeline.stages import derived
from pipeline.stages.derived import Derived
from pipeline.stages.inline import InlineStage
from schemas.finding import Finding
from schemas.rows import series_rows
from schemas.topics import ATTEMPTS, CALLS, LINKS, SLICES, SPANS
from sinks.clickhouse import ClickHouseSink
from sinks.contract import Batch

DECODE, SESSIONS, SERIES, REDACT = "decode", "sessions, signatures", "series slices", "redact"
ROWS, SEND, INSERT, DETECT, REST = "rows of calls", "messages between stages", "insert, merges", "detect", "the rest"


class Pipe:
    """Takes batches of one partition of `otlp_spans` from raw message to stored rows and findings.

    `changes` are settings other than the defaults.
    """

    def __init__(self, folder: Path, clock: StageClock, **changes: Any) -> None:
        settings = Settings(data_dir=folder, **changes)
        self._clock = clock
        self._normalizer = assembly.normalizer(settings)
        self._sink = ClickHouseSink(settings.store_url)
        made, within = folds(assembly.detectors(), settings), bounds(settings)
        self._links = InlineStage(made.links, within.links)
        self._calls = InlineStage(made.calls, within.calls)
        self._attempts = InlineStage(made.attempts, within.attempts)
        self._slices = InlineStage(made.slices, within.slices)
        self.findings = 0
        _charge(self._normalizer, clock)

    async def start(self) -> None:
        """Open the database."""
        await self._sink.start()

    async def close(self) -> None:
        """Close the database."""
        await self._sink.close()

    async def batch(self, values: list[bytes], first_offset: int) -> None:
        """One batch, all the way."""
        now = time.time_ns()
        messages = [Message(SPANS.name, 0, first_offset + n, now, value) for n, value in enumerate(values)]
        with self._clock.stage(REST):
            done = self._normalizer.batch(messages)
            with self._clock.stage(INSERT):
                await self._sink.write(Batch(SPANS.name, 0, first_offset, messages[-1].offset, done.tables))
            with self._clock.stage(SEND):
                arrived = _sent(done)
            with self._clock.stage(DETECT):
                minutes = self._fold(arrived)
            if minutes:
                offsets = [messages[-1].offset] * len(minutes)
                with self._clock.stage(INSERT):
                    rows = {"series_1m": series_rows(minutes, SLICES.name, 0, offsets)}
                    await self._sink.write(Batch(SLICES.name, 0, offsets[0], offsets[0], rows, upsert=True))

    def _fold(self, arrived: dict[str, list[Derived]]) -> list[SeriesMinute]:
        found: list[Finding] = []
        for message in arrived[LINKS.name]:
            settled = routing.settled(self._links.feed(message))
            for stage, events in ((self._calls, settled.events), (self._attempts, settled.attempts)):
                if events:
                    found += stage.feed(message._replace(events=events))
        for stage, topic in ((self._calls, CALLS), (self._attempts, ATTEMPTS)):
            for message in arrived[topic.name]:
                found += stage.feed(message)
        judged = routing.judged(chain.from_iterable(map(self._slices.feed, arrived[SLICES.name])))
        self.findings += len(found) + len(judged.findings)
        return judged.minutes


async def open_pipe(folder: Path, clock: StageClock, **changes: Any) -> Pipe:
    """A pipe whose database is open."""
    pipe = Pipe(folder, clock, **changes)
    await pipe.start()
    return pipe


def _sent(done: Normalized) -> dict[str, list[Derived]]:
    """What the keyed stages read back from the log."""
    return {
        topic: [derived.decode(derived.encode(part)) for _, part in derived.split(message, partitions=1)]
        for topic, message in done.derived.items()
    }


def _charge(normalizer: Normalizer, clock: StageClock) -> None:
    """Have the parts of normalize charged to their own names."""
    for owner, attribute, name in (
        (normalizer, "_decode", DECODE),
        (normalizer._model, "facts", SESSIONS),
        (normalizer._redactor, "table", REDACT),
        (normalizer._redactor, "texts", REDACT),
        (series, "slices", SERIES),
        (normalize, "_fact_rows", ROWS),
    ):
        setattr(owner, attribute, clock.wrap(name, getattr(owner, attribute)))

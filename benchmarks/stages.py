"""The stages of `telltale up` put together in one thread, each charged to its name."""

from __future__ import annotations

import time
from pathlib import Path

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
from schemas.rows import series_rows
from schemas.topics import CALLS, LINKS, SLICES, SPANS
from sinks.clickhouse import ClickHouseSink
from sinks.contract import Batch

DECODE, SESSIONS, SERIES, REDACT = "decode", "sessions, signatures", "series slices", "redact"
ROWS, SEND, INSERT, DETECT, REST = "rows of calls", "messages between stages", "insert, merges", "detect", "the rest"


class Pipe:
    """Takes batches of one partition of `otlp_spans` from raw message to stored rows and findings."""

    def __init__(self, folder: Path, clock: StageClock) -> None:
        settings = Settings(data_dir=folder)
        self._clock = clock
        self._normalizer = assembly.normalizer(settings)
        self._sink = ClickHouseSink(settings.store_url)
        made, within = folds(assembly.detectors(), settings), bounds(settings)
        self._links = InlineStage(made.links, within.links)
        self._calls = InlineStage(made.calls, within.calls)
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

    def _fold(self, arrived: dict[str, Derived]) -> list[SeriesMinute]:
        links = arrived[LINKS.name]
        events = routing.settled(self._links.feed(links)).events
        found = list(self._calls.feed(arrived[CALLS.name]))
        if events:
            found += self._calls.feed(links._replace(events=events))
        judged = routing.judged(self._slices.feed(arrived[SLICES.name]))
        self.findings += len(found) + len(judged.findings)
        return judged.minutes


async def open_pipe(folder: Path, clock: StageClock) -> Pipe:
    """A pipe whose database is open."""
    pipe = Pipe(folder, clock)
    await pipe.start()
    return pipe


def _sent(done: Normalized) -> dict[str, Derived]:
    """What the keyed stages read back from the log."""
    return {topic: derived.decode(derived.encode(message)) for topic, message in done.derived.items()}


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

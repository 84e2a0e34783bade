"""A whole stream for tests: the real log, real Faust, both kinds of stages, a store in memory."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.message import Message
from pipeline.stages import derived
from pipeline.stages.derived import Derived, Event
from pipeline.stages.embedded import EmbeddedApp, make_app
from pipeline.stages.keyed import KeyedOptions, KeyedStage, Origin
from pipeline.stages.planned import BatchLimits, Outgoing, PlannedStage
from pipeline.transport.log import open_log
from tests.stages.folds import Sums, Told

RAW = ("otlp_spans", "otlp_logs")
CALLS = "telltale.calls"


class MemoryStore:
    """A processor that stores rows in memory and sends each message's number on under its key (`key number`)."""

    def __init__(self, partitions: int = 1, calls: str = CALLS) -> None:
        self.partitions = partitions
        self.calls = calls
        self.rows: dict[tuple[str, int], list[int]] = defaultdict(list)
        self.batches: list[tuple[str, int, list[int], bool]] = []
        self.buried: list[tuple[int, str]] = []
        self.before: Callable[[Sequence[Message], bool], Awaitable[None]] | None = None

    async def process(self, topic: str, partition: int, messages: Sequence[Message], replay: bool) -> list[Outgoing]:
        offsets = [m.offset for m in messages]
        self.batches.append((topic, partition, offsets, replay))
        if self.before is not None:
            await self.before(messages, replay)
        stored = self.rows[topic, partition]
        stored += [offset for offset in offsets if not (replay and offset in stored)]
        return outgoing(topic, partition, messages, self.partitions, self.calls)

    async def bury(self, message: Message, reason: str) -> None:
        self.buried.append((message.offset, reason))


def outgoing(
    topic: str, partition: int, messages: Sequence[Message], partitions: int, calls: str = CALLS
) -> list[Outgoing]:
    """What the numbers in some messages become."""
    events = []
    for message in messages:
        key, number = message.value.decode().split()
        events.append(Event(key, message.offset, "add", [int(number[-9:])], message.timestamp_unix_nano))
    latest = max(m.timestamp_unix_nano for m in messages)
    whole = Derived(topic, partition, messages[0].offset, messages[-1].offset, latest, events)
    return [Outgoing(calls, derived.encode(one), None, to) for to, one in derived.split(whole, partitions)]


class Rig:
    """`async with Rig(folder) as rig:` runs the stream until the end of the block."""

    def __init__(
        self, directory: Path, *, partitions: int = 1, limits: BatchLimits | None = None, fold: Any = None,
        options: KeyedOptions | None = None,
    ) -> None:  # fmt: skip
        self.log = open_log(directory)
        for topic in RAW:
            self.log.create(topic, partitions)
        self.app = make_app(f"local://{directory}", directory, partitions=partitions)
        self.store = MemoryStore(partitions)
        limits = limits or BatchLimits(linger_s=0.05, write_s=0)
        self.planned = PlannedStage(self.app, "normalize", RAW, self.store, limits)
        self.told: list[Told] = []
        self.origins: list[Origin] = []
        self.before_publish: Callable[[], Awaitable[None]] | None = None
        options = options or KeyedOptions(flush_s=0.05, store_s=0.05, partitions=partitions)
        self.keyed = KeyedStage(self.app, CALLS, fold or Sums(), self.publish, options).after(self.planned)
        self.running = EmbeddedApp(self.app, [self.planned, self.keyed])

    async def publish(self, outputs: Sequence[Told], origin: Origin) -> None:
        if self.before_publish is not None:
            await self.before_publish()
        self.told += outputs
        self.origins.append(origin)

    async def __aenter__(self) -> Rig:
        try:
            await self.running.start()
        except BaseException:
            self.log.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.running.stop(5.0)
        self.log.close()

    async def put(self, *texts: str, topic: str = RAW[0], partition: int | None = None) -> None:
        """Append messages, in order."""
        for text in texts:
            await self.log.append(topic, text.encode(), partition=partition)

    async def settle(self) -> None:
        """Everything that was put is processed."""
        assert await self.running.settle(60.0), "the stream did not settle"

    def sums(self) -> dict[str, int]:
        """The last sum told of each key."""
        return {one.key: one.value for one in self.told if one.kind == "sum"}


async def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.01)

"""Stage 1: batches that are neither lost nor stored twice, whenever the process is killed.

    open     committed offset and metadata; metadata {"last": n} is an unfinished plan first..n
    message  in order? then collect it
    flush    under the partition's lock, and only if the generation is still ours
      1  commit (first, {"last": last}): acknowledges all before `first`, fences who thinks that it owns the partition
      2  process: store the batch, say what to send on
      3  send it, await it
    idle     commit (last + 1, no plan)
    replay   a plan found when the partition is opened is processed again with replay=True (insert what is missing)

A failed insert is tried again in place, with replay=True because it may have stored a part: an error raised in a
Faust agent would lose the message and its neighbours.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import orjson
from faust.types import TP

from pipeline.message import Message
from pipeline.stages.agents import Agents
from pipeline.stages.place import Place, Places
from schemas.errors import PermanentSinkError, RetryableSinkError

_log = logging.getLogger(__name__)


class Outgoing(NamedTuple):
    """A record to send on."""

    topic: str
    value: bytes
    key: bytes | None = None
    partition: int | None = None
    """None: by the key, or any."""


class Processor(Protocol):
    """What the stage does with batches."""

    async def process(
        self, topic: str, partition: int, messages: Sequence[Message], replay: bool
    ) -> Sequence[Outgoing]:
        """Store a batch; returns, once it is durable, what to send on: a function of the messages alone.

        Never called twice at a time for one partition, but for several partitions at once. `replay`: the batch may
        be stored already, in part: insert only what is missing.

        Raises:
            RetryableSinkError: called again with the same messages after its delay, with replay=True.
            PermanentSinkError: the batch is halved until the message at fault is alone; that one is buried.
        """
        ...

    async def bury(self, message: Message, reason: str) -> None:
        """Put a message that cannot be stored into the dead letters; may raise RetryableSinkError.

        Called again after a crash: it has to recognise what it buried before, by topic, partition and offset.
        """
        ...


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is full."""

    messages: int = 40
    bytes: int = 8 * 1024 * 1024
    linger_s: float = 0.15
    """The first message of a batch waits no longer than this."""
    write_s: float = 120.0
    """So long the store may take for one write; it is a standstill only then."""


class _Batch(Place):
    """A partition and the batch that is being collected for it."""

    def __init__(self, tp: TP, generation: int, done: int, metadata: str) -> None:
        super().__init__(tp, generation, done)
        last = orjson.loads(metadata)["last"] if metadata else -1
        self.plan: int | None = last if last >= done else None
        """Last offset of a plan that has to be processed again."""
        self.messages: list[Message] = []
        self.bytes = 0
        self.since = 0.0


class PlannedStage:
    """Processes raw topics in planned batches, one agent for each topic."""

    def __init__(self, app: Any, name: str, topics: Sequence[str], processor: Processor, limits: BatchLimits) -> None:
        self._app = app
        self._processor = processor
        self._limits = limits
        self.topics = tuple(topics)
        self.places: Places[_Batch] = Places(app, topics, _Batch)
        self._retries = 0
        self._writing: dict[TP, float] = {}
        """Since when a write is under way; monotonic seconds."""
        self._agents = Agents(app, self._take, self._tick)
        for topic in topics:
            self._agents.follow(topic, f"{name}.{topic}")
        self._period_s = limits.linger_s / 3
        self._agents.every(self._period_s)

    @property
    def retries(self) -> int:
        """Changes while this stage waits for the store, for a write under way or before the next: no standstill."""
        now = time.monotonic()
        waited = (now - since for since in self._writing.values())
        return self._retries + sum(int(10 * seconds) for seconds in waited if seconds < self._limits.write_s)

    # Collecting

    async def _take(self, message: Any) -> None:
        batch = await self.places.open(message.tp, message.generation_id)
        if batch is None or not await self.places.admit(batch, message):
            return
        if batch.plan is not None and message.offset > batch.plan:
            await self._give_up_plan(batch)
        if not batch.messages:
            batch.since = time.monotonic()
        value = message.value or b""
        batch.messages.append(
            Message(message.topic, message.partition, message.offset, int(message.timestamp * 1e9), value, message.key)
        )
        batch.bytes += len(value)
        if self._full(batch):
            await self._flush(batch)

    def _full(self, batch: _Batch) -> bool:
        if batch.plan is not None:
            return batch.messages[-1].offset >= batch.plan
        return len(batch.messages) >= self._limits.messages or batch.bytes >= self._limits.bytes

    # Flushing

    async def _flush(self, batch: _Batch) -> None:
        async with batch.lock:
            if self._agents.failed or not batch.messages or not self.places.alive(batch):
                return
            try:
                await self._carry_out(batch)
            except BaseException:
                # What was collected is not processed: who goes on must begin at the committed offset, with its plan.
                # A later batch of this place would acknowledge it unprocessed.
                self.places.close(batch)
                raise

    async def _carry_out(self, batch: _Batch) -> None:
        messages, batch.messages, batch.bytes = batch.messages, [], 0
        first, last = messages[0].offset, messages[-1].offset
        replay, batch.plan = batch.plan is not None, None
        if not replay:
            plan = orjson.dumps({"last": last}).decode()
            if not await self.places.commit(batch, first, plan):
                return
        outgoing = await self._store(batch, messages, replay)
        if outgoing is None:
            return
        producer = self._app.producer
        await asyncio.gather(*[await producer.send(o.topic, o.key, o.value, o.partition, None, None) for o in outgoing])
        batch.done = last + 1

    async def _store(self, batch: _Batch, messages: list[Message], replay: bool) -> list[Outgoing] | None:
        """Process messages until they are stored; None: the partition went to somebody else meanwhile."""
        while self.places.alive(batch):
            try:
                self._writing[batch.tp] = time.monotonic()
                return list(await self._processor.process(*batch.tp, messages, replay))
            except RetryableSinkError as exc:
                await self._wait(batch, exc)
                replay = True
            except PermanentSinkError as exc:
                return await self._narrow(batch, messages, str(exc))
            finally:
                self._writing.pop(batch.tp, None)
        return None

    async def _narrow(self, batch: _Batch, messages: list[Message], reason: str) -> list[Outgoing] | None:
        """Halve a refused batch, so that one message does not take its neighbours with it."""
        if len(messages) == 1:
            return await self._give_up(batch, messages[0], reason)
        middle = len(messages) // 2
        halves = [await self._store(batch, half, True) for half in (messages[:middle], messages[middle:])]
        if halves[0] is None or halves[1] is None:
            return None
        return halves[0] + halves[1]

    async def _give_up(self, batch: _Batch, message: Message, reason: str) -> list[Outgoing] | None:
        while self.places.alive(batch):
            try:
                await self._processor.bury(message, reason)
                return []
            except RetryableSinkError as exc:
                await self._wait(batch, exc)
        return None

    async def _wait(self, batch: _Batch, reason: RetryableSinkError) -> None:
        self._retries += 1
        _log.warning("a batch waits for the store: %s", reason)
        await self.places.pause(batch, reason.retry_after_s)

    # Time

    async def _tick(self) -> None:
        await self.places.open_all()
        await self.places.send_back(idle=self._agents.idle)
        now = time.monotonic()
        for batch in self.places:
            if self._agents.busy(batch):
                continue
            self.places.pass_holes(batch)
            if not batch.messages:
                batch.done = max(batch.done, batch.next)
            if batch.plan is not None and batch.next > batch.plan:
                self._agents.flush(batch, self._give_up_plan)
                continue
            waited = now - batch.since + self._period_s > self._limits.linger_s
            if batch.messages and batch.plan is None and waited:
                self._agents.flush(batch, self._flush)
            elif not batch.messages and batch.done > batch.committed:
                self._agents.flush(batch, self._acknowledge)

    async def _give_up_plan(self, batch: _Batch) -> None:
        """The last message of the plan is no longer in the log: what is left of it is processed as it is."""
        await self._flush(batch)
        batch.plan = None

    async def _acknowledge(self, batch: _Batch) -> None:
        # under the lock: landing after a plan, this commit would erase it
        async with batch.lock:
            if batch.done > batch.committed:
                await self.places.commit(batch, batch.done, "")

    # For those who watch and stop the stage

    def done(self, tp: TP) -> int | None:
        """Everything before this offset is processed; None: the partition is not open."""
        batch = self.places.get(tp)
        return None if batch is None else batch.done

    def watermark(self, tp: TP) -> int:
        """0: no states are kept here."""
        del tp
        return 0

    async def caught_up(self) -> bool:
        """Whether every message that is in the log now has been processed and sent on."""
        return await self.places.caught_up()

    async def drain(self) -> None:
        """Take nothing more, process what was taken, commit."""
        self._agents.draining = True
        for batch in self.places:
            if batch.plan is None:
                await self._flush(batch)
            await self._acknowledge(batch)

    async def close(self) -> None:
        """End flushes that are still at work; the next start repairs what they left."""
        await self._agents.close()

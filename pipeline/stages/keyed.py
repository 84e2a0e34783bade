"""Stage 2: state by key that no crash applies twice or skips.

A Faust table serves as "compacted topic and restore"; what is worked on is a dict of states a partition
(`states.py`). Inside each stored value stands, for each source partition, the last source offset that was applied to
the key: replays, the previous stage's and our own, are skipped key by key, so a flush that was cut off is safe.

    flush, under the partition's lock, every 100 messages or 0.2 s
      1  publish what followed (findings, messages for the next stage), await it
      2  send each changed key to the changelog, await it
      3  put it into the table: the table holds only what the log has
      4  commit the offset; the metadata keeps the watermark

A crash between 1 and 4 publishes some outputs again: they are recognised by what they say (ids, call ids).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import orjson
from faust.types import TP

from pipeline.stages import derived
from pipeline.stages.agents import Agents
from pipeline.stages.fold import Fold
from pipeline.stages.place import Place, Places
from pipeline.stages.states import DEFAULT_LIMITS, KeyedStates, Limits
from schemas.errors import DecodeError, PermanentSinkError, RetryableSinkError

S = TypeVar("S")
O = TypeVar("O")  # noqa: E741 - outputs
O_contra = TypeVar("O_contra", contravariant=True)

MAX_RETRY_S: Final = 30.0
CLOCK_S: Final = 0.25
"""How often a quiet stage looks at the clock."""

_log = logging.getLogger(__name__)


class Origin(NamedTuple):
    """What the outputs of one flush came from."""

    topic: str
    partition: int
    first: int
    last: int
    """Offsets of the messages folded since the last flush; last < first: none, only time passed."""
    watermark_unix_nano: int


class Publish(Protocol[O_contra]):
    """Sends on what the folds produced."""

    async def __call__(self, outputs: Sequence[O_contra], origin: Origin) -> None:
        """Return only when the outputs are durable; the same ones may come again after a crash.

        Raises:
            RetryableSinkError: called again with the same outputs after its delay.
            PermanentSinkError: the outputs are lost; the stage logs it, counts them and goes on.
        """
        ...


class KeyedOptions(NamedTuple):
    """When a keyed stage flushes, what it keeps and which clock it reads."""

    flush_messages: int = 100
    flush_s: float = 0.2
    limits: Limits = DEFAULT_LIMITS
    partitions: int = 1
    """Of the topic and of the table; never changed while there are states."""
    max_ahead_ns: int = 300_000_000_000
    """Event times further ahead of the clock than this are taken as that far ahead."""
    clock: Callable[[], int] = time.time_ns


class CaughtUp(Protocol):
    """A stage before this one."""

    async def caught_up(self) -> bool:
        """Whether it has processed and sent on everything that has arrived."""
        ...


class _Keyed(Place, Generic[S, O]):
    """A partition, its states and what was folded since the last flush."""

    def __init__(self, place: tuple[TP, int, int], states: KeyedStates[S, O]) -> None:
        super().__init__(*place)
        self.states = states
        self.folded = 0
        self.since = 0.0
        self.quiet_since: int | None = None
        """The clock when this partition was last seen without a message to fold."""


class KeyedStage(Generic[S, O]):
    """Folds the events of one topic into states by key."""

    def __init__(
        self,
        app: Any,
        topic: str,
        fold: Fold[S, O],
        publish: Publish[O],
        options: KeyedOptions = KeyedOptions(),  # noqa: B008 - immutable
    ) -> None:
        self._app = app
        self._topic = topic
        self._fold = fold
        self._publish = publish
        self._options = options
        self._before: list[CaughtUp] = []
        self._clock_at = 0.0
        self.topics = (topic,)
        self.places: Places[_Keyed[S, O]] = Places(app, self.topics, self._make)
        self.retries = 0
        self.refused = 0
        """Outputs that were lost because nobody would take them."""
        self.undecoded = 0
        """Messages that no stage of ours can have written."""
        partitions = options.partitions
        self._table = app.Table(f"{topic}.state", partitions=partitions, key_type=bytes, value_type=bytes)
        self._agents = Agents(app, self._take, self._tick)
        self._agents.follow(topic, topic, partitions)
        self._period_s = options.flush_s / 4
        self._agents.every(self._period_s)

    def after(self, *stages: CaughtUp) -> KeyedStage[S, O]:
        """Name the stages before this one: silence counts only while they have nothing left to send."""
        self._before += stages
        return self

    # Folding

    def _make(self, tp: TP, generation: int, done: int, metadata: str) -> _Keyed[S, O]:
        watermark = orjson.loads(metadata)["watermark"] if metadata else 0
        states: KeyedStates[S, O] = KeyedStates(self._fold, self._options.limits, watermark)
        stored = ((key.decode("utf-8", "surrogatepass"), value) for key, value in self._table.data.items())
        partitions = self._options.partitions
        states.load((k, value) for k, value in stored if derived.partition_of(k, partitions) == tp.partition)
        return _Keyed((tp, generation, done), states)

    async def _take(self, message: Any) -> None:
        keyed = await self.places.open(message.tp, message.generation_id)
        if not await self.places.admit(keyed, message.offset):
            return
        try:
            keyed.states.feed(derived.decode(message.value or b""), self._ceiling())
        except DecodeError as exc:
            self.undecoded += 1
            _log.error("%s offset %d was left out: %s", message.tp, message.offset, exc)
        if keyed.folded == 0:
            keyed.since = time.monotonic()
        keyed.folded += 1
        keyed.quiet_since = None
        if keyed.folded >= self._options.flush_messages:
            await self._flush(keyed)

    def _ceiling(self) -> int:
        return self._options.clock() + self._options.max_ahead_ns

    # Flushing

    async def _flush(self, keyed: _Keyed[S, O]) -> None:
        async with keyed.lock:
            if self._agents.failed or not self.places.alive(keyed) or not (keyed.folded or keyed.states.pending):
                return
            try:
                await self._carry_out(keyed)
            except BaseException:
                # The states are ahead of what is stored: who goes on must begin with the table and the commit.
                self.places.close(keyed)
                raise

    async def _carry_out(self, keyed: _Keyed[S, O]) -> None:
        # all of this before the first await: the agent goes on folding meanwhile
        outputs, changes = keyed.states.take_outputs(), keyed.states.take_changes()
        packed = keyed.states.take_packed()
        first, end, keyed.folded = keyed.done, keyed.next, 0
        watermark = keyed.states.watermark
        if outputs:
            origin = Origin(keyed.tp.topic, keyed.tp.partition, first, end - 1, watermark)
            if not await self._send_on(keyed, outputs, origin):
                return
        await self._store(keyed.tp.partition, changes)
        self._hold_packed(packed)
        if await self.places.commit(keyed, end, orjson.dumps({"watermark": watermark}).decode()):
            keyed.done = end

    async def _send_on(self, keyed: _Keyed[S, O], outputs: list[O], origin: Origin) -> bool:
        """Publish until it is done; False: the partition went to somebody else meanwhile."""
        while self.places.alive(keyed):
            try:
                await self._publish(outputs, origin)
            except RetryableSinkError as exc:
                self.retries += 1
                _log.warning("outputs of %s wait: %s", self._topic, exc)
                await asyncio.sleep(min(MAX_RETRY_S, max(0.01, exc.retry_after_s)))
            except PermanentSinkError as exc:
                self.refused += len(outputs)
                _log.error("%d outputs of %s are lost: %s", len(outputs), self._topic, exc)
                return True
            else:
                return True
        return False

    def _hold_packed(self, packed: Sequence[tuple[str, bytes]]) -> None:
        """The table holds the same bytes as the states: one copy of each, and that one small."""
        table = self._table.data
        for key, value in packed:
            encoded = key.encode("utf-8", "surrogatepass")
            if encoded in table:
                table[encoded] = value

    async def _store(self, partition: int, changes: Sequence[tuple[str, bytes | None]]) -> None:
        topic = self._table.changelog_topic_name
        encoded = [(key.encode("utf-8", "surrogatepass"), value) for key, value in changes]
        producer = self._app.producer
        await asyncio.gather(*[await producer.send(topic, key, value, partition, None, None) for key, value in encoded])
        table = self._table.data
        for key, value in encoded:
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value

    # Time

    async def _tick(self) -> None:
        await self.places.open_all()
        await self.places.send_back()
        now = time.monotonic()
        if now - self._clock_at >= CLOCK_S:
            self._clock_at = now
            await self._pass_time()
        for keyed in self.places:
            if self._agents.draining or self._agents.busy(keyed):
                continue
            waited = keyed.folded and now - keyed.since + self._period_s > self._options.flush_s
            if waited or (not keyed.folded and keyed.states.pending):
                self._agents.flush(keyed, self._flush(keyed))

    async def _pass_time(self) -> None:
        """Where there is nothing to fold, event time goes on at the pace of the clock.

        At its pace, not to its reading: what was posted a day late gets its quiet seconds like everything else.
        """
        if self._agents.draining or not await self._is_quiet():
            for keyed in self.places:
                keyed.quiet_since = None
            return
        now = self._options.clock()
        for keyed in self.places:
            since, keyed.quiet_since = keyed.quiet_since, now
            if since is not None and now > since and keyed.states.watermark:
                keyed.states.advance_to(keyed.states.watermark + now - since)

    async def _is_quiet(self) -> bool:
        for stage in self._before:
            if not await stage.caught_up():
                return False
        return await self._all_taken()

    async def _all_taken(self) -> bool:
        ends = await self._app.consumer.highwaters(*[keyed.tp for keyed in self.places])
        return all(keyed.next >= ends[keyed.tp] for keyed in self.places)

    # For those who watch and stop the stage

    def done(self, tp: TP) -> int | None:
        """Everything before this offset is folded and stored; None: the partition is not open."""
        keyed = self.places.get(tp)
        return None if keyed is None else keyed.done

    async def caught_up(self) -> bool:
        """Whether everything that has arrived is folded, published and stored."""
        return await self.places.caught_up() and not any(keyed.states.pending for keyed in self.places)

    @property
    def watermark_unix_nano(self) -> int:
        """Event time up to which every open partition has judged; 0: nothing has arrived."""
        return min((keyed.states.watermark for keyed in self.places), default=0)

    async def drain(self) -> None:
        """Take nothing more, publish and store what was folded, commit."""
        self._agents.draining = True
        for keyed in self.places:
            await self._flush(keyed)

    async def close(self) -> None:
        """End flushes that are still at work; the next start repairs what they left."""
        await self._agents.close()

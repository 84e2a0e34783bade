"""Stage 2: state by key that no crash applies twice or skips.

A Faust table serves as "compacted topic and restore"; what is worked on is a dict of states a partition
(`states.py`). Inside each stored value stands, for each source partition, the last source offset that was applied to
the key: replays, the previous stage's and our own, are skipped key by key, so a flush that was cut off is safe.

    flush, under the partition's lock
      1  every 0.2 s: publish what followed (findings, messages for the next stage), await it
      and every 100 messages or 5 s, as whole states are larger than what changed in them
      2  in a fleet commit as before: who lost the partition in its sleep hears of it here
         send each changed key to the changelog, await it
      3  put it into the table: the table holds only what the log has
      4  commit the offset; the metadata keeps the watermark

A crash between 1 and 4 publishes some outputs again: they are recognised by what they say (ids, call ids).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import orjson
from faust.types import TP

from pipeline.stages import derived
from pipeline.stages.agents import Agents
from pipeline.stages.derived import Derived
from pipeline.stages.fold import Fold
from pipeline.stages.order import Cuts, Held, in_time
from pipeline.stages.place import Place, Places
from pipeline.stages.states import DEFAULT_LIMITS, KeyedStates, Limits
from pipeline.transport.tables import keep
from schemas.errors import DecodeError, PermanentSinkError, RetryableSinkError

S = TypeVar("S")
O = TypeVar("O")  # noqa: E741 - outputs
O_contra = TypeVar("O_contra", contravariant=True)

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

    flush_s: float = 0.2
    """Until outputs are published, at most."""
    store_messages: int = 100
    store_s: float = 5.0
    """Until states are stored, at most; after a crash so much is folded again."""
    limits: Limits = DEFAULT_LIMITS
    partitions: int = 1
    """Of the topic and of the table; never changed while there are states."""
    fenced: bool = False
    """Whether others may own the partition while we think that we do: ask, by a commit, before states are written."""
    max_ahead_ns: int = 300_000_000_000
    """Event times further ahead of the clock than this are taken as that far ahead."""
    clock: Callable[[], int] = time.time_ns


class CaughtUp(Protocol):
    """A stage before this one."""

    async def caught_up(self) -> bool:
        """Whether it has processed and sent on everything that has arrived."""
        ...


class _Keyed(Place, Generic[S, O]):
    """A partition, its states and what was folded but not stored yet.

    `done`: everything before is folded, and what followed is published; `committed`: it is stored, too.
    """

    def __init__(self, place: tuple[TP, int, int], states: KeyedStates[S, O], held: Held) -> None:
        super().__init__(*place)
        self.states = states
        self.held = held
        self.metadata = ""
        """That of the last commit."""
        self.folded = 0
        """Messages since the states were stored."""
        self.since = 0.0
        """When the first of them came; monotonic seconds."""
        self.sent_at = 0.0
        """When outputs were published last."""
        self.quiet_since: int | None = None
        """The clock when this partition was last seen without a message to fold."""

    @property
    def position(self) -> int:
        """Everything before this offset is folded."""
        first = self.held.first
        return self.next if first is None else first

    def note(self, messages: int) -> None:
        """So many were folded."""
        if self.folded == 0:
            self.since = time.monotonic()
        self.folded += messages

    def fold(self, messages: Sequence[Derived], ceiling_unix_nano: int) -> None:
        """Fold messages as if they were one."""
        if messages:
            self.note(len(messages))
            watermark = max(message.watermark_unix_nano for message in messages)
            self.states.merge(in_time(messages), watermark, ceiling_unix_nano)


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
        self._cuts: Cuts | None = None
        self._clock_at = 0.0
        self.topics = (topic,)
        self.places: Places[_Keyed[S, O]] = Places(app, self.topics, self._make)
        self._retries = 0
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

    def in_order(self, cuts: Cuts | None) -> KeyedStage[S, O]:
        """Fold cut by cut; None: as messages come, which is in order where they come from one partition."""
        self._cuts = cuts
        return self

    @property
    def retries(self) -> int:
        """Times that this stage waited, for whoever takes its outputs or for its sources."""
        return self._retries + (0 if self._cuts is None else self._cuts.waits)

    # Folding

    def _make(self, tp: TP, generation: int, done: int, metadata: str) -> _Keyed[S, O]:
        watermark = orjson.loads(metadata)["watermark"] if metadata else 0
        states: KeyedStates[S, O] = KeyedStates(self._fold, self._options.limits, watermark)
        stored = ((key.decode("utf-8", "surrogatepass"), value) for key, value in self._table.data.items())
        partitions = self._options.partitions
        states.load((k, value) for k, value in stored if derived.partition_of(k, partitions) == tp.partition)
        keyed = _Keyed((tp, generation, done), states, Held(() if self._cuts is None else self._cuts.topics))
        keyed.metadata = metadata
        return keyed

    async def _take(self, message: Any) -> None:
        keyed = await self.places.open(message.tp, message.generation_id)
        if keyed is None or not await self.places.admit(keyed, message):
            return
        keyed.quiet_since = None
        value = message.value or b""
        try:
            told = derived.decode(value)
        except DecodeError as exc:
            self.undecoded += 1
            _log.error("%s offset %d was left out: %s", message.tp, message.offset, exc)
            keyed.note(1)
        else:
            if self._cuts is None:
                keyed.states.feed(told, self._ceiling())
                keyed.note(1)
            else:
                keyed.held.add(message.offset, told, len(value), time.monotonic())
        keyed.fold(keyed.held.overflowing(), self._ceiling())
        if keyed.folded >= self._options.store_messages:
            await self._flush(keyed, store=True)

    def _ceiling(self) -> int:
        return self._options.clock() + self._options.max_ahead_ns

    async def _fold_cuts(self) -> None:
        """Fold what came from before the latest cut, where everything from before it is read."""
        if self._cuts is None:
            return
        cut = self._cuts.latest
        begun = [one for one in self.places if one.held and one.held.cut is None and one.held.done < cut.number]
        ends = await self._app.consumer.highwaters(*[keyed.tp for keyed in begun])
        for keyed in begun:
            keyed.held.cut, keyed.held.read_to = cut, ends[keyed.tp]
        now = time.monotonic()
        for keyed in self.places:
            held = keyed.held
            if held.cut is not None and keyed.next >= held.read_to:
                keyed.fold(held.before(held.cut), self._ceiling())
                held.done, held.cut = held.cut.number, None
            keyed.fold(held.overdue(now, self._cuts.moved_at), self._ceiling())

    # Flushing

    async def _flush(self, keyed: _Keyed[S, O], *, store: bool) -> None:
        async with keyed.lock:
            if self._agents.failed or not self.places.alive(keyed) or not (keyed.folded or keyed.states.pending):
                return
            try:
                await self._carry_out(keyed, store)
            except BaseException:
                # The states are ahead of what is stored: who goes on must begin with the table and the commit.
                self.places.close(keyed)
                raise

    async def _carry_out(self, keyed: _Keyed[S, O], store: bool) -> None:
        # all of this before the first await: the agent goes on folding meanwhile
        outputs = keyed.states.take_outputs()
        first, end, watermark = keyed.done, keyed.position, keyed.states.watermark
        if store:
            changes, packed, keyed.folded = keyed.states.take_changes(), keyed.states.take_packed(), 0
        if outputs:
            keyed.sent_at = time.monotonic()
            origin = Origin(keyed.tp.topic, keyed.tp.partition, first, end - 1, watermark)
            if not await self._send_on(keyed, outputs, origin):
                return
        keyed.done = end
        if store:
            if self._options.fenced and not await self.places.commit(keyed, keyed.committed, keyed.metadata):
                return
            await self._store(keyed.tp.partition, changes)
            self._hold_packed(packed)
            keyed.metadata = orjson.dumps({"watermark": watermark}).decode()
            await self.places.commit(keyed, end, keyed.metadata)

    async def _send_on(self, keyed: _Keyed[S, O], outputs: list[O], origin: Origin) -> bool:
        """Publish until it is done; False: the partition went to somebody else meanwhile."""
        while self.places.alive(keyed):
            try:
                await self._publish(outputs, origin)
            except RetryableSinkError as exc:
                self._retries += 1
                _log.warning("outputs of %s wait: %s", self._topic, exc)
                await self.places.pause(keyed, exc.retry_after_s)
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
        keep(self._table.data, encoded)

    # Time

    async def _tick(self) -> None:
        await self.places.open_all()
        await self.places.send_back(idle=self._agents.idle)
        if not self._agents.draining:
            await self._fold_cuts()
        now = time.monotonic()
        if now - self._clock_at >= CLOCK_S:
            self._clock_at = now
            await self._pass_time()
        for keyed in self.places:
            if self._agents.draining or self._agents.busy(keyed):
                continue
            soon = now + self._period_s
            store = soon - keyed.since > self._options.store_s if keyed.folded else keyed.states.pending
            if store or (keyed.states.telling and soon - keyed.sent_at > self._options.flush_s):
                self._agents.flush(keyed, partial(self._flush, store=store))
            elif not keyed.states.telling:
                keyed.done = keyed.position  # there was nothing to publish

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
        return all(keyed.next >= ends[keyed.tp] and not keyed.held for keyed in self.places)

    # For those who watch and stop the stage

    def done(self, tp: TP) -> int | None:
        """Everything before this offset is folded, and what followed is published; None: the partition is not open."""
        keyed = self.places.get(tp)
        return None if keyed is None else keyed.done

    def watermark(self, tp: TP) -> int:
        """Event time up to which a partition's keys were judged; 0: the partition is not open, or had no event."""
        keyed = self.places.get(tp)
        return 0 if keyed is None else keyed.states.watermark

    async def caught_up(self) -> bool:
        """Whether everything that has arrived is folded, and what followed is published."""
        return await self.places.caught_up() and not any(keyed.states.telling for keyed in self.places)

    @property
    def watermark_unix_nano(self) -> int:
        """Event time up to which every open partition has judged; 0: nothing has arrived."""
        return min((keyed.states.watermark for keyed in self.places), default=0)

    async def drain(self) -> None:
        """Take nothing more, publish and store what was folded, commit."""
        self._agents.draining = True
        for keyed in self.places:
            await self._flush(keyed, store=True)

    async def close(self) -> None:
        """End flushes that are still at work; the next start repairs what they left."""
        await self._agents.close()
        if self._cuts is not None:
            await self._cuts.close()

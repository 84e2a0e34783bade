"""Events of several source partitions, folded in the order in which they would stand in one log.

A session's requests lie in any partition of the raw topics, and the workers that read these are never equally far. So
the keyed stages of a fleet hold messages back, and fold them cut by cut. A cut is the ends of all source partitions at
one moment. Once every partition is processed up to its end, by whichever worker, all that was derived from before the
cut is in the log; once that is read, events from before the cut are folded, together and in order of their time.

Nothing here depends on clocks of producers, and a partition without traffic holds nobody up. Held messages are not
committed: after a crash they are read again, and what was folded is known by its source offset. `MAX_HELD_S`,
`MAX_BEHIND_S` and `MAX_HELD_BYTES` bound the wait: beyond them the earlier ones by their own time are folded without a
cut. That is the same order as long as partitions are behind alike, as after an outage of the store; what comes from one
that is further behind comes late.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby, takewhile
from operator import itemgetter
from typing import Any, Final, NamedTuple, Protocol

from faust.types import TP

from pipeline.stages.derived import Derived, Event

MAX_HELD_S: Final = 60.0
"""For a partition that comes no further."""
MAX_BEHIND_S: Final = 300.0
"""For one that does, after an outage say."""
MAX_HELD_BYTES: Final = 16 * 1024 * 1024
"""Of one partition, as messages."""
KEPT: Final = 0.75
"""So much of it may be held after it was too much; a source whose times are wrong could keep it full."""
CUT_S: Final = 0.1
"""From one cut to the next, at least."""


class Sources(Protocol):
    """The partitions that events come from, and how far they are processed, by us or by another member."""

    async def ends(self, topics: Collection[str]) -> Mapping[TP, int] | None:
        """The next offset to be written of every partition; None: it cannot be said now."""
        ...

    async def behind(self, ends: Mapping[TP, int]) -> int | None:
        """How many offsets before these are not processed and sent on yet; None: it cannot be said now."""
        ...


class Cut(NamedTuple):
    """All that was derived from before these offsets is in the log."""

    number: int
    ends: Mapping[str, int]
    """Origin -> offset."""


class Cuts:
    """Makes cuts, one after the other, for all keyed stages of a worker."""

    def __init__(self, app: Any, sources: Sources, topics: Collection[str]) -> None:
        self._sources = sources
        self.topics = frozenset(topics)
        self.latest = Cut(0, {})
        self.waits = 0
        """Looks at sources that had not come far enough: waiting for another worker is no standstill."""
        self.moved_at = time.monotonic()
        """When a partition that is waited for came forward last."""
        self._closing = False
        self._at_work = asyncio.Lock()
        app.task(self._cut_for_ever)

    async def _cut_for_ever(self) -> None:
        async with self._at_work:
            while not self._closing:
                await asyncio.sleep(CUT_S)
                await self.cut()

    async def close(self) -> None:
        """Make no more; returns when nothing is asked of the log any longer."""
        self._closing = True
        async with self._at_work:
            pass

    async def cut(self) -> None:
        """Make one, once the sources have come to where they end now."""
        ends = await self._sources.ends(self.topics)
        if ends is None:
            return
        before = None
        while (left := await self._sources.behind(ends)) != 0:
            if self._closing:
                return
            self.waits += 1
            if left != before:
                before, self.moved_at = left, time.monotonic()
            await asyncio.sleep(CUT_S)
        self.moved_at = time.monotonic()
        self.latest = Cut(self.latest.number + 1, {f"{tp.topic}:{tp.partition}": end for tp, end in ends.items()})


class _Message(NamedTuple):
    offset: int
    taken_at: float
    size_bytes: int
    message: Derived


class Held:
    """Messages of one partition that wait for a cut, in order of offset."""

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = topics
        self._messages: list[_Message] = []
        self._bytes = 0
        self.cut: Cut | None = None
        """The cut that is being read up to."""
        self.read_to = 0
        """Where that is: this partition's end when the cut was known."""
        self.done = 0
        """Number of the last cut that was folded."""

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def first(self) -> int | None:
        """Offset of the first message of which an event is held."""
        return self._messages[0].offset if self._messages else None

    def add(self, offset: int, message: Derived, size_bytes: int, now_s: float) -> None:
        """Hold a message back."""
        self._messages.append(_Message(offset, now_s, size_bytes, message))
        self._bytes += size_bytes

    def overflowing(self) -> list[Derived]:
        """Where more is held than should be: the earlier half, or all, which are held no longer."""
        if self._bytes <= MAX_HELD_BYTES:
            return []
        taken = self._until(_middle(self._messages))
        if self._bytes > MAX_HELD_BYTES * KEPT:
            taken += self._take(len(self._messages))
        return taken

    def overdue(self, now_s: float, moved_at_s: float) -> list[Derived]:
        """Those that have waited for too long, and what is as early as they are; they are held no longer.

        `moved_at_s`: when one of those that are waited for came forward last.
        """
        patience_s = MAX_BEHIND_S if now_s - moved_at_s < MAX_HELD_S else MAX_HELD_S
        waited = list(takewhile(lambda one: one.taken_at < now_s - patience_s, self._messages))
        if not waited:
            return []
        taken = self._until(_middle(waited))
        # times are what producers say: no message waits twice as long for them
        return taken + self._take(sum(one.taken_at < now_s - 2 * patience_s for one in self._messages))

    def _take(self, count: int) -> list[Derived]:
        taken, self._messages = self._messages[:count], self._messages[count:]
        self._bytes -= sum(one.size_bytes for one in taken)
        return [one.message for one in taken]

    def _until(self, time_unix_nano: int) -> list[Derived]:
        """From each source what stands before its first event of after this time, or before such a watermark."""
        ends: dict[str, int] = {}
        passed: set[str] = set()
        for _, _, _, message in self._messages:
            if message.origin in passed:
                continue
            later = [event for event in message.events if event.time_unix_nano > time_unix_nano]
            if not later and message.watermark_unix_nano <= time_unix_nano:
                ends[message.origin] = message.last + 1
                continue
            ends[message.origin] = min((_offset(event) for event in later), default=message.last)
            passed.add(message.origin)
        return self.before(Cut(0, ends))

    def before(self, cut: Cut) -> list[Derived]:
        """What came from before the cut, which is held no longer: whole messages, and parts of others.

        For each source that is all up to an offset, as the states count by offsets. A part has no watermark yet.
        What came from elsewhere (the resolver sends when time has passed) goes along.
        """
        taken: list[Derived] = []
        left: list[_Message] = []
        for one in self._messages:
            message = one.message
            end = cut.ends.get(message.origin, 0) if message.source in self._topics else message.last + 1
            if message.last < end:
                taken.append(message)
                self._bytes -= one.size_bytes
                continue
            now = [event for event in message.events if _offset(event) < end]
            if now:
                taken.append(message._replace(events=now, watermark_unix_nano=0))
                rest = [event for event in message.events if _offset(event) >= end]
                kept = one.size_bytes * len(rest) // len(message.events)
                self._bytes += kept - one.size_bytes
                one = one._replace(size_bytes=kept, message=message._replace(events=rest))  # noqa: PLW2901 - its rest
            left.append(one)
        self._messages = left
        return taken


def _middle(messages: Sequence[_Message]) -> int:
    """The median of their events' times."""
    times = sorted(event.time_unix_nano for one in messages for event in one.message.events)
    return times[len(times) // 2] if times else 0


def _offset(event: Event) -> int:
    return -1 if event.source_offset is None else event.source_offset


def in_time(messages: Iterable[Derived]) -> list[tuple[str, Sequence[Event]]]:
    """Events of several messages in order of their time, as (origin, events).

    An event without a time keeps its place: it may undo what stands before it.
    """
    ordered: list[tuple[str, Event]] = []
    run: list[tuple[str, Event]] = []
    for message in messages:
        origin = message.origin
        for event in message.events:
            run.append((origin, event))
            if not event.time_unix_nano:
                last = run.pop()
                ordered += [*sorted(run, key=_time), last]
                run = []
    ordered += sorted(run, key=_time)
    return [(origin, [event for _, event in pairs]) for origin, pairs in groupby(ordered, key=itemgetter(0))]


def _time(pair: tuple[str, Event]) -> int:
    return pair[1].time_unix_nano

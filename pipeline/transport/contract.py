"""What stages ask of a transport beyond Faust's own interface: commits with metadata, fenced by generation.

Messages are `pipeline.transport.messages.LogMessage`: they say how far back the log holds no other.

Faust fetches, rebalances and runs agents; offsets are ours. The local transport and the Kafka transport both serve
this, so that stages know no difference. `app.consumer` of an app on either transport satisfies it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Protocol

from faust.types import TP

from pipeline.transport.records import Committed


class Change(Protocol):
    """A record of a changelog."""

    @property
    def key(self) -> bytes | None:
        """The key whose state it is."""
        ...

    @property
    def value(self) -> bytes | None:
        """The state; None: the key is forgotten."""
        ...


class OffsetConsumer(Protocol):
    """The consumer of one member of one consumer group."""

    def assignment(self) -> Collection[TP]:
        """The partitions that this member owns now; changelogs among them."""
        ...

    async def commit_meta(self, offsets: Mapping[TP, Committed], generation: int | None = None) -> bool:
        """Commit offsets with their metadata, all of them or none.

        True: they are durable, and at that moment this member still owned all the partitions in `generation`
        (None: whichever is current). False: it did not, nothing was committed, and the caller must do nothing more
        for these partitions: another member may be working on them already. Later commits of a partition replace
        earlier ones whatever their order of offsets, so the caller keeps them in order (one lock a partition).
        """
        ...

    async def committed_meta(self, partitions: Collection[TP]) -> Mapping[TP, Committed | None]:
        """What this group committed last, from the log and not from a cache; None: never."""
        ...

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Offsets of the oldest records that are still there."""
        ...

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """The next offsets to be written, from the log and not from a cache: they hold when the fetcher is dead."""
        ...

    async def seek(self, partition: TP, offset: int) -> None:
        """Read on from `offset`; records fetched before may still arrive, in any number."""
        ...

    def changes(self, ranges: Mapping[TP, tuple[int, int]]) -> AsyncIterator[tuple[TP, Sequence[Change], int]]:
        """The records of partitions of ours from one offset to before another, oldest first, some at a time.

        Yields partition, records and the offset up to which it was read, which a hole may put behind the last of them.
        """
        ...

    def read_to(self, partition: TP) -> int | None:
        """Records before this offset were handed out, whatever became of them; None: not known now."""
        ...

    def beyond(self, partition: TP, offset: int) -> int:
        """The first offset from `offset` on that may hold a record, as far as is known: beyond it there is a hole.

        Compaction and transactions leave holes, also at the end: the next offset to be written may stand behind one.
        """
        ...

    def partitions_of(self, topic: str) -> Collection[int]:
        """All partitions of a topic, ours and those of other members; none: it is not known (yet)."""
        ...

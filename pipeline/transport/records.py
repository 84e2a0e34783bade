"""What is in the log: records, partitions, commits, and where each partition begins and ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Partition(NamedTuple):
    """One partition of a topic; equal to Faust's TP of the same two."""

    topic: str
    partition: int


class Entry(NamedTuple):
    """A record that wants to be appended."""

    where: Partition
    key: bytes | None
    value: bytes | None
    """None is a tombstone: compaction forgets the key."""
    timestamp_unix_nano: int


class Record(NamedTuple):
    """A record that is in the log."""

    offset: int
    timestamp_unix_nano: int
    key: bytes | None
    value: bytes | None


class Committed(NamedTuple):
    """How far a consumer group has come in one partition."""

    offset: int
    """The next offset to process: everything before it is done."""
    metadata: str = ""


class Commit(NamedTuple):
    """A commit that wants to be stored."""

    group: str
    where: Partition
    offset: int
    metadata: str


@dataclass(slots=True)
class TopicInfo:
    """How one topic is kept."""

    partitions: int
    compact: bool
    """Keep the newest record of each key, for ever."""
    retain: int | None
    """Keep this many newest records and all that a group has not consumed; None: only what is not consumed."""


@dataclass(slots=True)
class Index:
    """Where everything is. The writer thread alone changes it; each single read of it is consistent."""

    topics: dict[str, TopicInfo] = field(default_factory=dict)
    ids: dict[Partition, int] = field(default_factory=dict)
    start: dict[Partition, int] = field(default_factory=dict)
    """Offset of the oldest record that is still there."""
    next: dict[Partition, int] = field(default_factory=dict)
    """Offset that the next record gets."""
    committed: dict[tuple[str, Partition], Committed] = field(default_factory=dict)
    since_compaction: dict[Partition, int] = field(default_factory=dict)
    """Records of a compacted partition that compaction has not looked at."""
    used_bytes: int = 0
    """Bytes of the file in use, as last measured, and what was appended since."""

    def add_topic(self, name: str, info: TopicInfo, ids: list[int]) -> None:
        """Note a new, empty topic."""
        for partition, part_id in enumerate(ids):
            where = Partition(name, partition)
            self.ids[where], self.start[where], self.next[where] = part_id, 0, 0
            self.since_compaction[where] = 0
        self.topics[name] = info

    def consumed(self, where: Partition) -> int | None:
        """The offset that every group which commits here has passed; None: nobody commits here."""
        offsets = [c.offset for (_, partition), c in list(self.committed.items()) if partition == where]
        return min(offsets, default=None)

    def lag(self) -> int:
        """Records that wait to be consumed, over all topics that are kept until they are."""
        total = 0
        for where, following in list(self.next.items()):
            info = self.topics[where.topic]
            if not info.compact and info.retain is None:
                consumed = self.consumed(where)
                total += following - max(self.start[where], consumed or 0)
        return total

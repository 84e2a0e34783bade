"""The messages between stages (`telltale.calls`, `telltale.links`, `telltale.slices`): events with their origin.

As JSON: `{"source": topic, "partition": p, "first": n, "last": n, "watermark": unix_nano,
"events": [[key, source_offset, kind, [fields...], time_unix_nano], ...]}`.

An event that came from offset n of the source carries n, and its key's state remembers the highest n it has applied,
so a message sent again after a crash changes nothing. Therefore all events of one source offset and one partition
travel in one message, and a source's messages are in order. An event whose source offset is null was produced by
time, not by a message: it is always applied, and its receiver recognises repeats by the call's id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson
import xxhash

from schemas.errors import DecodeError

EVENTS_A_MESSAGE: Final = 2_000
"""A message with more is split, between source offsets only."""


class Event(NamedTuple):
    """One fact on its way to the state of one key."""

    key: str
    source_offset: int | None
    """Offset of the message it came from; None: it always applies."""
    kind: str
    fields: Sequence[Any]
    """Fit for JSON as a list; where a message never left the process, a fact as it is."""
    time_unix_nano: int = 0
    """When what it tells of was over (event time); 0: as the message's watermark."""


class Derived(NamedTuple):
    """One message between stages."""

    source: str
    """Topic that the events came from."""
    partition: int
    """Partition of that topic."""
    first: int
    last: int
    """Offsets of the batch they came from, both included."""
    watermark_unix_nano: int
    """The latest event time of that batch, whether or not an event of it is here."""
    events: list[Event]

    @property
    def origin(self) -> str:
        """What a key's state counts source offsets by."""
        return f"{self.source}:{self.partition}"


def partition_of(key: str, partitions: int) -> int:
    """The partition that holds a key's state. Never changes: states are found again by it."""
    return xxhash.xxh3_64_intdigest(key.encode("utf-8", "surrogatepass")) % partitions


_time: Final = itemgetter(Event._fields.index("time_unix_nano"))


def encode(message: Derived) -> bytes:
    """The message as JSON."""
    return orjson.dumps(
        {
            "source": message.source,
            "partition": message.partition,
            "first": message.first,
            "last": message.last,
            "watermark": message.watermark_unix_nano,
            "events": [(key, offset, kind, list(fields), at) for key, offset, kind, fields, at in message.events],
        }
    )


def decode(value: bytes) -> Derived:
    """The inverse of `encode`.

    Raises:
        DecodeError: it is no such message.
    """
    try:
        body = orjson.loads(value)
        return Derived(
            str(body["source"]), int(body["partition"]), int(body["first"]), int(body["last"]),
            int(body["watermark"]), list(map(Event._make, body["events"])),
        )  # fmt: skip
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as exc:
        raise DecodeError(f"no message between stages: {exc}") from exc


def split(message: Derived, partitions: int) -> list[tuple[int, Derived]]:
    """The message cut into (partition, message), one or more for each partition that holds one of its keys.

    Within a message the events are in order of their time: a batch holds tool calls, model calls and markers one
    kind after the other, and silence has to be judged along one clock. Partitions without an event still get an
    empty message each, so that their watermark moves; where there are several messages only the last one moves it,
    or the others' events would all be late.
    """
    by_partition: list[list[Event]] = [[] for _ in range(partitions)] if partitions > 1 else [message.events]
    if partitions > 1:
        for event in message.events:
            by_partition[partition_of(event.key, partitions)].append(event)
    cut = []
    for partition, events in enumerate(by_partition):
        *before, last = _chunks(events)
        cut += [(partition, message._replace(events=chunk, watermark_unix_nano=0)) for chunk in before]
        cut.append((partition, message._replace(events=last)))
    return cut


def _chunks(events: list[Event]) -> Iterable[list[Event]]:
    if len(events) <= EVENTS_A_MESSAGE:
        yield _in_time(events)
        return
    chunk: list[Event] = []
    for _, group in groupby(sorted(events, key=_source_offset), key=_source_offset):
        same = list(group)
        if chunk and len(chunk) + len(same) > EVENTS_A_MESSAGE:
            yield _in_time(chunk)
            chunk = []
        chunk += same
    yield _in_time(chunk)


def _source_offset(event: Event) -> int:
    return -1 if event.source_offset is None else event.source_offset


def _in_time(events: list[Event]) -> list[Event]:
    """In order of time. An event without a time keeps its place: it may undo what stands before it."""
    times = list(map(_time, events))
    if 0 not in times:
        return events if times == sorted(times) else sorted(events, key=_time)
    ordered: list[Event] = []
    run: list[Event] = []
    for event in events:
        if event.time_unix_nano:
            run.append(event)
        else:
            ordered += [*sorted(run, key=_time), event]
            run = []
    return ordered + sorted(run, key=_time)

"""Revisions of findings as they stand in the feed.

Offsets of a partition are stored in order, and dense. A reader of several servers may still see a later row first:
one copy of the store can lag behind another. So a hole is waited for; only one that has been there for `HOLE_S` is
taken for what it then is, a message that was no finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from query.feed.changes import Event, event
from query.feed.cursor import Place, furthest
from query.reader import Reader
from schemas.errors import QueryError

HOLE_S: Final = 5
MAX_ROWS: Final = 200
"""Revisions that one reading takes, at most."""

TAG: Final = "SELECT toUnixTimestamp64Milli(AppliedAt) % 4294967296 FROM schema_migrations WHERE Number = 1"

HEADS: Final = """\
SELECT SourcePartition, min(SourceOffset), max(SourceOffset) + 1 FROM finding_revisions GROUP BY SourcePartition
ORDER BY SourcePartition"""

# The second condition says no more than the first, in a way that lets the engine skip what was read long ago.
# The time is only for the order between partitions: within one it is the offset that counts.
WAITING: Final = """\
SELECT SourcePartition, SourceOffset, toUnixTimestamp(StoredAt) AS stored, toUnixTimestamp(now()) - stored AS age_s, Id
FROM finding_revisions
WHERE SourceOffset >= {next:Array(UInt64)}[SourcePartition + 1]
  AND (SourceOffset >= {least:UInt64} OR SourcePartition >= {known:UInt32})
ORDER BY SourcePartition, SourceOffset
LIMIT {limit:UInt32} BY SourcePartition"""

# Out of range, the element of an array is 0: a partition that was not read yet is read from its beginning.
CHOSEN: Final = """\
SELECT SourcePartition, SourceOffset, Earlier = 0 OR Precedence > Highest AS Counts, Precedence, Document, Earlier,
    Before
FROM
(
    SELECT SourcePartition, SourceOffset, Id, Precedence, Document,
        max(Precedence) OVER earlier AS Highest, count() OVER earlier AS Earlier,
        argMax(Document, Precedence) OVER earlier AS Before
    FROM finding_revisions
    WHERE Id IN {ids:Array(String)}
    WINDOW earlier AS (
        PARTITION BY Id ORDER BY SourcePartition, SourceOffset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
)
WHERE (SourcePartition, SourceOffset) IN (
    SELECT arrayJoin(arrayZip({partitions:Array(UInt32)}, {offsets:Array(UInt64)}))
)"""


class Entry(NamedTuple):
    """One revision of a finding in the feed."""

    place: Place
    """Behind it."""
    event: Event
    finding: dict[str, Any]
    before: dict[str, Any] | None
    """The revision that it replaces."""
    precedence: int
    """Of several tellings of one finding the larger holds; see `schemas.finding`."""
    revisions: int = 1
    """Revisions that it stands for."""


class Read(NamedTuple):
    """What one reading gave."""

    entries: list[Entry]
    place: Place
    """Behind all that was read, also what does not count."""
    more: bool
    """Whether there was more to read at once."""


class _Row(NamedTuple):
    partition: int
    offset: int
    stored_unix_s: int
    age_s: int
    id: str


async def heads(reader: Reader) -> tuple[Place, Place]:
    """For each partition the first offset that is kept, and the one behind the last."""
    rows = (await reader.query(HEADS)).rows
    length = max((partition + 1 for partition, _, _ in rows), default=0)
    first, behind = [0] * length, [0] * length
    for partition, lowest, end in rows:
        first[partition], behind[partition] = lowest, end
    return tuple(first), tuple(behind)


async def tag(reader: Reader) -> int:
    """A number by which this store is told from others."""
    rows = (await reader.query(TAG)).rows
    if not rows:
        raise QueryError("store_unavailable", "the store has not been set up yet", status=503)
    return int(rows[0][0])


async def read(reader: Reader, after: Place, limit: int = MAX_ROWS) -> Read:
    """The next revisions behind a place, at most `limit` of them."""
    parameters = {"next": list(after), "least": min(after, default=0), "known": len(after), "limit": limit + 1}
    found = await reader.query(WAITING, parameters)
    rows = [_Row(*row) for row in found.rows]
    ready = in_turn([_dense(list(group), after) for _, group in groupby(rows, key=itemgetter(0))])
    taken = ready[:limit]
    if not taken:
        return Read([], after, False)
    return await _entries(reader, after, taken, more=len(ready) > limit)


async def _entries(reader: Reader, after: Place, taken: Sequence[_Row], *, more: bool) -> Read:
    parameters = {
        "ids": sorted({row.id for row in taken}),
        "partitions": [row.partition for row in taken],
        "offsets": [row.offset for row in taken],
    }
    found = {(p, o): rest for p, o, *rest in (await reader.query(CHOSEN, parameters)).rows}
    if len(found) < len(taken):
        # The store bounds the bytes of an answer, and leaves the rest out.
        if len(taken) == 1:
            raise QueryError("too_large", f"finding {taken[0].id[:80]!r} is larger than an answer may be", status=500)
        return await _entries(reader, after, taken[: len(taken) // 2], more=True)
    place, entries = after, []
    for row in taken:
        place = furthest(place, (*[0] * row.partition, row.offset + 1))
        counts, precedence, document, earlier, before = found[row.partition, row.offset]
        if counts:
            finding = orjson.loads(document)
            known = orjson.loads(before) if earlier else None
            entries.append(Entry(place, event(known, finding), finding, known, precedence))
    return Read(entries, place, more)


def in_turn(partitions: Sequence[Sequence[_Row]]) -> list[_Row]:
    """Rows of all partitions, the earliest stored first, each partition in its own order."""
    waiting = [list(reversed(rows)) for rows in partitions if rows]
    merged = []
    while waiting:
        first = min(waiting, key=lambda rows: (rows[-1].stored_unix_s, rows[-1].partition))
        merged.append(first.pop())
        waiting = [rows for rows in waiting if rows]
    return merged


def _dense(rows: Sequence[_Row], after: Place) -> list[_Row]:
    """The rows of one partition up to the first hole that may still be filled."""
    partition = rows[0].partition
    expected = after[partition] if partition < len(after) else 0
    ready = []
    for row in rows:
        if row.offset > expected and row.age_s < HOLE_S:
            break
        ready.append(row)
        expected = row.offset + 1
    return ready


def coalesced(entries: Sequence[Entry]) -> list[Entry]:
    """One entry for each fingerprint: its last revision, against the one that was known before all of these."""
    last: dict[str, Entry] = {}
    for entry in entries:
        mark = entry.finding["fingerprint"]
        earlier = last.pop(mark, None)
        if earlier is None:
            last[mark] = entry
        else:
            happened = event(earlier.before, entry.finding)
            last[mark] = entry._replace(event=happened, before=earlier.before, revisions=earlier.revisions + 1)
    return list(last.values())

"""Dead letters as they are stored, and what is recorded of putting them back."""

from __future__ import annotations

import base64
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from query.feed.writer import Writer
from query.reader import Reader
from schemas.dead_letters import Place
from schemas.tables import DEAD_LETTER_REPLAYS, FACTS
from schemas.tables.metrics import METRICS
from schemas.tables.otel import OTEL, SOURCE

REDACTED: Final = b"[REDACTED"
"""Begins what stands in the place of a secret; also where the sender wrote it: then the bytes only seem redacted."""
MAX_REASON: Final = 400
MAX_KINDS: Final = 50

_WHICH: Final = """\
({topic:String} = '' OR SourceTopic = {topic:String}) AND positionCaseInsensitive(Reason, {reason:String}) > 0
AND toInt64(toUnixTimestamp(StoredAt)) >= intDiv({since:Int64}, 1000000000)"""
_FIELDS: Final = """\
SourceTopic AS topic, SourcePartition AS partition, SourceOffset AS offset, Timestamp AS at, StoredAt AS stored_at,
toUnixTimestamp64Nano(Timestamp) AS unix_nano, SizeBytes AS size_bytes, length(Bytes) AS kept_bytes"""
LATEST: Final = f"""\
SELECT {_FIELDS}, leftUTF8(Reason, {MAX_REASON}) AS reason FROM dead_letters WHERE {_WHICH}
ORDER BY stored_at DESC, topic, partition, offset DESC LIMIT {{limit:UInt32}}"""  # noqa: S608 - constants
OLDEST: Final = f"""\
SELECT {_FIELDS}, leftUTF8(Reason, {MAX_REASON}) AS reason FROM dead_letters WHERE {_WHICH}
ORDER BY stored_at, topic, partition, offset LIMIT {{limit:UInt32}}"""  # noqa: S608 - constants
KINDS: Final = f"""\
SELECT SourceTopic AS topic, leftUTF8(replaceRegexpAll(Reason, '[0-9]+', 'N'), 200) AS reason, count() AS letters,
    min(StoredAt) AS first, max(StoredAt) AS last
FROM dead_letters WHERE {_WHICH} GROUP BY topic, reason ORDER BY letters DESC, topic, reason
LIMIT {MAX_KINDS}"""  # noqa: S608 - constants
COUNT: Final = f"SELECT count() FROM dead_letters WHERE {_WHICH}"  # noqa: S608 - constants
# A topic that was made anew has the same offsets once more: the latest is meant.
ONE: Final = f"""\
SELECT {_FIELDS}, leftUTF8(Reason, 4000) AS reason, base64Encode(Bytes) AS base64 FROM dead_letters
WHERE SourceTopic = {{topic:String}} AND SourcePartition = {{partition:UInt32}} AND SourceOffset = {{offset:UInt64}}
ORDER BY at DESC LIMIT 1"""  # noqa: S608 - constants
_ID: Final = "concat(SourceTopic, ':', toString(SourcePartition), ':', toString(SourceOffset))"
_SENT_ID: Final = "concat(SourceTopic, ':', toString(SentPartition), ':', toString(SentOffset))"
REPLAYS: Final = f"""\
SELECT {_ID} AS id, ReplayId AS replay, argMax(State, At) AS state, argMax(SentPartition, At) AS partition,
    argMax(SentOffset, At) AS offset, max(At) AS at
FROM dead_letter_replays WHERE {_ID} IN {{ids:Array(String)}} GROUP BY id, replay
HAVING state != 'withdrawn' ORDER BY at"""  # noqa: S608 - constants
REPLAY_OF: Final = f"""\
SELECT {_SENT_ID} AS id, {_ID} AS of FROM dead_letter_replays
WHERE State = 'sent' AND {_SENT_ID} IN {{ids:Array(String)}}"""  # noqa: S608 - constants
ROWS: Final = " UNION ALL ".join(
    f"SELECT '{table.name}' AS name, count() AS rows FROM {table.name} "  # noqa: S608 - names of our own tables
    "WHERE SourceTopic = {topic:String} AND SourcePartition = {partition:UInt32} AND SourceOffset = {offset:UInt64}"
    for table in (*OTEL, *METRICS, *FACTS)
    if set(SOURCE) <= set(table.columns)
)


class Replay(NamedTuple):
    """One time that a letter was put back, or may have been."""

    id: str
    state: str
    """`begun`: whether it was sent is not known; `sent`."""
    sent_to: str
    """Its place now, where it was sent."""
    at: str


class Letter(NamedTuple):
    """One dead letter."""

    place: Place
    at: str
    """When the log took the message, RFC 3339."""
    unix_nano: int
    """The same."""
    stored_at: str
    size_bytes: int
    kept_bytes: int
    reason: str
    value: bytes | None = None
    """What is kept of the message; None: not asked for."""

    @property
    def kept(self) -> str:
        """Whether the bytes are those that were received: `whole`, `cut` or `redacted`."""
        if self.kept_bytes < self.size_bytes:
            return "cut"
        return "redacted" if self.value is not None and REDACTED in self.value else "whole"


class StoredLetters:
    """Asks and records."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def chosen(self, sql: str, asked: Mapping[str, Any]) -> list[Letter]:
        """Those that topic, reason and time choose; `sql`: LATEST or OLDEST."""
        found = await self._reader.query(sql, _chosen(asked) | {"limit": asked["limit"]})
        return [_letter(row) for row in found.as_dicts()]

    async def kinds(self, asked: Mapping[str, Any]) -> tuple[int, list[dict[str, Any]]]:
        """How many in all, and how many of each topic and kind of reason, the most common first."""
        total = await self._reader.query(COUNT, _chosen(asked))
        kinds = await self._reader.query(KINDS, _chosen(asked))
        return int(total.rows[0][0]), kinds.as_dicts()

    async def one(self, place: Place) -> Letter | None:
        """One with what is kept of its bytes; None: there is none."""
        found = (await self._reader.query(ONE, place._asdict())).as_dicts()
        if not found:
            return None
        return _letter(found[0])._replace(value=base64.b64decode(found[0]["base64"]))

    async def replays(self, places: Iterable[Place]) -> dict[str, list[Replay]]:
        """Id -> the times that it was put back, or may have been."""
        found: dict[str, list[Replay]] = defaultdict(list)
        asked = await self._reader.query(REPLAYS, {"ids": [str(place) for place in places]})
        for row in asked.as_dicts():
            topic = row["id"].split(":")[0]
            sent_to = f"{topic}:{row['partition']}:{row['offset']}" if row["state"] == "sent" else ""
            found[row["id"]].append(Replay(row["replay"], row["state"], sent_to, row["at"]))
        return found

    async def replay_of(self, places: Iterable[Place]) -> dict[str, str]:
        """Id -> id of the letter that was put back there."""
        asked = await self._reader.query(REPLAY_OF, {"ids": [str(place) for place in places]})
        return {row["id"]: row["of"] for row in asked.as_dicts()}

    async def rows(self, place: Place) -> dict[str, int]:
        """Table -> rows that are stored of this message."""
        found = await self._reader.query(ROWS, place._asdict())
        return {row["name"]: int(row["rows"]) for row in found.as_dicts() if int(row["rows"])}

    async def record(self, replay: str, place: Place, state: str, origin: str, sent: tuple[int, int] = (0, 0)) -> None:
        """Add one state of a replay."""
        await self._writer.insert(DEAD_LETTER_REPLAYS, [[replay, *place, state, origin, *sent, time.time_ns()]])


def _chosen(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asked[name] for name in ("topic", "reason", "since")}


def _letter(row: Mapping[str, Any]) -> Letter:
    place = Place(row["topic"], int(row["partition"]), int(row["offset"]))
    sizes = (int(row["size_bytes"]), int(row["kept_bytes"]))
    return Letter(place, row["at"], int(row["unix_nano"]), row["stored_at"], *sizes, row["reason"])

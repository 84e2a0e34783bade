"""Shows stored calls under the session that was found for them later.

A row is written again with its new session and the next version; the tables keep the newest version of a call.
Running it twice changes nothing: the first run left no row to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from clickhouse_connect.driver.client import Client

from schemas.tables import FACTS
from sinks.clickhouse.deduplication import deduplication
from sinks.contract import Mend

MAX_PARAMETER_BYTES: Final = 60_000
"""Of the parameters of one statement; a server takes 128 KiB a field, escapes included."""

# two levels: in one, the WHERE would take SessionId for what it is replaced by
MEND: Final = """\
INSERT INTO {table:Identifier}
SELECT * EXCEPT (Owner) REPLACE (Owner AS SessionId, Version + 1 AS Version)
FROM (
    SELECT *, transform(concat(TraceId, SpanId), {spans:Array(String)}, {sessions:Array(String)}, SessionId) AS Owner
    FROM {table:Identifier} FINAL
    WHERE TraceId IN {traces:Array(String)} AND concat(TraceId, SpanId) IN {spans:Array(String)}
      AND Owner != SessionId
)"""


def mend(client: Client, mends: Sequence[Mend]) -> None:
    """Move the calls of these spans to their sessions; of several for one span the last holds."""
    newest = {(m.trace_id, m.span_id): m for m in mends}
    for chosen in _portions(newest.values()):
        parameters = {
            "spans": [m.trace_id + m.span_id for m in chosen],
            "sessions": [m.session_id for m in chosen],
            "traces": sorted({m.trace_id for m in chosen}),
        }
        for table in FACTS:
            # not `command`, which puts parameters into the address, where there is less room
            client.raw_query(MEND, parameters={"table": table.name, **parameters}, settings=deduplication(client))


def _portions(mends: Iterable[Mend]) -> Iterator[list[Mend]]:
    """Mends of one statement each."""
    chosen: list[Mend] = []
    size_bytes = 0
    for one in mends:
        own = 2 * len(one.trace_id) + len(one.span_id) + len(one.session_id.encode("utf-8", "replace")) + 16
        if chosen and size_bytes + own > MAX_PARAMETER_BYTES:
            yield chosen
            chosen, size_bytes = [], 0
        chosen.append(one)
        size_bytes += own
    if chosen:
        yield chosen

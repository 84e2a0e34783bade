"""Shows stored calls under the session that was found for them later.

A row is written again with its new session and the next version; the tables keep the newest version of a call. One
statement a table, however many calls. Running it twice changes nothing: the first run left no row to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clickhouse_connect.driver.client import Client

from schemas.tables import FACTS
from sinks.clickhouse.deduplication import deduplication
from sinks.contract import Mend

MAX_MENDS: Final = 5_000
"""Calls that one statement moves."""

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
    sessions = {m.trace_id + m.span_id: m.session_id for m in mends}
    traces = {m.trace_id + m.span_id: m.trace_id for m in mends}
    spans = list(sessions)
    for start in range(0, len(spans), MAX_MENDS):
        chosen = spans[start : start + MAX_MENDS]
        parameters = {
            "spans": chosen,
            "sessions": [sessions[span] for span in chosen],
            "traces": sorted({traces[span] for span in chosen}),
        }
        for table in FACTS:
            client.command(MEND, parameters={"table": table.name, **parameters}, settings=deduplication(client))

"""What agents can ask. The HTTP API and, through it, the CLI are thin doors to these functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from query import findings
from query.reader import MAX_ROWS, Reader
from query.session import session
from query.sql import safe_sql
from schemas.finding import SEVERITIES, rfc3339

OPEN_BY_SEVERITY: Final = """\
SELECT Severity, count() FROM findings WHERE Status IN ('open', 'updated') GROUP BY Severity"""
STORED: Final = """\
SELECT
    (SELECT count() FROM otel_traces) AS spans,
    (SELECT count() FROM otel_logs) AS logs,
    (SELECT count() FROM tool_calls) AS tool_calls,
    (SELECT count() FROM model_calls) AS model_calls,
    (SELECT count() FROM sessions) AS sessions,
    (SELECT count() FROM dead_letters) AS dead_letters"""


class Service:
    """Answers questions from the store. Every answer says in `as_of` up to when everything was judged.

    Args:
        reader: The store.
        as_of: The watermark in nanoseconds since 1970; 0 = nothing was judged yet.
    """

    def __init__(self, reader: Reader, as_of: Callable[[], int]) -> None:
        self._reader = reader
        self._as_of = as_of

    async def findings(self, which: findings.Filter, limit: int = 50, after: str = "") -> dict[str, Any]:
        """A page of findings, latest first."""
        return self._dated(await findings.page(self._reader, which, limit, after))

    async def finding(self, identity: str) -> dict[str, Any]:
        """One finding in full."""
        return self._dated({"finding": await findings.one(self._reader, identity)})

    async def session(self, identity: str) -> dict[str, Any]:
        """The outline of one session."""
        return self._dated(await session(self._reader, identity))

    async def sql(self, text: str, limit: int = 1000) -> dict[str, Any]:
        """The rows of one SELECT: `columns` (name, type), `rows`, `truncated`."""
        found = await self._reader.query(safe_sql(text, min(limit, MAX_ROWS) + 1))
        return self._dated(
            {
                "columns": [{"name": n, "type": t} for n, t in zip(found.columns, found.types, strict=True)],
                "rows": found.rows[:limit],
                "truncated": len(found.rows) > limit,
            }
        )

    async def overview(self) -> dict[str, Any]:
        """What is wrong now: open findings by severity, the latest of them, what is stored."""
        counts = dict((await self._reader.query(OPEN_BY_SEVERITY)).rows)
        latest = await findings.page(self._reader, findings.Filter(status="open"), limit=5)
        stored = (await self._reader.query(STORED)).as_dicts()[0]
        short = ("id", "rule", "severity", "session_id", "last_seen", "count", "why")
        return self._dated(
            {
                "open": {severity: counts.get(severity, 0) for severity in reversed(SEVERITIES)},
                "latest": [{name: finding[name] for name in short} for finding in latest["findings"]],
                "stored": stored,
                "next": [f"telltale findings {finding['id']}" for finding in latest["findings"][:3]],
            }
        )

    def as_of(self) -> str | None:
        """The watermark as RFC 3339."""
        watermark = self._as_of()
        return rfc3339(watermark) if watermark > 0 else None

    def _dated(self, answer: dict[str, Any]) -> dict[str, Any]:
        return {"as_of": self.as_of(), **answer}

"""One session: what it did, what it cost, what was found in it and what is missing of it."""

from __future__ import annotations

from typing import Any, Final

from query import findings
from query.outline import outline
from query.reader import Reader
from schemas.errors import QueryError

MAX_STEPS: Final = 3000

_FACT: Final = """\
SELECT '{fact}' AS Fact, toString({name}) AS name, TurnId, toString(AgentName) AS AgentName, {columns},
    toString(Outcome) AS Outcome, toString(ErrorType) AS ErrorType, CallId, TraceId, SpanId, StartTimeUnixNano,
    toUnixTimestamp64Nano(StartTimeUnixNano) AS start_ns, start_ns + greatest(DurationNs, 0) AS end_ns, EventSequence
FROM {table} WHERE SessionId = {{id:String}}"""

_TOOL: Final = _FACT.format(
    fact="tool",
    name="ToolName",
    table="tool_calls",
    columns="ArgumentsSignature, toString(ArgumentsStrength) AS ArgumentsStrength, ResultSignature, "
    "toString(ResultStrength) AS ResultStrength, Arguments, Result, "
    "toInt64(-1) AS InputTokens, toInt64(-1) AS OutputTokens, nan AS CostUsd",
)
_MODEL: Final = _FACT.format(
    fact="model",
    name="if(ResponseModel != '', ResponseModel, RequestModel)",
    table="model_calls",
    columns="'', '', '', '', '', '', InputTokens, OutputTokens, CostUsd",
)
_MARKER: Final = """\
SELECT toString(Kind), Detail, TurnId, toString(AgentName), '', '', '', '', '', '', toInt64(-1), toInt64(-1), nan,
    '', '', '', TraceId, SpanId, StartTimeUnixNano, toUnixTimestamp64Nano(StartTimeUnixNano) AS start_ns, start_ns,
    EventSequence
FROM markers WHERE SessionId = {id:String}"""

STEPS: Final = f"""\
SELECT * FROM ({_TOOL} UNION ALL {_MODEL} UNION ALL {_MARKER})
ORDER BY start_ns, EventSequence, end_ns, SpanId
LIMIT {{limit:UInt32}}"""  # noqa: S608 - constants

TOTALS: Final = """\
SELECT groupUniqArray(toString(ServiceName)) AS services, min(FirstSeen) AS first_seen, max(LastSeen) AS last_seen,
    arrayDistinct(arrayFlatten(groupArray(Agents))) AS agents,
    arrayDistinct(arrayFlatten(groupArray(Versions))) AS versions,
    sum(ToolCalls) AS tool_calls, sum(ToolErrors) AS tool_errors,
    sum(ModelCalls) AS model_calls, sum(ModelErrors) AS model_errors, sum(InputTokens) AS input_tokens,
    sum(OutputTokens) AS output_tokens, sum(CacheReadTokens) AS cache_read_tokens,
    sum(CacheCreationTokens) AS cache_creation_tokens, sum(CostUsd) AS cost_usd, sum(Prompts) AS prompts,
    date_diff('millisecond', first_seen, last_seen) / 1000 AS duration_s, count() AS found
FROM sessions WHERE SessionId = {id:String}"""

# Claude Code numbers all its log events of a session: what is not there was lost on the way.
EVENTS: Final = """\
SELECT uniqExact(sequence) AS seen, max(sequence) - min(sequence) + 1 AS spanned
FROM
(
    SELECT toInt64OrNull(LogAttributes['event.sequence']) AS sequence FROM otel_logs
    WHERE LogAttributes['session.id'] = {id:String}
)
WHERE sequence IS NOT NULL"""


async def session(reader: Reader, identity: str) -> dict[str, Any]:
    """The outline of one session.

    Raises:
        QueryError: Nothing is known of it.
    """
    totals = (await reader.query(TOTALS, {"id": identity})).as_dicts()[0]
    if not identity or not totals.pop("found"):
        raise QueryError(
            "not_found",
            f"no call of a session {identity[:80]!r} is stored",
            field="id",
            hint="telltale sql 'SELECT SessionId, LastSeen FROM sessions ORDER BY LastSeen DESC LIMIT 10'",
            status=404,
        )
    steps = (await reader.query(STEPS, {"id": identity, "limit": MAX_STEPS + 1})).as_dicts()
    if all(step["CostUsd"] is None for step in steps):
        totals["cost_usd"] = None  # the view adds up what was told: nothing was
    found = await findings.page(reader, findings.Filter(session=identity), limit=20)
    return {
        "session_id": identity,
        **{name: totals[name] for name in ("services", "versions", "agents", "first_seen", "last_seen", "duration_s")},
        "totals": {name: value for name, value in totals.items() if name in _TOTALS},
        "turns": outline(steps[:MAX_STEPS]),
        "truncated": len(steps) > MAX_STEPS,
        "total_steps": totals["tool_calls"] + totals["model_calls"],
        "findings": [_short(finding) for finding in found["findings"]],
        "coverage": {"events_missing": await _events_missing(reader, identity)},
        "next": [f"telltale findings {finding['id']}" for finding in found["findings"][:3]],
    }


_TOTALS: Final = (
    "prompts",
    "tool_calls",
    "tool_errors",
    "model_calls",
    "model_errors",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
    "cost_usd",
)


async def _events_missing(reader: Reader, identity: str) -> int | None:
    """Events that the producer numbered and that are not stored; None where it numbers none."""
    seen, spanned = (await reader.query(EVENTS, {"id": identity})).rows[0]
    return max(0, spanned - seen) if seen else None


def _short(finding: dict[str, Any]) -> dict[str, Any]:
    return {name: finding[name] for name in ("id", "rule", "kind", "severity", "status", "count", "why")}

"""The list of sessions: the latest, the dearest, those with most errors."""

from __future__ import annotations

from typing import Any, Final

from query import fencing
from query.asked import Answer, Asked
from query.session import session
from schemas.finding import ESTIMATED, rfc3339

_FACTS: Final = """\
SELECT SessionId, ServiceName, StartTimeUnixNano AS At, DurationNs, Outcome = 'error' AS Failed, {tool} AS Tool,
    {tokens} AS Tokens, {cost} AS Cost, {prices} AS Prices,
    sipHash64(StartTimeUnixNano, DurationNs, EventSequence, {name}) AS Likeness
FROM {table}
WHERE SessionId != '' AND StartTimeUnixNano >= fromUnixTimestamp64Nano({{since:Int64}})
  AND StartTimeUnixNano < fromUnixTimestamp64Nano({{until:Int64}})
  AND ({{service:String}} = '' OR ServiceName = {{service:String}})"""
_TOOLS: Final = _FACTS.format(
    tool="1", tokens="toInt64(0)", cost="toFloat64(0)", prices="''", name="ToolName", table="tool_calls"
)
_MODELS: Final = _FACTS.format(
    tool="0",
    tokens="greatest(InputTokens, 0) + greatest(OutputTokens, 0)",
    cost="if(isFinite(CostUsd), CostUsd, 0)",
    prices="toString(PricesDate)",
    name="RequestModel",
    table="model_calls",
)
_ORDERS: Final = {
    "latest": "last_ns",
    "calls": "toInt64(tool_calls + model_calls)",
    "errors": "toInt64(errors)",
    "tokens": "tokens",
    "cost": "toInt64(cost_usd * 1e6)",
}
HASHED: Final = "bitShiftRight(sipHash64(SessionId), 1)"
"""What orders sessions that are otherwise equal: an id is telemetry's, and as long as that likes, in a cursor too."""
LIST: Final = f"""\
SELECT SessionId AS session_id, any(toString(ServiceName)) AS service,
    toUnixTimestamp64Nano(min(At)) AS first_ns, max(toUnixTimestamp64Nano(At) + greatest(DurationNs, 0)) AS last_ns,
    countIf(Tool = 1) AS tool_calls, countIf(Tool = 0) AS model_calls, countIf(Failed) AS errors, sum(Tokens) AS tokens,
    round(sum(Cost), 6) AS cost_usd, max(Prices) AS prices_date,
    SessionId IN (SELECT SessionId FROM findings FINAL WHERE Kind = 'tool_call_loop') AS looping,
    count() > uniqExact(Likeness, Tool) AS doubtful, {{order}} AS ordered, {HASHED} AS hashed
FROM ({_TOOLS} UNION ALL {_MODELS})
GROUP BY SessionId HAVING (ordered, hashed) < ({{ordered:Int64}}, {{hashed:UInt64}})
ORDER BY ordered DESC, hashed DESC LIMIT {{limit:UInt32}}"""  # noqa: S608 - constants
END: Final = (2**63 - 1, 2**63 - 1)


async def sessions(asked: Asked) -> Answer:
    """One session in outline, or the list."""
    return await session(asked) if asked["id"] is not None else await _list(asked)


async def _list(asked: Asked) -> Answer:
    sql = LIST.replace("{order}", _ORDERS[asked["order"]])
    ordered, hashed = asked.resume(*END)
    place = {"ordered": ordered, "hashed": hashed, "limit": asked["limit"] + 1}
    given = {"service": asked["service"] or "", **asked.window, **place}
    # FINAL over a day takes six times as long, so it is read where rows stand twice, or may: equal ones look alike.
    final = await asked.told_again("tool_calls", "model_calls", **asked.window)
    found = (await asked.query(sql, final=final, **given)).as_dicts()
    if not final and any(row["doubtful"] for row in found):
        found = (await asked.query(sql, **given)).as_dicts()
    rows = found[: asked["limit"]]
    return Answer(
        body={"since": rfc3339(asked.window["since"]), "sessions": [_row(row) for row in rows]},
        rows="sessions",
        keys=[(row["ordered"], row["hashed"]) for row in rows],
        more=len(found) > len(rows),
        next=fencing.runnable(fencing.command("session", row["session_id"]) for row in rows[:2])
        or ["telltale session --since 30d"],
    )


def _row(row: dict[str, Any]) -> dict[str, Any]:
    names = ("tool_calls", "model_calls", "errors", "tokens", "cost_usd")
    return {
        "session_id": row["session_id"],
        "service": fencing.name(row["service"]),
        "last": rfc3339(row["last_ns"]),
        "duration_s": round((row["last_ns"] - row["first_ns"]) / 1e9, 3),
        **{name: row[name] for name in names},
        **({ESTIMATED: row["prices_date"]} if row["prices_date"] else {}),
        **({"looping": True} if row["looping"] else {}),
    }

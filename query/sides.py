"""The SQL of two sides: versions, prompts, models or windows of time. Constants of ours; values are parameters.

Versions and windows come from `series_1m`, which has any service's calls; prompts and models from the calls of agents.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final, NamedTuple

from query.asked import Asked
from query.measures import Side

MAX_SERIES: Final = 2_000

SeriesKey = tuple[str, str, str]
"""Service, operation, tool or model."""

_SERIES: Final = """\
({service:String} = '' OR ServiceName = {service:String})
  AND ({operation:String} = '' OR Operation = {operation:String}) AND ({name:String} = '' OR Name = {name:String})
"""
_SLICES: Final = """\
SELECT ServiceName, toString(Operation) AS Operation, toString(Name) AS Name, {side} AS side,
    sum(Count) AS calls, sum(Errors) AS errors, sumMap(Histogram) AS histogram, sum(Tokens) AS tokens,
    sum(CostUsd) AS cost_usd, toUnixTimestamp(min(Minute)) AS first_s, toUnixTimestamp(max(Minute)) AS last_s
FROM series_1m
WHERE side != '' AND Minute >= fromUnixTimestamp64Nano({{since:Int64}})
  AND Minute < fromUnixTimestamp64Nano({{until:Int64}}) AND {series}
GROUP BY ServiceName, Operation, Name, side ORDER BY calls DESC LIMIT {limit}"""
_CALLS: Final = """\
SELECT ServiceName, Operation, Name, side, count() AS calls, countIf(Outcome = 'error') AS errors,
    sumMapIf(map(toInt32(least(floor(log2(DurationNs) * 16), 1008)), toUInt64(1)),
        DurationNs > 0 AND Outcome != 'error') AS histogram,
    sum(Tokens) AS tokens, sum(Cost) AS cost_usd,
    toUnixTimestamp(min(At)) AS first_s, toUnixTimestamp(max(At)) AS last_s
FROM
(
    SELECT ServiceName, 'chat' AS Operation, toString(if(ResponseModel != '', ResponseModel, RequestModel)) AS Name,
        {side_model} AS side, toString(Outcome) AS Outcome, DurationNs, StartTimeUnixNano AS At,
        greatest(InputTokens, 0) + greatest(OutputTokens, 0) AS Tokens, if(isFinite(CostUsd), CostUsd, 0) AS Cost
    FROM model_calls WHERE side != ''
    UNION ALL
    SELECT ServiceName, 'execute_tool', toString(ToolName), {side_tool} AS side, toString(Outcome), DurationNs,
        StartTimeUnixNano, 0, 0
    FROM tool_calls WHERE side != '' AND Outcome != 'denied'
)
WHERE At >= fromUnixTimestamp64Nano({{since:Int64}}) AND At < fromUnixTimestamp64Nano({{until:Int64}}) AND {series}
GROUP BY ServiceName, Operation, Name, side ORDER BY calls DESC LIMIT {limit}"""
_SESSIONS: Final = """\
SELECT side, count() AS n, countIf(looping) AS looping,
    count() AS tokens_n, sum(tokens) AS tokens_sum, sum(tokens * tokens) AS tokens_squares,
    countIf(told) AS cost_n, sumIf(cost, told) AS cost_sum, sumIf(cost * cost, told) AS cost_squares,
    max(prices) AS prices_date,
    countIf(turns > 0) AS turns_n, sum(turns) AS turns_sum, sum(turns * turns) AS turns_squares
FROM
(
    SELECT side, SessionId, toFloat64(sum(Tokens)) AS tokens, sum(Cost) AS cost, max(Told) AS told,
        max(Prices) AS prices,
        toFloat64(uniqExactIf(TurnId, TurnId != '')) AS turns, SessionId IN
        (SELECT SessionId FROM findings WHERE Kind = 'tool_call_loop' AND Severity != 'suspect') AS looping
    FROM
    (
        SELECT {side_model} AS side, SessionId, TurnId, isFinite(CostUsd) AS Told, if(Told, CostUsd, 0) AS Cost,
            toString(PricesDate) AS Prices,
            greatest(InputTokens, 0) + greatest(OutputTokens, 0) AS Tokens
        FROM model_calls WHERE side != '' AND SessionId != ''
          AND ({{service:String}} = '' OR ServiceName = {{service:String}})
          AND StartTimeUnixNano >= fromUnixTimestamp64Nano({{since:Int64}})
          AND StartTimeUnixNano < fromUnixTimestamp64Nano({{until:Int64}})
    )
    GROUP BY side, SessionId
)
GROUP BY side"""

_EITHER: Final = "multiIf({column} = {{before:String}}, 'before', {column} = {{after:String}}, 'after', '')"
_WINDOW: Final = (
    "multiIf({column} >= fromUnixTimestamp64Nano({{before_from:Int64}}) AND "
    "{column} < fromUnixTimestamp64Nano({{before_to:Int64}}), 'before', "
    "{column} >= fromUnixTimestamp64Nano({{after_from:Int64}}) AND "
    "{column} < fromUnixTimestamp64Nano({{after_to:Int64}}), 'after', '')"
)
_PROMPT: Final = "if(PromptVersion = '', PromptName, concat(PromptName, '@', PromptVersion))"
_MODEL: Final = "toString(if(ResponseModel != '', ResponseModel, RequestModel))"


class _By(NamedTuple):
    """Where each side is told: in slices (or "" where they do not know it), model calls and tool calls."""

    slices: str
    model: str
    tool: str


BY: Final[dict[str, _By]] = {
    "version": _By(*(_EITHER.format(column="toString(ServiceVersion)"),) * 3),
    "window": _By(_WINDOW.format(column="Minute"), *(_WINDOW.format(column="StartTimeUnixNano"),) * 2),
    "prompt": _By("", *(_EITHER.format(column=_PROMPT),) * 2),
    "model": _By("", _EITHER.format(column=_MODEL), "''"),
}

MOST_KNOWN: Final = 6
_KNOWN: Final = """\
SELECT {side} AS one FROM {table} WHERE one != '' AND ({{service:String}} = '' OR ServiceName = {{service:String}})
GROUP BY one ORDER BY max({time}) DESC LIMIT {limit}"""
KNOWN: Final[dict[str, str]] = {
    by: _KNOWN.format(side=side, table=table, time=time, limit=MOST_KNOWN)
    for by, side, table, time in (
        ("version", "toString(ServiceVersion)", "series_1m", "Minute"),
        ("prompt", _PROMPT, "model_calls", "StartTimeUnixNano"),
        ("model", _MODEL, "model_calls", "StartTimeUnixNano"),
    )
}
"""What a side may be, the latest first."""


class Sides(NamedTuple):
    """Both sides, in all and by series."""

    before: Side
    after: Side
    series: dict[SeriesKey, tuple[Side, Side]]


async def sides(asked: Asked, by: str, parameters: dict[str, Any], with_sessions: bool) -> Sides:
    """What was seen on both sides.

    Args:
        asked: The question.
        by: A key of `BY`.
        parameters: `service`, `operation`, `name` ("" = any), `since`, `until`, and what the sides are told by.
        with_sessions: Whether sessions are compared too; they know of no operation.
    """
    told = BY[by]
    values = {"series": _SERIES, "limit": 2 * MAX_SERIES}
    if told.slices:
        sql = _SLICES.format(side=told.slices, **values)
    else:
        sql = _CALLS.format(side_model=told.model, side_tool=told.tool, **values)
    found = Sides(Side(), Side(), defaultdict(lambda: (Side(), Side())))
    for row in (await asked.query(sql, **parameters)).as_dicts():
        pair = found.series[row["ServiceName"], row["Operation"], row["Name"]]
        later = row["side"] == "after"
        pair[later].add(row)
        (found.after if later else found.before).add(row)
    if with_sessions:
        sessions = _SESSIONS.format(side_model=told.model)
        for row in (await asked.query(sessions, **parameters)).as_dicts():
            side = found.after if row["side"] == "after" else found.before
            side.prices_date = row.pop("prices_date")
            side.sessions = {name: value or 0 for name, value in row.items() if name != "side"}
    return found

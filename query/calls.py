"""Tool calls, model calls, spans and log records: those that filters choose, or one with its content."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from query import fencing
from query.asked import Answer, Asked
from query.budget import UNTRUSTED, cut
from query.filters import condition
from query.identities import PLACES, Found, Place, taken_apart
from query.nearest import unknown
from query.once import HOOK, NOT_A_HOOK_BESIDE, newest, other_tellings, told_by_hooks, with_hooks
from schemas.errors import QueryError

EXCERPT: Final = 400
"""Characters of a text that a list reads."""

_SHORT: Final = {
    "tool": """toString(ToolName) AS name, toString(ServiceName) AS service, SessionId AS session,
    CallId AS call_id, toString(Signal) AS signal,
    DurationNs / 1e9 AS duration_s, toString(Outcome) AS outcome, toString(ErrorType) AS error_type""",
    "model": """toString(if(ResponseModel != '', ResponseModel, RequestModel)) AS name,
    toString(ServiceName) AS service, SessionId AS session, DurationNs / 1e9 AS duration_s,
    toString(Outcome) AS outcome, toString(ErrorType) AS error_type, InputTokens AS input_tokens,
    OutputTokens AS output_tokens, CostUsd AS cost_usd,
    toString(PricesDate) AS cost_estimated_from_prices_of""",
    "span": """toString(SpanName) AS name, toString(ServiceName) AS service, TraceId AS trace_id, SpanId AS span_id,
    Duration / 1e9 AS duration_s, if(StatusCode = 'Error', 'error', '') AS outcome""",
    "log": """EventName AS name, toString(ServiceName) AS service, TraceId AS trace_id,
    toString(SeverityText) AS severity""",
}
_TEXTS: Final = {
    "tool": {"arguments": "Arguments", "result": "Result"},
    "model": {},
    "span": {"message": "StatusMessage"},
    "log": {"body": "Body"},
}
"""Kind -> texts of telemetry, by the name that they are shown under."""
_SEARCHED: Final = {
    "tool": ("Arguments", "Result"),
    "model": ("toString(RequestModel)", "toString(ErrorType)"),
    "span": ("toString(SpanName)", "StatusMessage", "arrayStringConcat(mapValues(SpanAttributes), '\\n')"),
    "log": ("Body", "EventName", "arrayStringConcat(mapValues(LogAttributes), '\\n')"),
}
"""Kind -> what `text` is looked for in."""
_READ: Final = ("ordered", "nanos", "hashed", "call_id", "signal")
"""Columns of a list that are read and not shown."""
_DURATION: Final = {
    "tool": "DurationNs",
    "model": "DurationNs",
    "span": "toInt64(least(Duration, 9000000000000000000))",
}
_FAILED: Final = {
    "tool": "Outcome = 'error'",
    "model": "Outcome = 'error'",
    "span": "StatusCode = 'Error'",
    "log": "SeverityNumber >= 17",
}
_NAMED: Final = {"tool": "ToolName", "model": "RequestModel", "span": "SpanName", "log": "EventName"}

HOUR_NS: Final = 3_600_000_000_000
CALL_IDS: Final = "SELECT CallId FROM tool_calls WHERE CallId != '' ORDER BY StartTimeUnixNano DESC LIMIT 2000"
NO_SESSION: Final = "spans and log records carry no session here: --where 'attributes.session.id = ...'"


async def calls(asked: Asked) -> Answer:
    """Those that filters choose, or one in full."""
    return await _list(asked) if asked["id"] is None else await _one(asked)


async def _list(asked: Asked) -> Answer:
    kind, place = asked["kind"], PLACES[asked["kind"]]
    where, parameters = _where(asked, place)
    hooked = kind == "tool" and await told_by_hooks(asked)
    where += await _once(asked, place, hooked)
    slowest = asked["order"] == "slowest"
    if slowest and kind == "log":
        raise QueryError("bad_combination", "log records have no duration", field="order", hint="latest")
    ordered = _DURATION[kind] if slowest else f"toUnixTimestamp64Nano({place.time})"
    value, nanos, hashed = asked.resume(2**63 - 1, 2**63 - 1, 2**32)
    summary, page = await _summary(asked, place, (where, parameters), ordered)
    if page and not asked.after:
        # The rows of the first page are among these: the texts of all others need not be read once more.
        where = where.replace("PREWHERE", f"PREWHERE {ordered} IN {{page:Array(Int64)}} AND", 1)
        if not slowest:
            where = where.replace(
                "PREWHERE", f"PREWHERE {place.time} >= fromUnixTimestamp64Nano({{least:Int64}}) AND", 1
            )
        parameters |= {"page": page, "least": min(page)}
    texts = "".join(f", leftUTF8({column}, {EXCERPT}) AS text_{shown}" for shown, column in _TEXTS[kind].items())
    # Time and hash are the id, so that of two rows shown one always comes first.
    at, resumed = f"toUnixTimestamp64Nano({place.time})", "({value:Int64}, {nanos:Int64}, {hashed:UInt64})"
    sql = f"""\
SELECT {place.id} AS id, {_SHORT[kind]}{texts}, {place.time} AS at, {ordered} AS ordered, {at} AS nanos,
    {place.hash} AS hashed
FROM {place.table} {where} AND ({ordered}, {at}, {place.hash}) < {resumed}
ORDER BY ordered DESC, nanos DESC, hashed DESC LIMIT 1 BY id LIMIT {{limit:UInt32}}"""  # noqa: S608 - constants; values are parameters
    after = {"value": value, "nanos": nanos, "hashed": hashed, "limit": asked["limit"] + 1, **asked.window}
    found = await asked.query(sql, final=False, **parameters, **after)
    rows = found.as_dicts()[: asked["limit"]]
    shown = await with_hooks(asked, rows, EXCERPT) if hooked else rows
    return Answer(
        body={"kind": kind, "summary": summary, "calls": [_short(row) for row in shown]},
        rows="calls",
        keys=[(row["ordered"], row["nanos"], row["hashed"]) for row in rows],
        more=len(found.rows) > len(rows) or (not asked.after and summary["calls"] > len(rows)),
        total=summary["calls"],
        next=fencing.runnable(fencing.command("calls", row["id"]) for row in rows[:1]),
        narrower=("telltale calls --order slowest --since 1h", "telltale calls --outcome error --since 1h"),
    )


def _where(asked: Asked, place: Place) -> tuple[str, dict[str, Any]]:
    """The conditions, from constants, and the values that they compare with.

    Those on short columns are looked at first, those on texts only where they hold.
    """
    kind = asked["kind"]
    conditions, parameters = ["1"], {}
    texts = ["1"]
    plain = {"session": "SessionId", "service": "ServiceName", "name": _NAMED[kind], "outcome": "Outcome"}
    for name, column in plain.items():
        if asked[name] is not None:
            if kind in ("span", "log") and name in ("session", "outcome"):
                hint = NO_SESSION if name == "session" else f"--where 'status = Error' for --kind {kind}"
                raise QueryError("bad_combination", f"{name} does not go with {kind}", field=name, hint=hint)
            conditions.append(f"{column} = {{{name}:String}}")
            parameters[name] = asked[name]
    for name, operator in (("since", ">="), ("until", "<")):
        if asked[name] is not None:
            conditions.append(f"{place.time} {operator} fromUnixTimestamp64Nano({{{name}:Int64}})")
    if asked["text"] is not None:
        found = (f"positionCaseInsensitiveUTF8({column}, {{text:String}}) > 0" for column in _SEARCHED[kind])
        texts.append(f"({' OR '.join(found)})")
        parameters["text"] = asked["text"]
    for number, text in enumerate(asked["where"] or ()):
        one = condition(text, kind, number)
        texts.append(one.sql)
        parameters |= one.parameters
    return f"PREWHERE {' AND '.join(conditions)} WHERE {' AND '.join(texts)}", parameters


async def _once(asked: Asked, place: Place, hooked: bool) -> str:
    """Conditions that leave out what is told twice: rows that others replace, a hook's where telemetry tells too."""
    facts = asked["kind"] in ("tool", "model")
    told_again = facts and await asked.told_again(place.table, **asked.window)
    replaced = f" AND {newest(place)}" if told_again else ""
    return replaced + (f" AND {NOT_A_HOOK_BESIDE}" if hooked else "")


async def _summary(
    asked: Asked, place: Place, chosen: tuple[str, dict[str, Any]], ordered: str
) -> tuple[dict[str, Any], list[int]]:
    """How many there are, how many failed, how long they take; and what the rows of a first page are ordered by."""
    kind = asked["kind"]
    where, parameters = chosen
    duration = _DURATION.get(kind)
    timed = f", quantilesIf(0.5, 0.95)({duration}, {duration} >= 0) AS quantiles" if duration else ""
    # A sender that tries again may send a call twice: until parts merge it is stored twice, and counts once.
    one = place.identity
    counts = f"uniqExact({one}) AS calls, uniqExactIf({one}, {_FAILED[kind]}) AS failed"
    if kind in ("span", "log"):
        counts = f"count() AS calls, countIf({_FAILED[kind]}) AS failed"
    sql = f"""\
SELECT {counts}{timed},
    min({place.time}) AS first, max({place.time}) AS last,
    groupArraySorted({2 * asked["limit"] + 1})(-{ordered}) AS page
FROM {place.table} {where}"""  # noqa: S608 - constants and a number; values are parameters
    row = (await asked.query(sql, final=False, **parameters, **asked.window)).as_dicts()[0]
    page = sorted({-one for one in row.pop("page")})
    quantiles = [None if q is None or math.isnan(q) else round(q / 1e9, 6) for q in row.pop("quantiles", ())]
    if not row["calls"]:
        return {"calls": 0, "failed": 0}, []
    return row | dict(zip(("p50_s", "p95_s"), quantiles, strict=False)), page


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what says nothing, its texts below `untrusted`."""
    texts = {key.removeprefix("text_"): value for key, value in row.items() if key.startswith("text_") and value}
    shown = {
        key: fencing.name(value) if isinstance(value, str) else value
        for key, value in row.items()
        if not key.startswith("text_") and key not in _READ and value not in ("", None, -1, -1e-9, "ok")
    }
    return shown | ({UNTRUSTED: texts} if texts else {})


async def _one(asked: Asked) -> Answer:
    found, row = await _row(asked)
    texts = {name: row.pop(column) for name, column in _TEXTS[found.kind].items() if row.get(column)}
    maps = {name: row.pop(name) for name in ("SpanAttributes", "LogAttributes", "ResourceAttributes") if row.get(name)}
    maps = {name: {cut(key, 100): value for key, value in one.items()} for name, one in maps.items()}
    traced = None if found.kind == "span" else await _attributes(asked, row)
    others = await other_tellings(asked, row) if found.kind == "tool" else []
    untrusted = texts | maps | ({"span_attributes": traced} if traced else {})
    fields = {
        key: fencing.name(value) if isinstance(value, str) else value
        for key, value in row.items()
        if value not in ("", None, -1, []) and not key.startswith(("Source", "Version", "KeySession"))
    }
    session, trace, span = (row.get(name, "") for name in ("SessionId", "TraceId", "SpanId"))
    below = {"span": span} if span else {}
    return Answer(
        body={
            "kind": found.kind,
            "id": asked["id"],
            "call": fields,
            **({"also_told": others} if others else {}),
            "characters": {name: len(text) for name, text in texts.items()},
            UNTRUSTED: untrusted,
        },
        coverage={"redacted": True} if "[REDACTED:" in str(untrusted) else {},
        next=fencing.runnable(
            [
                fencing.command("session", session) if session else None,
                fencing.command("trace", trace, **below) if trace else None,
            ]
        ),
    )


async def _row(asked: Asked) -> tuple[Found, dict[str, Any]]:
    """The row of an id of ours, or of the producer's id of a tool call."""
    found = taken_apart(asked["id"])
    if found is None:
        first = f"ORDER BY Signal = '{HOOK}', Version DESC"  # telemetry's telling, where there are two
        sql = f"SELECT {PLACES['tool'].id} AS id FROM tool_calls WHERE CallId = {{id:String}} {first} LIMIT 1"  # noqa: S608
        rows = (await asked.query(sql, final=False, id=asked["id"])).rows
        found = taken_apart(rows[0][0]) if rows else None
    if found is None:
        known = [row[0] for row in (await asked.query(CALL_IDS, final=False)).rows]
        raise unknown("call", asked["id"], known, "telltale calls")
    place = PLACES[found.kind]
    newest = "ORDER BY Version DESC " if found.kind in ("tool", "model") else ""
    sql = f"""\
SELECT * FROM {place.table}
WHERE {place.time} = fromUnixTimestamp64Nano({{nanos:Int64}}) AND {place.hash} = {{hashed:UInt32}}
{newest}LIMIT 1"""  # noqa: S608 - constants
    stored = (await asked.query(sql, final=False, nanos=found.unix_nano, hashed=found.hash)).as_dicts()
    if not stored:
        raise unknown("call", asked["id"], await _about_then(asked, found), f"telltale calls --kind {found.kind}")
    return found, stored[0]


async def _about_then(asked: Asked, found: Found) -> Sequence[str]:
    """Ids of the same kind, those of the nearest times first."""
    place = PLACES[found.kind]
    sql = f"""\
SELECT {place.id} AS id FROM {place.table}
WHERE {place.time} >= fromUnixTimestamp64Nano({{from:Int64}}) AND {place.time} <= fromUnixTimestamp64Nano({{to:Int64}})
ORDER BY abs(toUnixTimestamp64Nano({place.time}) - {{nanos:Int64}}), id LIMIT 200"""  # noqa: S608 - constants
    bounds = {"from": max(0, found.unix_nano - HOUR_NS), "to": min(found.unix_nano + HOUR_NS, 2**63 - 1)}
    return [row[0] for row in (await asked.query(sql, final=False, nanos=found.unix_nano, **bounds)).rows]


async def _attributes(asked: Asked, row: dict[str, Any]) -> dict[str, str]:
    """Attributes of the span that a call is: what its model was asked and what it said stands there."""
    if not row.get("TraceId") or not row.get("SpanId") or "StartTimeUnixNano" not in row:
        return {}
    sql = """\
SELECT SpanAttributes FROM otel_traces
WHERE TraceId = {trace:String} AND SpanId = {span:String} AND Timestamp = parseDateTime64BestEffort({at:String}, 9)
LIMIT 1"""
    rows = (await asked.query(sql, trace=row["TraceId"], span=row["SpanId"], at=row["StartTimeUnixNano"])).rows
    return {cut(key, 100): value for key, value in rows[0][0].items()} if rows else {}

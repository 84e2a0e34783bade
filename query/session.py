"""Sessions: the latest of them, or what one did, what it cost, what was found in it and what is missing of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from query import fencing
from query.asked import Answer, Asked
from query.budget import UNTRUSTED
from query.findings import of_session
from query.identities import PLACES
from query.nearest import unknown
from query.once import HOOK, merged
from query.outline import Turn, cost_usd, estimated, fold, tokens, turns
from schemas.errors import QueryError
from schemas.finding import ESTIMATED, rfc3339
from schemas.times import LAST_UNIX_NANO

MAX_STEPS: Final = 9_000
"""Less than the rows that a reader gives."""
FACTS: Final = ("tool_calls", "model_calls", "markers")
DAY_NS: Final = 86_400_000_000_000
SHORT_ID: Final = 20
"""A turn's id is shown where it is no longer than this: its number is enough to ask for it."""
EXCERPT: Final = 250
"""Characters of arguments and results that are read for the outline."""

Key = tuple[int, int]
"""Where a row stands in an outline: when its first step began, and its number among the rows of that time."""
FIRST: Final[Key] = (-(2**63), 0)
"""Before any."""

_FACT: Final = """\
SELECT '{fact}' AS Fact, toString({name}) AS name, {id} AS Id, TurnId, toString(AgentName) AS AgentName, {columns},
    toString(Outcome) AS Outcome, toString(ErrorType) AS ErrorType, SpanId, EventSequence,
    toString(ServiceName) AS ServiceName, toString(ServiceVersion) AS ServiceVersion,
    toUnixTimestamp64Nano(StartTimeUnixNano) AS start_ns, start_ns + greatest(DurationNs, 0) AS end_ns
FROM {table} WHERE SessionId = {{id:String}}"""

_TOOL: Final = _FACT.format(
    fact="tool",
    name="ToolName",
    id=PLACES["tool"].id,
    table="tool_calls",
    columns="ArgumentsSignature, toString(ArgumentsStrength) AS ArgumentsStrength, ResultSignature, "
    f"toString(ResultStrength) AS ResultStrength, leftUTF8(Arguments, {EXCERPT}) AS Arguments, "
    f"leftUTF8(Result, {EXCERPT}) AS Result, "
    "toInt64(-1) AS InputTokens, toInt64(-1) AS OutputTokens, toInt64(-1) AS CacheReadTokens, "
    "toInt64(-1) AS CacheCreationTokens, nan AS CostUsd, '' AS PricesDate, CallId, toString(Signal) AS Signal",
)
_MODEL: Final = _FACT.format(
    fact="model",
    name="if(ResponseModel != '', ResponseModel, RequestModel)",
    id=PLACES["model"].id,
    table="model_calls",
    columns="'', '', '', '', '', '', InputTokens, OutputTokens, CacheReadTokens, CacheCreationTokens, CostUsd, "
    "toString(PricesDate), CallId, ''",
)
_MARKER: Final = """\
SELECT toString(Kind), leftUTF8(Detail, 100), '', TurnId, toString(AgentName), '', '', '', '', '', '',
    toInt64(-1), toInt64(-1), toInt64(-1), toInt64(-1), nan, '', '', '', '', '', SpanId, EventSequence,
    toString(ServiceName), toString(ServiceVersion),
    toUnixTimestamp64Nano(StartTimeUnixNano) AS start_ns, start_ns
FROM markers WHERE SessionId = {id:String}"""

STEPS: Final = f"""\
SELECT * FROM ({_TOOL} UNION ALL {_MODEL} UNION ALL {_MARKER})
ORDER BY start_ns, EventSequence, end_ns, SpanId, Fact, name, Id
LIMIT {MAX_STEPS + 1}"""  # noqa: S608 - constants

TOTALS: Final = f"""\
SELECT sum(Prompts) AS prompts, sum(ToolCalls) AS tool_calls, sum(ToolErrors) AS tool_errors,
    sum(ModelCalls) AS model_calls, sum(ModelErrors) AS model_errors, sum(InputTokens) AS input_tokens,
    sum(OutputTokens) AS output_tokens, sum(CacheReadTokens) AS cache_read_tokens,
    sum(CacheCreationTokens) AS cache_creation_tokens, sum(CostUsd) AS cost_usd,
    max(PricesDate) AS {ESTIMATED}
FROM sessions WHERE SessionId = {{id:String}}"""  # noqa: S608 - constants

OF_ITS_TRACES: Final = "TraceId IN (SELECT TraceId FROM {table} WHERE SessionId = {id:String})"
"""Where a row is that replaces one of a session: it has the same trace."""

# Claude Code numbers all its log events of a session: what is not there was lost on the way.
EVENTS: Final = """\
SELECT uniqExact(sequence) AS seen, max(sequence) - min(sequence) + 1 AS spanned
FROM
(
    SELECT toInt64OrNull(LogAttributes['event.sequence']) AS sequence FROM otel_logs
    WHERE LogAttributes['session.id'] = {id:String} AND ServiceName IN {services:Array(String)}
      AND TimestampTime >= toDateTime(fromUnixTimestamp64Nano({first:Int64}))
      AND TimestampTime <= toDateTime(fromUnixTimestamp64Nano({last:Int64}))
)
WHERE sequence IS NOT NULL"""

NEAR: Final = """\
SELECT SessionId FROM tool_calls WHERE SessionId != '' GROUP BY SessionId ORDER BY max(StartTimeUnixNano) DESC
LIMIT 2000"""


async def session(asked: Asked) -> Answer:
    """The outline of one session."""
    identity = asked["id"]
    final = await asked.told_again(*FACTS, within=OF_ITS_TRACES, id=identity)
    told = (await asked.query(STEPS, final=final, id=identity)).as_dicts()
    # A sender that tries again may send a call twice: until parts merge it is stored twice.
    steps = merged(list({(step["Id"], step["start_ns"], step["Fact"], step["name"]): step for step in told}.values()))
    if not steps:
        known = [row[0] for row in (await asked.query(NEAR, final=False)).rows]
        raise unknown("session", identity, known, "telltale session")
    started = steps[0]["start_ns"]
    for step in steps:
        step["at_s"] = round((step["start_ns"] - started) / 1e9, 3)
    beyond = len(steps) > MAX_STEPS
    found = await of_session(asked, identity, most=3)
    listed = turns(steps[:MAX_STEPS])
    rows = _rows(asked, listed)
    left = [(key, row) for key, row in rows if key > asked.resume(*FIRST)]
    page = left[: asked["limit"]]
    return Answer(
        body={
            "session_id": identity,
            **_header(steps),
            **_told_by(told),
            "totals": await _all_of_it(asked, identity) if beyond else _totals(steps),
            "findings": found,
            "slowest": _slowest(steps),
            "failing": _failing(steps),
            "turns": len(listed),
            "steps": [row for _, row in page],
        },
        rows="steps",
        keys=[key for key, _ in page],
        more=len(page) < len(left),
        total=len(rows),
        coverage=await _coverage(asked, identity, steps) | ({"steps_not_read": True} if beyond else {}),
        next=_next(found, steps),
        narrower=_narrower(asked, listed),
    )


def _header(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    last = max(step["end_ns"] for step in steps)
    columns = {"services": "ServiceName", "versions": "ServiceVersion", "agents": "AgentName"}
    return {
        "first_seen": rfc3339(steps[0]["start_ns"]),
        "last_seen": rfc3339(last),
        "duration_s": round((last - steps[0]["start_ns"]) / 1e9, 3),
        **{name: [fencing.name(one) for one in _distinct(steps, column)] for name, column in columns.items()},
    }


def _told_by(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Where the calls of tools come from, where a hook tells of some."""
    signals = sorted({step["Signal"] for step in told if step["Fact"] == "tool"})
    return {"told_by": signals} if HOOK in signals else {}


def _distinct(steps: Sequence[dict[str, Any]], column: str, most: int = 5) -> list[str]:
    return list(dict.fromkeys(step[column] for step in steps if step[column]))[:most]


def _rows(asked: Asked, listed: Sequence[Turn]) -> list[tuple[Key, dict[str, Any]]]:
    """Turns, each followed by its steps; of one turn only, or turns only, where that was asked. Each with its key."""
    wanted = asked["turn"]
    if wanted is not None and wanted > len(listed):
        raise QueryError("bad_value", f"there is no turn {wanted}", field="turn", hint=f"1 to {len(listed)}")
    rows: list[tuple[int, dict[str, Any]]] = []
    alone = len({step["AgentName"] for turn in listed for step in turn.steps if step["Fact"] != "prompt"}) == 1
    for number, turn in enumerate(listed, 1):
        if wanted in (None, number):
            rows.append((turn.steps[0]["start_ns"], _turn(number, turn)))
            if asked["detail"] == "steps":
                rows += _begun(turn.steps, fold(turn.steps, alone=alone))
    return [
        ((start_ns, number), row)
        for start_ns, of_one_time in groupby(rows, itemgetter(0))
        for number, (_, row) in enumerate(of_one_time)
    ]


def _begun(steps: Sequence[dict[str, Any]], folded: Sequence[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Folded steps, each with the time at which the first of them began."""
    at = 0
    for row in folded:
        yield steps[at]["start_ns"], row
        at += row.get("times", 1) * (len(row["steps"]) if row["kind"] == "cycle" else 1)


def _turn(number: int, turn: Turn) -> dict[str, Any]:
    tools = [step for step in turn.steps if step["Fact"] == "tool"]
    models = [step for step in turn.steps if step["Fact"] == "model"]
    last = max(step["end_ns"] for step in turn.steps)
    return {
        "kind": "turn",
        "turn": number,
        **({"turn_id": turn.turn_id} if 0 < len(turn.turn_id) <= SHORT_ID else {}),
        "at_s": turn.steps[0]["at_s"],
        "duration_s": round((last - turn.steps[0]["start_ns"]) / 1e9, 3),
        "tool_calls": dict(Counter(fencing.name(step["name"]) for step in tools).most_common(5)),
        "model_calls": len(models),
        "errors": sum(step["Outcome"] == "error" for step in turn.steps),
        "tokens": tokens(models),
        "cost_usd": cost_usd(models),
        **estimated(models),
    }


def _totals(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of all steps: calls, those that failed, tokens and cost as far as they were told."""
    counts = Counter((step["Fact"], step["Outcome"] == "error") for step in steps)
    models = [step for step in steps if step["Fact"] == "model"]
    told = tokens(models)
    columns = {"cache_read_tokens": "CacheReadTokens", "cache_creation_tokens": "CacheCreationTokens"}
    cached = {name: sum(max(step[column], 0) for step in models) for name, column in columns.items()}
    return {
        "prompts": counts["prompt", False],
        "tool_calls": counts["tool", False] + counts["tool", True],
        "tool_errors": counts["tool", True],
        "model_calls": len(models),
        "model_errors": counts["model", True],
        "input_tokens": told["input"],
        "output_tokens": told["output"],
        **{name: total for name, total in cached.items() if total},
        "cost_usd": cost_usd(models),
        **estimated(models),
    }


async def _all_of_it(asked: Asked, identity: str) -> dict[str, Any]:
    """Totals of a session that has more steps than are read."""
    totals = (await asked.query(TOTALS, id=identity)).as_dicts()[0]
    return {name: value for name, value in totals.items() if name != ESTIMATED or value}


def _slowest(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    timed = [step for step in steps if step["Id"] and step["end_ns"] - step["start_ns"] >= 1_000_000_000]
    timed.sort(key=lambda step: step["start_ns"] - step["end_ns"])
    return [
        {"id": s["Id"], "name": fencing.name(s["name"]), "duration_s": round((s["end_ns"] - s["start_ns"]) / 1e9, 3)}
        for s in timed[:2]
    ]


def _failing(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Which calls failed how often, each with its last."""
    failed = [step for step in steps if step["Outcome"] == "error"]
    last = {(step["name"], step["ErrorType"]): step for step in failed}
    counted = Counter((step["name"], step["ErrorType"]) for step in failed).most_common(2)
    return [
        {
            "name": fencing.name(name),
            **({"error_type": fencing.name(kind)} if kind else {}),
            "times": times,
            "last_id": last[name, kind]["Id"],
            UNTRUSTED: {"result": last[name, kind]["Result"]},
        }
        for (name, kind), times in counted
    ]


async def _coverage(asked: Asked, identity: str, steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Events that the producer numbered and that are not stored, and content that cannot be seen."""
    services = _distinct(steps, "ServiceName", 50)
    times = {"first": steps[0]["start_ns"] - DAY_NS, "last": min(steps[-1]["start_ns"] + DAY_NS, LAST_UNIX_NANO)}
    seen, spanned = (await asked.query(EVENTS, id=identity, services=services, **times)).rows[0]
    tools = [step for step in steps if step["Fact"] == "tool"]
    hidden = {
        "redacted_calls": sum("[REDACTED:" in step["Arguments"] + step["Result"] for step in tools),
        "calls_without_arguments": sum(step["ArgumentsStrength"] != "full" for step in tools),
    }
    missing = {"events_missing": max(0, spanned - seen) if seen else None}
    return missing | {name: number for name, number in hidden.items() if number}


def _next(found: Sequence[dict[str, Any]], steps: Sequence[dict[str, Any]]) -> list[str]:
    failed = next((step for step in reversed(steps) if step["Outcome"] == "error"), None)
    commands = [fencing.command("findings", one["id"]) for one in found[:1]]
    commands.append(fencing.command("calls", failed["Id"]) if failed and failed["Id"] else None)
    traced = next((step for step in reversed(steps) if step["Id"]), None)
    commands.append(fencing.command("calls", traced["Id"]) if traced and not failed else None)
    return fencing.runnable(commands)


def _narrower(asked: Asked, listed: Sequence[Turn]) -> list[str]:
    busiest = max(range(len(listed)), key=lambda n: len(listed[n].steps)) + 1 if listed else 1
    commands = [
        None if asked["detail"] == "turns" else fencing.command("session", asked["id"], detail="turns"),
        None if asked["turn"] else fencing.command("session", asked["id"], turn=str(busiest)),
    ]
    return fencing.runnable(commands)

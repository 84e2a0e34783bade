"""A call that is told more than once is shown once.

again   its session became known late, and its row was written anew with a higher `Version`: the newest stands
hook    the guard's hook and the agent's telemetry tell the same call: telemetry's words stand, and what only the
        hook knew is added, such as the signatures of contents that telemetry hides
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any, Final

from query.asked import WINDOW, Asked
from query.budget import UNTRUSTED
from query.identities import PLACES, Place

HOOK: Final = "hook"
NEAR_NS: Final = 5_000_000_000
"""A hook that numbers no calls tells of its call at most so long before or after it ended."""
MOST_TELLINGS: Final = 4

_HOOKED: Final = f"SELECT SessionId FROM tool_calls WHERE Signal = '{HOOK}' AND {WINDOW}"  # noqa: S608 - constants
_NUMBERED: Final = "sipHash64(SessionId, CallId)"
_ONE: Final = PLACES["tool"].identity
_END: Final = "toUnixTimestamp64Nano(StartTimeUnixNano) + greatest(DurationNs, 0)"
NOT_A_HOOK_BESIDE: Final = f"""\
(Signal != '{HOOK}' OR if(CallId != '',
{_NUMBERED} NOT IN
(
    SELECT {_NUMBERED} FROM tool_calls WHERE Signal != '{HOOK}' AND CallId != '' AND SessionId IN ({_HOOKED})
),
{_ONE} NOT IN
(
    SELECT hook.one FROM
    (
        SELECT {_ONE} AS one, SessionId, toString(ToolName) AS tool, {_END} - {NEAR_NS} AS from_ns
        FROM tool_calls WHERE Signal = '{HOOK}' AND CallId = '' AND {WINDOW}
    ) AS hook
    ASOF JOIN
    (
        SELECT SessionId, toString(ToolName) AS tool, {_END} AS end_ns
        FROM tool_calls WHERE Signal != '{HOOK}' AND CallId = '' AND SessionId IN ({_HOOKED})
    ) AS told
    ON hook.SessionId = told.SessionId AND hook.tool = told.tool AND told.end_ns >= hook.from_ns
    WHERE told.end_ns <= hook.from_ns + {2 * NEAR_NS}
)))"""  # noqa: S608 - constants
"""Leaves out a hook's row where telemetry tells the call too; takes the parameters of `WINDOW`."""
_TOLD_BY_HOOKS: Final = f"SELECT 1 FROM tool_calls WHERE Signal = '{HOOK}' AND {WINDOW} LIMIT 1"  # noqa: S608
_THEIRS: Final = """\
SELECT SessionId, CallId, leftUTF8(Arguments, {most:UInt32}) AS arguments, leftUTF8(Result, {most:UInt32}) AS result
FROM tool_calls
WHERE Signal = 'hook' AND SessionId IN {sessions:Array(String)} AND CallId IN {calls:Array(String)}"""
_OTHERS: Final = f"""\
SELECT {PLACES["tool"].id} AS id, toString(Signal) AS told_by, toString(Outcome) AS outcome,
    toString(ErrorType) AS error_type, toString(ArgumentsStrength) AS arguments_known,
    ArgumentsSignature AS arguments_signature, toString(ResultStrength) AS result_known,
    ResultSignature AS result_signature, Arguments, Result
FROM tool_calls
WHERE SessionId = {{session:String}} AND CallId = {{call:String}} AND Signal != {{signal:String}}
LIMIT 1 BY Signal LIMIT {MOST_TELLINGS}"""  # noqa: S608 - constants


def newest(place: Place) -> str:
    """SQL: whether a row is the newest of its telling; takes the parameters of `WINDOW`.

    Reading with FINAL says the same and takes ten times as long, because rows that are told again are few.
    """
    one, again = place.identity, f"FROM {place.table} WHERE Version > 0 AND {WINDOW}"
    return (
        f"({one} NOT IN (SELECT {one} {again}) OR ({one}, Version) IN (SELECT {one}, max(Version) {again} GROUP BY 1))"
    )


async def told_by_hooks(asked: Asked) -> bool:
    """Whether hooks tell of calls in the window of the question: mostly none does, and nothing has to be compared."""
    return bool((await asked.query(_TOLD_BY_HOOKS, final=False, **asked.window)).rows)


async def with_hooks(asked: Asked, rows: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Rows of `query.calls` with `told_by` and with the texts that only the hook has, `most` characters of each."""
    wanted = {"sessions": sorted({row["session"] for row in rows}), "calls": sorted({row["call_id"] for row in rows})}
    found = await asked.query(_THEIRS, final=False, most=most, **wanted)
    theirs = {(session, call): texts for session, call, *texts in found.rows if call}
    shown = []
    for row in rows:
        own = theirs.get((row["session"], row["call_id"])) if row["signal"] != HOOK else None
        told = row | {"told_by": [row["signal"], *([HOOK] if own else [])]}
        if own:
            told |= {"text_arguments": row["text_arguments"] or own[0], "text_result": row["text_result"] or own[1]}
        shown.append(told)
    return shown


async def other_tellings(asked: Asked, row: dict[str, Any]) -> list[dict[str, Any]]:
    """What other sources told of this call of a tool."""
    if not row.get("CallId") or not row.get("SessionId"):
        return []
    of_it = {"session": row["SessionId"], "call": row["CallId"], "signal": row["Signal"]}
    told = (await asked.query(_OTHERS, final=False, **of_it)).as_dicts()
    for one in told:
        texts = {"arguments": one.pop("Arguments"), "result": one.pop("Result")}
        one[UNTRUSTED] = {name: text for name, text in texts.items() if text}
    return [{name: value for name, value in one.items() if value} for one in told]


def merged(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `query.session`, of a call that a hook tells too telemetry's alone, with what only the hook knew."""
    by_id: dict[str, dict[str, Any]] = {}
    unnumbered: defaultdict[str, deque[dict[str, Any]]] = defaultdict(deque)
    for step in steps:
        if step["Fact"] == "tool" and step["Signal"] != HOOK:
            if step["CallId"]:
                by_id[step["CallId"]] = step
            else:
                unnumbered[step["name"]].append(step)
    kept = []
    for step in steps:
        if step["Fact"] == "tool" and step["Signal"] == HOOK:
            same = by_id.get(step["CallId"]) if step["CallId"] else _near(unnumbered[step["name"]], step["end_ns"])
            if same is not None:
                _add(same, step)
                continue
        kept.append(step)
    return kept


def _near(told: deque[dict[str, Any]], at_ns: int) -> dict[str, Any] | None:
    """The first call that ended about then; each is taken once."""
    while told and told[0]["end_ns"] < at_ns - NEAR_NS:
        told.popleft()
    return told.popleft() if told and told[0]["end_ns"] <= at_ns + NEAR_NS else None


def _add(step: dict[str, Any], hook: dict[str, Any]) -> None:
    """What the hook knew and telemetry did not."""
    for what in ("Arguments", "Result"):
        if hook[f"{what}Strength"] == "full" != step[f"{what}Strength"]:
            step[f"{what}Signature"], step[f"{what}Strength"] = hook[f"{what}Signature"], "full"
        step[what] = step[what] or hook[what]

"""What `telltale guard` asks around a tool call: is this session looping, and is this the call that it repeats?"""

from __future__ import annotations

from typing import Any, Final

import orjson

from query.asked import Answer, Asked
from schemas.errors import QueryError
from schemas.finding import rfc3339
from schemas.signatures import HEX

LOOPS: Final = """\
SELECT Document FROM findings
WHERE SessionId = {session:String} AND Kind = 'tool_call_loop' AND Status IN ('open', 'updated')
ORDER BY LastSeenUnixNano DESC
LIMIT 8"""

CALLS: Final = """\
SELECT CallId, SpanId, toUnixTimestamp64Micro(StartTimeUnixNano) AS start_us, toString(Outcome), toString(ErrorType),
    ResultSignature
FROM tool_calls
WHERE SessionId = {session:String} AND ArgumentsSignature = {arguments:String}
ORDER BY StartTimeUnixNano DESC
LIMIT 200"""


async def guard(asked: Asked) -> Answer:
    """The open loops of a session; of one that is not known there are none.

    Each says in `this_call` whether it repeats a call with the arguments asked for, null where none were; then
    `outcome`, `error_type` and `same_result` are those of that call.
    """
    session, arguments = asked["session"], asked["arguments"]
    if arguments and HEX.fullmatch(arguments) is None:
        raise QueryError("bad_value", f"arguments cannot be {arguments!r}", field="arguments", hint="32 hex digits")
    findings = [orjson.loads(document) for (document,) in (await asked.query(LOOPS, session=session)).rows]
    calls: list[list[Any]] = []
    if findings and arguments:
        calls = (await asked.query(CALLS, session=session, arguments=arguments)).rows
    told = [_loop(finding, calls if arguments else None) for finding in findings]
    return Answer(
        {"session_id": session, "looping": bool(told), "loops": told},
        rows="loops",
        next=[f"telltale findings {loop['id']}" for loop in told],
    )


def _loop(finding: dict[str, Any], calls: list[list[Any]] | None) -> dict[str, Any]:
    short = {name: finding[name] for name in ("id", "severity", "count", "first_seen", "last_seen")}
    short["tool"] = finding["series"]["tool"]
    if calls is None:
        return short | {"this_call": None}
    ids = {one.get("call_id") for one in finding["evidence"]} | {one["span_id"] for one in finding["evidence"]}
    times = {one["time"][:26] for one in finding["evidence"]}
    mine = [
        call
        for call in calls
        if ids & {call[0], call[1]} - {""} or (not call[0] and rfc3339(call[2] * 1000)[:26] in times)
    ]
    if not mine:
        return short | {"this_call": False}
    results = {call[5] for call in mine}
    return short | {
        "this_call": True,
        "outcome": mine[0][3],
        "error_type": mine[0][4],
        "same_result": len(results) == 1 and results != {""},
    }

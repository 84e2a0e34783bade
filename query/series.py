"""Series: the list of them, or one over time, by version, with what was found in it."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Final

import orjson

from query import fencing
from query.asked import Answer, Asked
from query.findings import short
from query.measures import rounded
from query.nearest import unknown
from schemas.errors import QueryError
from schemas.finding import rfc3339
from schemas.histogram import quantile_ns

MAX_SERIES: Final = 5_000
STEPS_S: Final = (60, 300, 900, 3_600, 21_600, 86_400, 604_800)
MOST_STEPS: Final = 30
SECOND_NS: Final = 1_000_000_000
FIRST: Final = (-(2**63), "")
"""Before the key of any series."""

ID: Final = "lower(hex(sipHash64(ServiceName, Operation, Name)))"
_WHERE: Final = """\
WHERE Minute >= fromUnixTimestamp64Nano({since:Int64}) AND Minute < fromUnixTimestamp64Nano({until:Int64})
  AND ({service:String} = '' OR ServiceName = {service:String})
  AND ({operation:String} = '' OR Operation = {operation:String}) AND ({name:String} = '' OR Name = {name:String})"""
_SUMS: Final = """\
sum(Count) AS calls, sum(Errors) AS errors, sumMap(Histogram) AS histogram, sum(Tokens) AS tokens,
    toUnixTimestamp(max(Minute)) AS last_s"""
LIST: Final = f"""\
SELECT {ID} AS id, ServiceName AS service, toString(Operation) AS operation, toString(Name) AS name, {_SUMS},
    arraySlice(groupUniqArray(toString(ServiceVersion)), 1, 5) AS versions
FROM series_1m {_WHERE}
GROUP BY ServiceName, Operation, Name ORDER BY calls DESC, id LIMIT {MAX_SERIES}"""  # noqa: S608 - constants
NAMED: Final = f"""\
SELECT DISTINCT {ID} AS id, ServiceName AS service, toString(Operation) AS operation, toString(Name) AS name
FROM series_1m WHERE startsWith(id, {{id:String}}) LIMIT 2"""  # noqa: S608 - constants
BOUNDS: Final = f"""\
SELECT toUnixTimestamp(min(Minute)) AS first_s, toUnixTimestamp(max(Minute)) AS last_s, count() AS found
FROM series_1m {_WHERE}"""  # noqa: S608 - constants
OVER_TIME: Final = f"""\
SELECT toUnixTimestamp(toStartOfInterval(Minute, toIntervalSecond({{step:UInt32}}))) AS at_s, {_SUMS},
    arraySlice(groupUniqArray(toString(ServiceVersion)), 1, 5) AS versions
FROM series_1m {_WHERE} GROUP BY at_s ORDER BY at_s"""  # noqa: S608 - constants
VERSIONS: Final = f"""\
SELECT toString(ServiceVersion) AS version, toUnixTimestamp(min(Minute)) AS first_s, {_SUMS}
FROM series_1m {_WHERE} GROUP BY version ORDER BY first_s DESC LIMIT 6"""  # noqa: S608 - constants
FOUND: Final = """\
SELECT Document FROM findings
WHERE Kind != 'tool_call_loop' AND ServiceName = {service:String} AND Operation = {operation:String}
  AND (Tool = {name:String} OR Model = {name:String})
ORDER BY LastSeenUnixNano DESC LIMIT 3"""

VERDICTS: Final = """\
SELECT toString(Rule) AS rule, toString(State) AS state, toUnixTimestamp(Since) AS since_s, BaselineCount AS past,
    Missing AS missing
FROM series_verdicts WHERE ServiceName = {service:String} AND Operation = {operation:String} AND Name = {name:String}
ORDER BY rule LIMIT 20"""


async def series(asked: Asked) -> Answer:
    """The list, or one over time."""
    return await _list(asked) if asked["id"] is None else await _one(asked)


def _parameters(asked: Asked, chosen: dict[str, str]) -> dict[str, Any]:
    return {**chosen, "since": asked["since"] or 0, "until": asked["until"] or 2**63 - 1 - SECOND_NS}


async def _list(asked: Asked) -> Answer:
    chosen = {name: asked[name] or "" for name in ("service", "operation", "name")}
    found = (await asked.query(LIST, **_parameters(asked, chosen))).as_dicts()
    rows = [_names(row) | _numbers(row) | {"versions": _versions(row)} for row in found]
    keyed = sorted(((_key(row, asked["order"]), row) for row in rows), key=itemgetter(0))
    left = [(key, row) for key, row in keyed if key > asked.resume(*FIRST)]
    page = left[: asked["limit"]]
    return Answer(
        body={"series": [row for _, row in page]},
        rows="series",
        keys=[key for key, _ in page],
        more=len(page) < len(left),
        total=len(rows),
        coverage={"series_not_read": True} if len(found) == MAX_SERIES else {},
        next=fencing.runnable(fencing.command("series", row["id"]) for _, row in page[:1]),
        narrower=("telltale series --order errors --since 2h", "telltale series --order slowest --since 2h"),
    )


def _key(row: dict[str, Any], order: str) -> tuple[int, str]:
    """Where a series stands in the list, those that are otherwise equal by their ids; a cursor resumes after it."""
    value = round((row["p95_s"] or 0) * 1e9) if order == "slowest" else row[order]
    return -value, row["id"]


async def _one(asked: Asked) -> Answer:
    chosen = await _chosen(asked)
    identity = chosen.pop("id")
    parameters = _parameters(asked, chosen)
    first_s, last_s, found = (await asked.query(BOUNDS, **parameters)).rows[0]
    if not found:
        raise QueryError("no_data", "this series has no calls in that time", field="since", hint="an earlier --since")
    step = next((s for s in STEPS_S if (last_s - first_s) / s < MOST_STEPS), STEPS_S[-1])
    over_time = (await asked.query(OVER_TIME, **parameters, step=step)).as_dicts()
    versions = (await asked.query(VERSIONS, **parameters)).as_dicts()
    documents = (await asked.query(FOUND, **chosen)).rows
    verdicts = (await asked.query(VERDICTS, **chosen)).as_dicts()
    (after_s,) = asked.resume(-1)
    left = [row for row in over_time if row["at_s"] > after_s]
    rows = [{"at": rfc3339(row["at_s"] * SECOND_NS)} | _numbers(row) | {"versions": _versions(row)} for row in left]
    return Answer(
        body={
            **_names({"id": identity, **chosen}),
            "versions": [
                {
                    "version": fencing.name(row["version"]),
                    "first": rfc3339(row["first_s"] * SECOND_NS),
                    **_numbers(row),
                }
                for row in versions
            ],
            "verdicts": [_verdict(row) for row in verdicts],
            "findings": [short(orjson.loads(document)) for (document,) in documents],
            "step_s": step,
            "over_time": rows,
        },
        rows="over_time",
        keys=[(row["at_s"],) for row in left],
        total=len(over_time),
        next=_next(chosen, versions),
    )


async def _chosen(asked: Asked) -> dict[str, Any]:
    """The series of an id, or of the beginning of one that no other has."""
    found = (await asked.query(NAMED, id=asked["id"])).as_dicts()
    if not found:
        everything = _parameters(asked, {"service": "", "operation": "", "name": ""})
        known = [row[0] for row in (await asked.query(LIST, **everything | {"since": 0})).rows]
        raise unknown("series", asked["id"], known, "telltale series")
    if len(found) > 1 and found[0]["id"] != asked["id"]:
        raise QueryError("ambiguous", "several series begin so", field="id", hint="use more of it")
    return dict(found[0])


def _verdict(row: dict[str, Any]) -> dict[str, Any]:
    """What a rule can say of it; `missing`: what it takes until it can say anything."""
    told = {"rule": fencing.name(row["rule"]), "state": row["state"], "since": rfc3339(row["since_s"] * SECOND_NS)}
    return told | {"past": row["past"]} | ({"missing": row["missing"]} if row["missing"] else {})


def _names(row: dict[str, Any]) -> dict[str, Any]:
    return {key: fencing.name(row[key]) for key in ("id", "service", "operation", "name") if row[key]}


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    histogram = {int(bucket): number for bucket, number in row["histogram"].items()}
    told = {"calls": row["calls"], "errors": row["errors"]}
    told |= {f"p{q}_s": rounded(quantile_ns(histogram, q / 100) / 1e9) for q in (50, 95)}
    return told | ({"tokens": row["tokens"]} if row["tokens"] else {})


def _versions(row: dict[str, Any]) -> list[str]:
    return sorted(fencing.name(version) for version in row["versions"] if version)


def _next(chosen: dict[str, str], versions: list[dict[str, Any]]) -> list[str]:
    given = {name: value for name, value in chosen.items() if value}
    told = [row["version"] for row in versions if row["version"]]
    compare = fencing.command("compare", **given) if len(told) > 1 else None
    kind = {"execute_tool": "tool", "chat": "model"}.get(chosen["operation"], "span")
    named = {"name": chosen["name"] or chosen["operation"], "service": chosen["service"]}
    return fencing.runnable([compare, fencing.command("calls", kind=kind, order="slowest", **named)])

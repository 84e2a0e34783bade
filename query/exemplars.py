"""Single observations that stand for a side: the slowest, and one that failed."""

from __future__ import annotations

from typing import Any, Final

from query.asked import Asked
from query.identities import PLACES
from query.sides import BY

_SERIES: Final = """({service:String} = '' OR ServiceName = {service:String})
  AND ({operation:String} = '' OR Operation = {operation:String}) AND ({name:String} = '' OR Name = {name:String})"""
_SLICES: Final = """\
SELECT side, one.1 AS trace_id, one.2 AS span_id, one.4 / 1e9 AS duration_s, one.5 AS outcome
FROM
(
    SELECT {side} AS side, arrayJoin(arrayZip(Exemplars.TraceId, Exemplars.SpanId, Exemplars.StartTimeUnixNano,
        Exemplars.DurationNs, arrayMap(x -> toString(x), Exemplars.Outcome))) AS one
    FROM series_1m
    WHERE side != '' AND Minute >= fromUnixTimestamp64Nano({{since:Int64}})
      AND Minute < fromUnixTimestamp64Nano({{until:Int64}}) AND {series}
)
ORDER BY side, one.4 DESC, trace_id LIMIT 1 BY side, outcome"""
_CALLS: Final = """\
SELECT side, id, DurationNs / 1e9 AS duration_s, outcome
FROM
(
    SELECT {side} AS side, {id} AS id, DurationNs, toString(Outcome) AS outcome FROM model_calls
    WHERE side != '' AND ({{service:String}} = '' OR ServiceName = {{service:String}})
      AND StartTimeUnixNano >= fromUnixTimestamp64Nano({{since:Int64}})
      AND StartTimeUnixNano < fromUnixTimestamp64Nano({{until:Int64}})
)
ORDER BY side, DurationNs DESC, id LIMIT 1 BY side, outcome"""


async def exemplars(asked: Asked, by: str, question: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """`before` and `after`: of each outcome the slowest, with ids to look it up by."""
    told = BY[by]
    if told.slices:
        sql = _SLICES.format(side=told.slices, series=_SERIES)
    else:
        sql = _CALLS.format(side=told.model, id=PLACES["model"].id)
    found: dict[str, list[dict[str, Any]]] = {"before": [], "after": []}
    for row in (await asked.query(sql, final=False, **question)).as_dicts():  # of one told twice either will do
        side = found[row.pop("side")]
        if len(side) < 2:
            side.append({key: value for key, value in row.items() if value not in ("", None)})
    return found

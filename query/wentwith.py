"""What went with a change: which version, prompt or model of the calls became common when it came."""

from __future__ import annotations

from typing import Any, Final

from query import fencing
from query.asked import Asked
from query.measures import rounded
from query.sides import BY

MIN_SHIFT: Final = 0.2
"""Share of the calls that a value must have won or lost to be told."""
MOST: Final = 4

_PROMPT: Final = "if(PromptVersion = '', PromptName, concat(PromptName, '@', PromptVersion))"
_SQL: Final = """\
SELECT pair.1 AS what, pair.2 AS value, countIf(side = 'before') AS before, countIf(side = 'after') AS after
FROM
(
    SELECT {side} AS side, arrayJoin([('version', toString(ServiceVersion)), ('prompt', {prompt}),
        ('model', toString(if(ResponseModel != '', ResponseModel, RequestModel)))]) AS pair
    FROM model_calls
    WHERE side != '' AND ({{service:String}} = '' OR ServiceName = {{service:String}})
      AND StartTimeUnixNano >= fromUnixTimestamp64Nano({{since:Int64}})
      AND StartTimeUnixNano < fromUnixTimestamp64Nano({{until:Int64}})
)
GROUP BY what, value ORDER BY before + after DESC LIMIT 500"""
_VERSIONS: Final = """\
SELECT 'version' AS what, toString(ServiceVersion) AS value, sumIf(Count, side = 'before') AS before,
    sumIf(Count, side = 'after') AS after
FROM (SELECT {side} AS side, ServiceVersion, Count FROM series_1m
    WHERE side != '' AND ServiceName = {{service:String}} AND Operation = {{operation:String}}
      AND Name = {{name:String}})
GROUP BY value ORDER BY before + after DESC LIMIT 200"""


async def went_with(asked: Asked, by: str, question: dict[str, Any]) -> list[dict[str, Any]]:
    """Values whose share of the calls shifted most between the sides, but what the sides were told by."""
    sql = _SQL.format(side=BY[by].model, prompt=_PROMPT)
    final = await asked.told_again("model_calls", since=question["since"], until=question["until"])
    rows = (await asked.query(sql, final=final, **question)).as_dicts()
    if by == "window" and question["operation"] and not any(row["before"] or row["after"] for row in rows):
        rows = (await asked.query(_VERSIONS.format(side=BY[by].slices), **question)).as_dicts()
    found = []
    for what in ("prompt", "model", "version"):
        of_kind = [row for row in rows if row["what"] == what]
        totals = [sum(row[side] for row in of_kind) for side in ("before", "after")]
        if what == by or not all(totals):
            continue
        for row in of_kind:
            before, after = row["before"] / totals[0], row["after"] / totals[1]
            if row["value"] and abs(after - before) >= MIN_SHIFT:
                found.append((after - before, what, row["value"], before, after))
    found.sort(key=lambda one: (-one[0], one[1], one[2]))
    return [
        {what: fencing.name(value), "share_before": rounded(before), "share_after": rounded(after)}
        for _, what, value, before, after in found[:MOST]
    ]

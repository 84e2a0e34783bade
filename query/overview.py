"""What is wrong now, in a few hundred tokens."""

from __future__ import annotations

from typing import Any, Final

import orjson

from query import fencing
from query.asked import Answer, Asked
from query.findings import OVER, following
from query.measures import rounded
from schemas.finding import SEVERITIES

# {OVER} is a constant of ours.
OPEN_BY_SEVERITY: Final = f"SELECT Severity, count() FROM findings WHERE NOT {OVER} GROUP BY Severity"  # noqa: S608
WORST: Final = f"""\
SELECT Document FROM findings WHERE NOT {OVER}
ORDER BY indexOf(['critical', 'warning', 'suspect'], toString(Severity)), LastSeenUnixNano DESC, Id
LIMIT 3"""  # noqa: S608
# The hour before everything was judged, against the day before it. Means are read off sums: no histogram is merged.
# A minute that was told twice counts twice on either side: means and shares stay what they are.
MOVED: Final = """\
SELECT lower(hex(sipHash64(ServiceName, Operation, Name))) AS series, ServiceName AS service,
    toString(Operation) AS operation, toString(Name) AS name,
    sumIf(Count, now) AS calls, sumIf(Count, NOT now) AS calls_before,
    sumIf(Errors, now) / calls AS errors, sumIf(Errors, NOT now) / calls_before AS errors_before,
    sumIf(DurationSumNs, now) / greatest(1, sumIf(Count - Errors, now)) / 1e9 AS mean_s,
    sumIf(DurationSumNs, NOT now) / greatest(1, sumIf(Count - Errors, NOT now)) / 1e9 AS mean_s_before
FROM
(
    SELECT ServiceName, Operation, Name, Count, Errors, DurationSumNs,
        Minute >= fromUnixTimestamp64Nano({hour:Int64}) AS now
    FROM series_1m
    WHERE Minute >= fromUnixTimestamp64Nano({day:Int64}) AND Minute < fromUnixTimestamp64Nano({as_of:Int64})
)
GROUP BY ServiceName, Operation, Name
HAVING calls >= 30 AND calls_before >= 30
  AND (errors - errors_before > 0.05 OR (mean_s > 1.5 * mean_s_before AND mean_s_before > 0))
ORDER BY greatest(mean_s / greatest(mean_s_before, 1e-9), 1 + 20 * (errors - errors_before)) DESC, series
LIMIT 2"""
STORED: Final = """\
SELECT name, toUInt64(ifNull(total_rows, 0)) AS rows FROM system.tables
WHERE database = currentDatabase() AND name IN ('otel_traces', 'otel_logs', 'tool_calls', 'model_calls')
ORDER BY name"""
"""Rows as they are stored, those told twice included until parts merge: counting them exactly would read them all."""

HOUR_NS: Final = 3_600_000_000_000


async def overview(asked: Asked) -> Answer:
    """Open findings by severity, the worst of them, series that moved; what is stored where nothing is wrong."""
    counts = dict((await asked.query(OPEN_BY_SEVERITY)).rows)
    worst = [orjson.loads(document) for (document,) in (await asked.query(WORST)).rows]
    moved = await _moved(asked)
    quiet = not worst and not moved
    return Answer(
        body={
            "open": {severity: counts.get(severity, 0) for severity in reversed(SEVERITIES)},
            "moved": moved,
            **({"stored_rows": dict((await asked.query(STORED)).rows)} if quiet else {}),
            "worst": [_line(document) for document in worst],
        },
        rows="worst",
        total=sum(counts.values()),
        more=sum(counts.values()) > len(worst),
        next=[*(following(worst[0])[:1] if worst else ()), "telltale findings --status open"],
    )


async def _moved(asked: Asked) -> list[dict[str, Any]]:
    """Series whose errors or mean duration grew within the hour that was judged last. Not a verdict: `compare` is."""
    as_of = asked.as_of_unix_nano
    times = {"as_of": as_of, "hour": max(0, as_of - HOUR_NS), "day": max(0, as_of - 25 * HOUR_NS)}
    shown = []
    for row in (await asked.query(MOVED, final=False, **times)).as_dicts():
        words = " ".join(fencing.name(row[key]) for key in ("service", "operation", "name") if row[key])
        grew = row["errors"] - row["errors_before"] > 0.05
        what = "errors" if grew else "mean_s"
        shown.append(
            {"series": row["series"], "name": words, what: [rounded(row[f"{what}_before"]), rounded(row[what])]}
        )
    return shown


def _line(document: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "kind", "severity", "why")
    return fencing.finding({name: document[name] for name in names})

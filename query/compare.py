"""Two versions, prompts, models or windows side by side: what changed, how sure that is, and what went with it."""

from __future__ import annotations

from typing import Any, Final

from query import fencing
from query.asked import Answer, Asked
from query.exemplars import exemplars
from query.findings import read_one
from query.measures import CALLS, ERRORS, ORDER, SESSIONS, Side, compared, overall
from query.nearest import check_service
from query.parameters import MOMENT_HINT, moment
from query.sides import KNOWN, Sides, sides
from query.statistics import CONFIDENCE, MIN_N, z_of
from query.wentwith import went_with
from schemas.errors import QueryError
from schemas.finding import ESTIMATED, OF_SESSIONS, rfc3339
from schemas.times import LAST_UNIX_NANO

DAY_NS: Final = 86_400_000_000_000
MINUTE_NS: Final = 60_000_000_000
WINDOW_HINT: Final = "two times with .. between them, such as 2026-01-05T09:00:00Z..2026-01-05T10:00:00Z, or 2h..1h"

LAST_TWO: Final = """\
SELECT version FROM
(
    SELECT toString(ServiceVersion) AS version, min(Minute) AS began, sum(Count) AS calls FROM series_1m
    WHERE ServiceName = {service:String} AND ({operation:String} = '' OR Operation = {operation:String})
      AND ({name:String} = '' OR Name = {name:String}) AND ServiceVersion != ''
    GROUP BY version ORDER BY began DESC, calls DESC LIMIT 2
)
ORDER BY began"""
BEFORE_VERSION: Final = """\
SELECT toString(ServiceVersion) AS version FROM series_1m
WHERE ServiceName = {service:String} AND Operation = {operation:String} AND Name = {name:String}
  AND ServiceVersion != '' AND ServiceVersion != {after:String} AND Minute < fromUnixTimestamp64Nano({until:Int64})
GROUP BY version ORDER BY sum(Count) DESC LIMIT 1"""

MARGIN: Final = (
    f"intervals at {CONFIDENCE:.0%}, over all series together; changes within 10 %, or half a percent point, do not "
    f"matter; n from {MIN_N}; null ends: not to be told from so few"
)

Question = dict[str, Any]
"""`by`, and the parameters of `query.sides`."""


async def compare(asked: Asked) -> Answer:
    """Both sides, measure by measure, then series by series, what changed first."""
    question = await _of_finding(asked) if asked["finding"] is not None else await _as_asked(asked)
    by = question.pop("by")
    of_series = bool(question["operation"] or question["name"])
    found = await sides(asked, by, question, with_sessions=not of_series)
    if not found.series:
        await check_service(asked, question["service"])
    alone = len(found.series) <= 1
    measures = compared((*(CALLS if alone else (ERRORS,)), *SESSIONS), found.before, found.after)
    rows = [] if alone else _series(found)
    verdicts = [one["verdict"] for one in measures] + [row["verdict"] for row in rows]
    return Answer(
        body={
            "by": by,
            "verdict": overall(verdicts),
            "before": _side(by, question, "before", found.before),
            "after": _side(by, question, "after", found.after),
            "measures": measures,
            "margin": MARGIN,
            "went_with": await went_with(asked, by, question),
            "exemplars": await exemplars(asked, by, question),
            "series": rows,
        },
        rows="series",
        total=len(found.series),
        next=_next(question),
        coverage={} if found.before.calls and found.after.calls else {"sides_without_calls": True},
    )


async def _as_asked(asked: Asked) -> Question:
    by, before, after = asked["by"], asked["before"], asked["after"]
    question: Question = {name: asked[name] or "" for name in ("service", "operation", "name")}
    question |= {"since": asked["since"] or 0, "until": asked["until"] or LAST_UNIX_NANO}
    if by == "window":
        if before is None or after is None:
            raise QueryError("missing", "a window is not given", field="before", hint=WINDOW_HINT)
        windows = {"before": _window(before, "before", asked), "after": _window(after, "after", asked)}
        return question | {"by": by} | _windows(windows["before"], windows["after"])
    if by == "version" and before is None and after is None and question["service"]:
        series = {name: question[name] for name in ("service", "operation", "name")}
        versions = [row[0] for row in (await asked.query(LAST_TWO, **series)).rows]
        if len(versions) == 2:
            return question | {"by": by, "before": versions[0], "after": versions[1]}
        await check_service(asked, question["service"])
    if not before or not after:
        field = "after" if before else "before"
        raise QueryError(
            "missing", f"{field} is not given", field=field, hint=await _both(asked, by, question["service"])
        )
    return question | {"by": by, "before": before, "after": after}


async def _both(asked: Asked, by: str, service: str) -> str:
    """How to name two sides: of what there is as much as can be run as it stands."""
    known = [row[0] for row in (await asked.query(KNOWN[by], final=False, service=service)).rows]
    named = ", ".join(one for one in known if fencing.command("compare", one))
    last = " Of versions the last two are taken where only --service is given, once there are two." * (by == "version")
    return f"give both{f', such as two of {named}' if named else f'; no {by} is known yet'}.{last}"


async def _of_finding(asked: Asked) -> Question:
    """What a finding is about, before and after it began; by version where it came with one."""
    for name in ("by", "before", "after", "service", "operation", "name", "since", "until"):
        given = asked[name] is not None and not (name == "by" and asked[name] == "version")
        if given:
            raise QueryError(
                "bad_combination", f"{name} does not go with finding", field=name, hint=f"leave {name} out"
            )
    document = await read_one(asked, asked["finding"], "finding")
    if document["kind"] in OF_SESSIONS:
        hint = fencing.command("session", document["session_id"]) or "telltale session"
        raise QueryError("bad_combination", "it is about sessions, not about a series", field="finding", hint=hint)
    told = document["series"]
    began = moment(document["first_seen"], 0)
    series = {
        "service": told["service.name"],
        "operation": told["operation"],
        "name": told["tool"] or told["model"],
    }
    around = {"since": max(0, began - DAY_NS), "until": moment(document["last_seen"], 0) + MINUTE_NS}
    version = told["version"]
    if version:
        before = await asked.query(BEFORE_VERSION, **series, after=version, until=began + MINUTE_NS)
        if before.rows:
            return series | around | {"by": "version", "before": before.rows[0][0], "after": version}
    windows = _windows((around["since"], began), (began, around["until"]))
    return series | around | {"by": "window"} | windows


def _window(text: str, field: str, asked: Asked) -> tuple[int, int]:
    first, dots, last = text.partition("..")
    try:
        begin = moment(first.strip(), asked.now_unix_nano)
        end = moment(last.strip(), asked.now_unix_nano) if last.strip() else asked.now_unix_nano
    except (ValueError, OverflowError) as error:
        raise QueryError("bad_value", f"{field} is no window", field=field, hint=MOMENT_HINT) from error
    if not dots or begin >= end:
        raise QueryError("bad_value", f"{field} cannot be {text[:60]!r}", field=field, hint=WINDOW_HINT)
    return begin, end


def _windows(before: tuple[int, int], after: tuple[int, int]) -> dict[str, int]:
    return {"before_from": before[0], "before_to": before[1], "after_from": after[0], "after_to": after[1]}


def _side(by: str, question: Question, which: str, side: Side) -> dict[str, Any]:
    if by == "window":
        value = f"{rfc3339(question[f'{which}_from'])}..{rfc3339(question[f'{which}_to'])}"
    else:
        value = fencing.name(question[which])
    told = {by: value, "calls": side.calls, "calls_per_minute": round(side.calls / side.minutes, 3)}
    if side.calls:
        told |= {"first": rfc3339(side.first_s * 1_000_000_000), "last": rfc3339(side.last_s * 1_000_000_000)}
    estimated = {ESTIMATED: side.prices_date} if side.prices_date else {}
    return told | ({"sessions": int(side.sessions["n"]), **estimated} if side.sessions else {})


def _series(found: Sides) -> list[dict[str, Any]]:
    """Series with calls on both sides, those that changed first, each with the measures that did."""
    both = {key: pair for key, pair in found.series.items() if pair[0].calls and pair[1].calls}
    z, rows = z_of(len(both)), []
    for (service, operation, name), (before, after) in both.items():
        measures = compared(CALLS, before, after, z)
        word = overall([one["verdict"] for one in measures])
        told = [one for one in measures if one["verdict"] in ("worse", "better")]
        names = {"service": service, "operation": operation, "name": name}
        row = {key: fencing.name(value) for key, value in names.items() if value}
        rows.append((ORDER.index(word), -after.calls, row | {"verdict": word, "n": [before.calls, after.calls]}, told))
    rows.sort(key=lambda row: row[:2])
    kept = ("measure", "before", "after", "interval", "verdict")
    return [row | {"changed": [{k: one[k] for k in kept} for one in told]} for _, _, row, told in rows]


def _next(question: Question) -> list[str]:
    given = {name: question[name] for name in ("service", "operation", "name") if question[name]}
    return fencing.runnable([fencing.command("series", **given) if given else None, "telltale findings --status open"])

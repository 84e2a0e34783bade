"""`startup p95 < 800ms`: whether it holds, with the evidence, or that it cannot be told."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from query import fencing
from query.asked import Answer, Asked
from query.measures import Side, rounded
from query.nearest import check_service, unknown
from query.statistics import CONFIDENCE, MIN_N, Estimate, quantile_s, share
from schemas.errors import QueryError
from schemas.finding import rfc3339
from schemas.times import LAST_UNIX_NANO

Result = Literal["pass", "fail", "inconclusive"]

GRAMMAR: Final = "[WHAT] MEASURE < NUMBER, such as 'startup p95 < 800ms', 'POST /checkout errors < 1%', 'p50 < 2s'"
_EXPRESSION: Final = re.compile(
    r"\s*(?:(.{1,300}?)\s+)?(p\d{1,2}(?:\.\d)?|errors|error_rate)\s*(<=|<|>=|>)\s*(\d{1,12}(?:\.\d{1,9})?)\s*(ms|us|s|m|%)?\s*",
    re.DOTALL,
)
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}

SLICES: Final = """\
SELECT sum(Count) AS calls, sum(Errors) AS errors, sumMap(Histogram) AS histogram, sum(Tokens) AS tokens,
    sum(CostUsd) AS cost_usd, toUnixTimestamp(min(Minute)) AS first_s, toUnixTimestamp(max(Minute)) AS last_s,
    count() AS slices
FROM series_1m
WHERE Minute >= fromUnixTimestamp64Nano({since:Int64}) AND Minute < fromUnixTimestamp64Nano({until:Int64})
  AND ({what:String} = '' OR Operation = {what:String} OR Name = {what:String})
  AND ({service:String} = '' OR ServiceName = {service:String})
  AND ({version:String} = '' OR ServiceVersion = {version:String})"""
EVIDENCE: Final = """\
SELECT one.1 AS trace_id, one.2 AS span_id, one.4 / 1e9 AS duration_s, one.5 AS outcome
FROM
(
    SELECT arrayJoin(arrayZip(Exemplars.TraceId, Exemplars.SpanId, Exemplars.StartTimeUnixNano,
        Exemplars.DurationNs, arrayMap(x -> toString(x), Exemplars.Outcome))) AS one
    FROM series_1m
    WHERE Minute >= fromUnixTimestamp64Nano({since:Int64}) AND Minute < fromUnixTimestamp64Nano({until:Int64})
      AND ({what:String} = '' OR Operation = {what:String} OR Name = {what:String})
      AND ({service:String} = '' OR ServiceName = {service:String})
      AND ({version:String} = '' OR ServiceVersion = {version:String})
)
WHERE NOT {failed:Bool} OR outcome = 'error'
ORDER BY one.4 DESC, trace_id LIMIT 1 BY trace_id, span_id LIMIT 3"""
NAMES: Final = """\
SELECT DISTINCT arrayJoin([toString(Operation), toString(Name)]) AS known FROM series_1m
WHERE ({service:String} = '' OR ServiceName = {service:String}) AND known != '' LIMIT 2000"""
VERSIONS: Final = "SELECT DISTINCT toString(ServiceVersion) FROM series_1m WHERE ServiceVersion != '' LIMIT 2000"


class Assertion(NamedTuple):
    """What is asserted."""

    what: str
    """Operation, tool or model; "" = everything."""
    measure: str
    unit: str
    estimate: Callable[[Side], Estimate]
    less: bool
    """Whether the number must be below the bound."""
    bound: float


async def assertion(asked: Asked) -> Answer:
    """Pass where the whole interval keeps the bound, fail where none of it does."""
    claim = read(asked["assertion"])
    parameters: dict[str, Any] = {name: asked[name] or "" for name in ("service", "version")} | {"what": claim.what}
    parameters |= {"since": asked["since"] or 0, "until": asked["until"] or LAST_UNIX_NANO}
    row = (await asked.query(SLICES, **parameters)).as_dicts()[0]
    side = Side()
    if row["slices"]:
        side.add(row)
    else:
        await _check_names(asked, parameters)
    estimate = claim.estimate(side)
    result = judged(claim, estimate)
    evidence = await asked.query(EVIDENCE, final=False, **parameters, failed=claim.unit == "share")
    return Answer(
        body={
            "result": result,
            "assertion": fencing.name(asked["assertion"]),
            "observed": rounded(estimate.value),
            "interval": [rounded(estimate.low), rounded(estimate.high)],
            "bound": claim.bound,
            "unit": claim.unit,
            "n": estimate.n,
            "why": _why(claim, estimate, result),
            "window": [rfc3339(side.first_s * 1_000_000_000), rfc3339(side.last_s * 1_000_000_000)],
            "evidence": [{k: v for k, v in one.items() if v not in ("", None)} for one in evidence.as_dicts()],
        },
        rows="evidence",
        next=_next(claim, evidence.as_dicts()),
    )


def read(text: str) -> Assertion:
    """The assertion in a text.

    Raises:
        QueryError: It is none; says how one is written.
    """
    match = _EXPRESSION.fullmatch(text)
    if match is None:
        raise _refused(text)
    what, measure, operator, number, unit = match.groups()
    less, bound = operator.startswith("<"), float(number)
    if measure.startswith("p"):
        q = float(measure[1:]) / 100
        if unit not in _SECONDS or not 0 < q < 1:
            raise _refused(text)
        return Assertion(
            what or "", measure, "s", lambda side: quantile_s(side.histogram, q), less, bound * _SECONDS[unit]
        )
    bound = bound / 100 if unit == "%" else bound
    if unit in _SECONDS or bound > 1:
        raise _refused(text)
    return Assertion(what or "", "error_rate", "share", lambda side: share(side.errors, side.calls), less, bound)


def judged(claim: Assertion, estimate: Estimate) -> Result:
    """What the interval of an estimate says."""
    if estimate.n < MIN_N or not math.isfinite(estimate.value):
        return "inconclusive"
    below, above = estimate.high <= claim.bound, estimate.low >= claim.bound
    if not claim.less:
        below, above = above, below
    return "pass" if below else "fail" if above else "inconclusive"


def _why(claim: Assertion, estimate: Estimate, result: Result) -> str:
    if estimate.n < MIN_N:
        return f"{estimate.n} observations are too few: {MIN_N} are needed"
    if result == "inconclusive":
        return (
            f"the bound lies within the interval at {CONFIDENCE:.0%}: more observations are needed, or it is met barely"
        )
    return f"the whole interval at {CONFIDENCE:.0%} is {'on the right' if result == 'pass' else 'on the wrong'} side"


async def _check_names(asked: Asked, parameters: dict[str, Any]) -> None:
    """Raise where nothing has the service, name or version that was asked for."""
    await check_service(asked, parameters["service"])
    names = [row[0] for row in (await asked.query(NAMES, service=parameters["service"])).rows]
    if parameters["what"] and parameters["what"] not in names:
        raise unknown("operation, tool or model", parameters["what"], names, "telltale series", "assertion")
    versions = [row[0] for row in (await asked.query(VERSIONS)).rows]
    if parameters["version"] and parameters["version"] not in versions:
        raise unknown("version", parameters["version"], versions, "telltale series", "version")


def _next(claim: Assertion, evidence: list[dict[str, Any]]) -> list[str]:
    traced = next((one for one in evidence if one["trace_id"]), None)
    trace = fencing.command("trace", traced["trace_id"]) if traced else None
    named = fencing.command("series", name=claim.what) if claim.what else None
    return fencing.runnable([trace, named])


def _refused(text: str) -> QueryError:
    return QueryError("bad_assertion", f"{text[:80]!r} is no assertion", field="assertion", hint=GRAMMAR)

"""One trace: its tree, collapsed; where its time went; where errors began; one span in full."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from query import fencing
from query.asked import Answer, Asked
from query.budget import UNTRUSTED, cut
from query.nearest import unknown
from query.tree import Span, Tree, critical_path, errors, lines, planted
from schemas.errors import QueryError
from schemas.finding import rfc3339

MAX_SPANS: Final = 9_000
"""Less than the rows that a reader gives."""
MAX_ATTRIBUTES: Final = 60

BOUNDS: Final = """\
SELECT toInt64(toUnixTimestamp(min(Start))) AS first_s, toInt64(toUnixTimestamp(max(End))) AS last_s, count() AS found
FROM otel_traces_trace_id_ts WHERE TraceId = {trace:String}"""
SPANS: Final = f"""\
SELECT SpanId, ParentSpanId, toString(SpanName) AS SpanName, toString(ServiceName) AS ServiceName,
    toString(StatusCode) AS StatusCode, leftUTF8(StatusMessage, 500) AS StatusMessage,
    toUnixTimestamp64Nano(Timestamp) AS start_ns, toInt64(least(Duration, 9000000000000000000)) AS duration_ns
FROM otel_traces
WHERE TraceId = {{trace:String}} AND Timestamp >= fromUnixTimestamp64Nano({{first:Int64}})
  AND Timestamp < fromUnixTimestamp64Nano({{last:Int64}})
ORDER BY start_ns, SpanId
LIMIT {MAX_SPANS + 1}"""  # noqa: S608 - constants
ONE: Final = """\
SELECT toString(SpanKind) AS kind, toString(StatusCode) AS status, StatusMessage AS message, ScopeName AS scope,
    SpanAttributes AS attributes, ResourceAttributes AS resource,
    arrayMap((n, a) -> (toString(n), a), Events.Name, Events.Attributes) AS events
FROM otel_traces
WHERE TraceId = {trace:String} AND SpanId = {span:String} AND Timestamp >= fromUnixTimestamp64Nano({first:Int64})
  AND Timestamp < fromUnixTimestamp64Nano({last:Int64})
LIMIT 1"""
NEAR: Final = """\
SELECT DISTINCT TraceId FROM otel_traces_trace_id_ts WHERE startsWith(TraceId, {begin:String}) LIMIT 200"""
SECOND_NS: Final = 1_000_000_000


async def trace(asked: Asked) -> Answer:
    """The tree, or what is below one span, with that span in full."""
    place = await _place(asked)
    rows = (await asked.query(SPANS, **place)).as_dicts()
    tree = planted(rows[:MAX_SPANS])
    top = _top(asked, tree)
    shown = lines(top, asked["depth"], tree.roots[0].start_ns)
    (first,) = asked.resume(-1)
    page = shown[first + 1 : first + 1 + asked["limit"]]
    detail = {} if asked["span"] is None else {"span": await _span(asked, place)}
    return Answer(
        body={"trace_id": asked["id"], **_summary(tree, rows[:MAX_SPANS]), **detail, "tree": page},
        rows="tree",
        keys=[(first + 1 + n,) for n in range(len(page))],
        more=first + 1 + len(page) < len(shown),
        total=len(shown),
        coverage={
            **({"parents_missing": tree.parents_missing} if tree.parents_missing else {}),
            **({"spans_not_read": True} if len(rows) > MAX_SPANS else {}),
        },
        next=_next(asked, tree, shown),
        narrower=fencing.runnable([fencing.command("trace", asked["id"], depth="1")] if asked["depth"] > 1 else []),
    )


async def _place(asked: Asked) -> dict[str, Any]:
    """The trace and the time that its spans began in, as parameters."""
    identity = asked["id"]
    first_s, last_s, found = (await asked.query(BOUNDS, trace=identity)).rows[0]
    if not found:
        near = await asked.query(NEAR, begin=identity[:6]) if len(identity) >= 6 else None
        listing = "telltale calls --kind span"
        raise unknown("trace", identity, [row[0] for row in near.rows] if near else [], listing)
    last = min((last_s + 1) * SECOND_NS, 2**63 - 1)
    return {"trace": identity, "first": first_s * SECOND_NS, "last": last}


def _top(asked: Asked, tree: Tree) -> tuple[Span, ...]:
    if not tree.roots:
        said = "the spans of this trace are no longer stored"
        raise QueryError("not_found", said, field="id", hint="telltale calls --kind span", status=404)
    if asked["span"] is None:
        return tree.roots
    span = tree.by_id.get(asked["span"])
    if span is None:
        listing = fencing.command("trace", asked["id"]) or "telltale trace"
        raise unknown("span", asked["span"], list(tree.by_id)[:2000], listing, "span")
    return (span,)


def _summary(tree: Tree, rows: list[dict[str, Any]]) -> dict[str, Any]:
    started = tree.roots[0].start_ns
    ended = max(span.end_ns for span in tree.by_id.values())
    services = Counter(fencing.name(row["ServiceName"]) for row in rows)
    longest = max(tree.roots, key=lambda root: root.duration_ns)
    return {
        "start": rfc3339(started),
        "duration_s": round((ended - started) / 1e9, 6),
        "spans": len(rows),
        "services": dict(services.most_common(6)),
        "failed_spans": sum(row["StatusCode"] == "Error" for row in rows),
        "errors": errors(tree),
        "critical_path": critical_path(longest),
    }


async def _span(asked: Asked, place: dict[str, Any]) -> dict[str, Any]:
    """One span with attributes and events."""
    row = (await asked.query(ONE, **place, span=asked["span"])).as_dicts()[0]
    events = [{"name": event, "attributes": _bounded(attributes)} for event, attributes in row["events"][:10]]
    return {
        "span_id": asked["span"],
        "kind": row["kind"],
        "status": row["status"],
        "scope": fencing.name(row["scope"]),
        UNTRUSTED: {
            **({"message": row["message"]} if row["message"] else {}),
            "attributes": _bounded(row["attributes"]),
            "resource": _bounded(row["resource"]),
            **({"events": events} if events else {}),
        },
    }


def _bounded(attributes: dict[str, str]) -> dict[str, str]:
    return {cut(key, 100): value for key, value in list(attributes.items())[:MAX_ATTRIBUTES]}


def _next(asked: Asked, tree: Tree, shown: list[dict[str, Any]]) -> list[str]:
    failed = errors(tree, 1)
    hidden = max((line for line in shown if "hidden" in line), key=lambda line: int(line["hidden"]), default=None)
    wanted = [failed[0]["span_id"] if failed else None, hidden["span_id"] if hidden else None]
    commands = [fencing.command("trace", asked["id"], span=one) for one in wanted if one and one != asked["span"]]
    return fencing.runnable(commands)

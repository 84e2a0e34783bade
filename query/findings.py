"""Findings as they stand in the store: a page of them, or one."""

from __future__ import annotations

from typing import Any, Final

import orjson

from query import fencing
from query.asked import Answer, Asked
from query.feed.decisions import IDS, history, with_states
from query.nearest import the_one, unknown
from query.reader import Reader
from schemas.finding import ESTIMATED, OF_SESSIONS

# A finding is over when the detector says so, or somebody who is not overtaken by what was found since.
OVER: Final = "(Status = 'resolved' OR Id IN (SELECT Id FROM finding_states WHERE State = 'resolved'))"

FILTERS: Final = f"""\
FROM findings
WHERE ({{status:String}} = 'all' OR {OVER} = ({{status:String}} = 'resolved'))
  AND ({{severity:String}} = '' OR Severity = {{severity:String}})
  AND ({{kind:String}} = '' OR Kind = {{kind:String}})
  AND ({{session:String}} = '' OR SessionId = {{session:String}})
  AND ({{service:String}} = '' OR ServiceName = {{service:String}})
  AND toUnixTimestamp64Nano(LastSeenUnixNano) >= {{since:Int64}}"""

COUNT: Final = f"SELECT count() AS total {FILTERS}"

PAGE: Final = f"""\
SELECT Document, toUnixTimestamp64Nano(LastSeenUnixNano) AS last_seen, Id {FILTERS}
  AND (last_seen, Id) < ({{last_seen:Int64}}, {{id:String}})
ORDER BY last_seen DESC, Id DESC
LIMIT {{limit:UInt32}}"""

ONE: Final = "SELECT Id, Document FROM findings WHERE startsWith(Id, {id:String}) ORDER BY Id LIMIT 2"

OPEN: Final = """\
SELECT Id, Rule, Severity FROM findings WHERE Status != 'resolved' AND NOT JSONExtractBool(Document, 'shadow')
ORDER BY LastSeenUnixNano"""

END: Final = (2**63 - 1, "")


async def findings(asked: Asked) -> Answer:
    """A page, latest first, or one in full."""
    return await _one(asked) if asked["id"] is not None else await _page(asked)


async def _page(asked: Asked) -> Answer:
    which: dict[str, Any] = {
        "status": asked["status"],
        "since": asked["since"] or 0,
        **{name: asked[name] or "" for name in ("severity", "kind", "session", "service")},
    }
    last_seen, identity = asked.resume(*END)
    found = await asked.query(PAGE, **which, last_seen=last_seen, id=identity, limit=asked["limit"] + 1)
    total = await asked.query(COUNT, **which)
    rows = found.rows[: asked["limit"]]
    documents = [orjson.loads(document) for document, _, _ in rows]
    stated = await with_states(asked.reader, documents)
    return Answer(
        body={"findings": [fencing.whole(one) if asked["full"] else listed(one) for one in stated]},
        rows="findings",
        keys=[(last_seen, identity) for _, last_seen, identity in rows],
        more=len(found.rows) > len(rows),
        total=total.rows[0][0],
        next=following(documents[0]) if documents else ("telltale overview",),
        narrower=("telltale findings --status open --severity critical",),
    )


async def _one(asked: Asked) -> Answer:
    document = await read_one(asked, asked["id"])
    [stated] = await with_states(asked.reader, [document])
    decisions = await history(asked.reader, document["id"]) if "decision" in stated else []
    body = {"finding": fencing.whole(stated), **({"decisions": decisions} if decisions else {})}
    return Answer(body=body, next=following(document)[1:])


async def read_one(asked: Asked, identity: str, field: str = "id") -> dict[str, Any]:
    """One finding as `telltale.finding/v1`, by its id or the beginning of it that no other has.

    Raises:
        QueryError: None or several begin so.
    """
    found = await asked.query(ONE, id=identity)
    if not identity or not found.rows:
        known = [row[0] for row in (await asked.query(IDS)).rows]
        raise unknown("finding", identity, known, "telltale findings", field)
    document: dict[str, Any] = orjson.loads(the_one("findings", identity, found.rows, field)[1])
    return document


async def of_session(asked: Asked, session: str, most: int) -> list[dict[str, Any]]:
    """The latest findings of a session, in short."""
    which: dict[str, Any] = {"status": "all", "severity": "", "kind": "", "session": session, "service": "", "since": 0}
    found = await asked.query(PAGE, **which, last_seen=END[0], id=END[1], limit=most)
    return [short(orjson.loads(document), ("session_id", "last_seen")) for document, _, _ in found.rows]


async def still_open(reader: Reader) -> list[tuple[str, str, str]]:
    """(id, rule, severity) of every finding that is not resolved, oldest first; none of rules in shadow."""
    found = await reader.query(OPEN)
    return [(identity, rule, severity) for identity, rule, severity in found.rows]


def listed(document: dict[str, Any]) -> dict[str, Any]:
    """A finding in a list: without its evidence, and without what is empty."""
    names = ("id", "rule", "kind", "severity", "status", "session_id", "first_seen", "last_seen", "count", "why")
    kept = {name: document[name] for name in names if document[name] not in ("", None)}
    kept |= {name: document[name] for name in ("state", "decision") if "decision" in document}
    series = {name: fencing.name(value) for name, value in document["series"].items() if value}
    wasted = {name: value for name, value in document["wasted"].items() if value}
    marked = {"shadow": True} if document.get("shadow") else {}
    marked |= {ESTIMATED: document[ESTIMATED]} if ESTIMATED in document else {}
    return fencing.finding({**kept, **marked, "series": series, **({"wasted": wasted} if wasted else {})})


def short(document: dict[str, Any], without: tuple[str, ...] = ()) -> dict[str, Any]:
    """A finding in a line or two of another answer."""
    names = ("id", "kind", "severity", "status", "session_id", "last_seen", "count", "why")
    kept = {name: document[name] for name in names if document[name] not in ("", None) and name not in without}
    return fencing.finding(kept)


def following(document: dict[str, Any]) -> list[str]:
    """What to run after a finding was seen: itself in full, then where it happened."""
    commands = [fencing.command("findings", document["id"])]
    if document["kind"] in OF_SESSIONS:
        commands.append(fencing.command("session", document["session_id"]))
    else:
        commands.append(fencing.command("compare", finding=document["id"]))
    evidence = document["evidence"]
    if evidence and evidence[-1]["trace_id"]:
        commands.append(fencing.command("trace", evidence[-1]["trace_id"]))
    return fencing.runnable(commands)

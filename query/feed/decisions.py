"""What people and agents decide on findings: acknowledged, resolved, reopened; and the state that follows.

    ack      somebody looks after it; holds until the finding becomes more severe than it was
    resolve  it is done; holds until the detector reports it again, by a further revision
    reopen   takes back what was decided

What the detector itself has resolved is resolved, whatever was decided. Decisions are only ever added.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

from query.feed.tasks import MAX_REASON, MAX_WHO
from query.feed.writer import Writer
from query.nearest import the_one, unknown
from query.reader import Reader
from schemas.errors import QueryError
from schemas.tables.feed import ACKNOWLEDGEMENTS

Action = Literal["ack", "resolve", "reopen"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
MAX_SHOWN: Final = 50

ONE: Final = """\
SELECT Id, Precedence, Severity, Status FROM findings WHERE startsWith(Id, {id:String}) ORDER BY Id LIMIT 2"""
IDS: Final = "SELECT Id FROM findings ORDER BY LastSeenUnixNano DESC LIMIT 2000"
STATES: Final = "SELECT Id, State, Action, Who, Reason, At, Holds FROM finding_states WHERE Id IN {ids:Array(String)}"
HISTORY: Final = """\
SELECT toString(Action) AS action, Who AS who, Reason AS reason, At AS at FROM acknowledgements
WHERE FindingId = {id:String} ORDER BY At DESC LIMIT {limit:UInt32}"""


class Decisions:
    """Reads and adds decisions."""

    def __init__(self, reader: Reader, writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    async def decide(self, identity: str, action: Action, who: str, reason: str) -> dict[str, Any]:
        """Add a decision, durably; gives the finding's id, its state and what was decided.

        Args:
            identity: Id of a finding, or the beginning of it that no other has.
            action: What is decided.
            who: Who decides, 1 to 100 characters on one line.
            reason: Why, 1 to 1,000 characters.

        Raises:
            QueryError: There is no such finding, or it cannot be decided so.
        """
        _check("reason", reason, MAX_REASON)
        _check("who", who, MAX_WHO)
        full, precedence, severity, status = await self._one(identity)
        if status == "resolved":
            raise QueryError(
                "resolved_already",
                "the detector itself has resolved this finding: nothing is left to decide",
                field="id",
                hint=f"telltale findings {full}",
                status=409,
            )
        row = [full, action, precedence, severity, who, reason, time.time_ns()]
        await self._writer.insert(ACKNOWLEDGEMENTS, [row])
        return {"finding_id": full, **(await states(self._reader, [full]))[full]}

    async def _one(self, identity: str) -> Sequence[Any]:
        rows = (await self._reader.query(ONE, {"id": identity})).rows if identity else []
        if not rows:
            known = [row[0] for row in (await self._reader.query(IDS)).rows]
            raise unknown("finding", identity, known, "telltale findings")
        return the_one("findings", identity, rows)


async def history(reader: Reader, identity: str) -> list[dict[str, Any]]:
    """What was decided on a finding, the latest first."""
    return (await reader.query(HISTORY, {"id": identity, "limit": MAX_SHOWN})).as_dicts()


async def states(reader: Reader, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Id -> `state` and the last `decision`, for those on which somebody decided."""
    if not ids:
        return {}
    found = await reader.query(STATES, {"ids": list(ids)})
    return {
        row["Id"]: {
            "state": row["State"],
            "decision": {
                "action": row["Action"],
                "who": row["Who"],
                "reason": row["Reason"],
                "at": row["At"],
                "holds": bool(row["Holds"]),
            },
        }
        for row in found.as_dicts()
    }


async def with_states(reader: Reader, findings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The findings, each with its `state` and, where somebody decided on it, the last `decision`."""
    decided = await states(reader, [finding["id"] for finding in findings])
    return [
        finding | decided.get(finding["id"], {"state": "resolved" if finding["status"] == "resolved" else "open"})
        for finding in findings
    ]


def _check(field: str, text: str, longest: int) -> None:
    if not text.strip():
        raise QueryError("missing", f"there is no {field}", field=field, hint=f"1 to {longest} characters")
    if len(text) > longest:
        raise QueryError("too_long", f"{field} has {len(text)} characters", field=field, hint=f"at most {longest}")
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise QueryError("bad_value", f"{field} has control characters", field=field, hint="write it on one line")

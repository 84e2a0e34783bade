"""Findings as they stand in the store: a page of them, or one."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

import orjson

from query.reader import Reader
from schemas.errors import QueryError

MAX_LIMIT: Final = 500

FILTERS: Final = """\
FROM findings
WHERE ({statuses:Array(String)} = [] OR Status IN {statuses:Array(String)})
  AND ({severity:String} = '' OR Severity = {severity:String})
  AND ({kind:String} = '' OR Kind = {kind:String})
  AND ({session:String} = '' OR SessionId = {session:String})"""

COUNT: Final = f"SELECT count() AS total {FILTERS}"

PAGE: Final = f"""\
SELECT Document, toUnixTimestamp64Nano(LastSeenUnixNano) AS last_seen, Id {FILTERS}
  AND (last_seen, Id) < ({{last_seen:Int64}}, {{id:String}})
ORDER BY last_seen DESC, Id DESC
LIMIT {{limit:UInt32}}"""

ONE: Final = "SELECT Id, Document FROM findings WHERE startsWith(Id, {id:String}) ORDER BY Id LIMIT 2"

OPEN: Final = "SELECT Id, Rule, Severity FROM findings WHERE Status != 'resolved' ORDER BY LastSeenUnixNano"

STATUSES: Final[dict[str, tuple[str, ...]]] = {
    "": (),
    "all": (),
    "open": ("open", "updated"),
    "resolved": ("resolved",),
}
"""What `status` may be: `open` is everything that is not resolved."""

_END: Final = (2**63 - 1, "")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which findings; "" = any."""

    status: str = ""
    severity: str = ""
    kind: str = ""
    session: str = ""

    @property
    def parameters(self) -> dict[str, Any]:
        """As parameters of the queries above."""
        return {
            "statuses": list(STATUSES[self.status]),
            "severity": self.severity,
            "kind": self.kind,
            "session": self.session,
        }


async def page(reader: Reader, which: Filter, limit: int, after: str = "") -> dict[str, Any]:
    """One page, latest first: `findings`, `total`, `truncated`, `next_cursor`."""
    last_seen, identity = _position(after)
    position = {"last_seen": last_seen, "id": identity, "limit": limit + 1}
    found = await reader.query(PAGE, which.parameters | position)
    total = await reader.query(COUNT, which.parameters)
    rows = found.rows[:limit]
    truncated = len(found.rows) > limit
    return {
        "findings": [orjson.loads(document) for document, _, _ in rows],
        "total": total.rows[0][0],
        "truncated": truncated,
        "next_cursor": _cursor(rows[-1][1], rows[-1][2]) if truncated else None,
    }


async def still_open(reader: Reader) -> list[tuple[str, str, str]]:
    """(id, rule, severity) of every finding that is not resolved, oldest first."""
    found = await reader.query(OPEN)
    return [(identity, rule, severity) for identity, rule, severity in found.rows]


async def one(reader: Reader, identity: str) -> dict[str, Any]:
    """One finding in full, by its id or the beginning of it that no other has."""
    found = await reader.query(ONE, {"id": identity})
    if not identity or not found.rows:
        raise QueryError(
            "not_found", f"there is no finding {identity[:80]!r}", field="id", hint="telltale findings", status=404
        )
    if len(found.rows) > 1 and found.rows[0][0] != identity:
        raise QueryError(
            "ambiguous", f"several findings begin with {identity[:80]!r}", field="id", hint="use more of it"
        )
    finding: dict[str, Any] = orjson.loads(found.rows[0][1])
    return finding


def _cursor(last_seen: int, identity: str) -> str:
    return base64.urlsafe_b64encode(f"{last_seen}:{identity}".encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[int, str]:
    if not cursor:
        return _END
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        last_seen, separator, identity = text.partition(":")
        position = int(last_seen), identity
        if not separator or not 0 <= position[0] < 2**63:
            raise ValueError
    except (ValueError, binascii.Error) as error:
        raise QueryError(
            "bad_cursor", "this cursor is none of ours", field="after", hint="use next_cursor of the page before"
        ) from error
    return position

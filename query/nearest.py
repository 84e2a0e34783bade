"""The error for an id that is not there, with the one that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, Final

from query.asked import Asked
from query.budget import cut
from query.fencing import command
from schemas.errors import QueryError

SERVICES: Final = """\
SELECT DISTINCT toString(ServiceName) AS service
FROM (SELECT ServiceName FROM series_1m UNION ALL SELECT ServiceName FROM tool_calls)
WHERE service != '' LIMIT 2000"""


async def check_service(asked: Asked, service: str) -> None:
    """Raise QueryError where nothing comes from a service of that name; for questions that found nothing."""
    known = [row[0] for row in (await asked.query(SERVICES, final=False)).rows] if service else []
    if service and service not in known:
        raise unknown("service", service, known, "telltale series", "service")


def the_one(what: str, asked: str, rows: Sequence[Sequence[Any]], field: str = "id") -> Sequence[Any]:
    """Of rows whose ids, in the first column, begin with what was asked for: the one that is it, or the only one.

    Args:
        what: Kind of thing, in the plural.
        asked: What was asked for.
        rows: In the order of their ids; at least one, and two where there are several.
        field: The parameter that named it.

    Raises:
        QueryError: Several begin so.
    """
    if len(rows) > 1 and rows[0][0] != asked:
        raise QueryError("ambiguous", f"several {what} begin with {asked[:80]!r}", field=field, hint="use more of it")
    return rows[0]


def unknown(what: str, asked: str, known: Sequence[str], listing: str, field: str = "id") -> QueryError:
    """The error.

    Args:
        what: Kind of thing, in a word; also the task's name where there is one.
        asked: What was asked for.
        known: What there is, the likeliest first; at most some thousands.
        listing: The command that shows what there is.
        field: The parameter that named it.
    """
    begin_so = [one for one in known if asked and one.startswith(asked)][:1]
    near = begin_so or difflib.get_close_matches(asked[:200], [one[:200] for one in known], n=1, cutoff=0.6)
    # An id is telemetry's own word: offered only where it can be run as it stands.
    hint = f"nearest: {near[0]}; all: {listing}" if near and command("x", near[0]) else listing
    return QueryError("not_found", f"there is no {what} {cut(asked, 80)!r}", field=field, hint=hint, status=404)

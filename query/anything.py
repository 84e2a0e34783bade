"""SQL of users, and the tables it can read."""

from __future__ import annotations

from typing import Any, Final

from query.asked import Answer, Asked
from query.nearest import unknown
from query.sql import safe_sql
from schemas.errors import QueryError
from schemas.tables import DECLARED, Table, View

ILL: Final = frozenset({"busy", "store_unavailable"})
"""What is the store's trouble and not the statement's."""
READABLE: Final = {one.name: one for one in DECLARED if one.columns}


async def sql(asked: Asked) -> Answer:
    """The rows of one SELECT; all that is in them is telemetry's."""
    try:
        found = await asked.reader.query_theirs(safe_sql(asked["sql"], asked["limit"] + 1))
    except QueryError as error:
        if error.code not in ILL:
            error.field, error.status = "sql", 400
        raise
    rows = found.rows[: asked["limit"]]
    return Answer(
        body={
            "columns": [{"name": n, "type": t} for n, t in zip(found.columns, found.types, strict=True)],
            "rows": rows,
        },
        rows="rows",
        more=len(found.rows) > len(rows),
        next=("telltale schema",) if not rows else (),
    )


async def schema(asked: Asked) -> Answer:
    """Tables with their meaning, or one with its columns."""
    if asked["id"] is None:
        tables = [{"name": one.name, "columns": len(one.columns), "doc": one.doc} for one in READABLE.values()]
        return Answer(body={"tables": tables}, rows="tables", total=len(tables), next=("telltale schema tool_calls",))
    one = READABLE.get(asked["id"])
    if one is None:
        raise unknown("schema", asked["id"], list(READABLE), "telltale schema")
    columns = [{"name": c.name, "type": "String" if c.type == "Bytes" else c.type, "doc": c.doc} for c in one.columns]
    return Answer(
        body={"table": one.name, "doc": one.doc, **_sorted(one), "columns": columns},
        rows="columns",
        total=len(columns),
        next=(f"telltale sql 'SELECT * FROM {one.name} LIMIT 3'",),  # noqa: S608 - a declared name
    )


def _sorted(one: Table | View) -> dict[str, Any]:
    return {"sorted_by": one.order_by, "kept": one.retention} if isinstance(one, Table) else {}

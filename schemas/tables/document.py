"""The declarations as Markdown: `python -m schemas.tables.document > docs/tables.md`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from schemas.columns import Column, RetentionDays, Table, View
from schemas.tables import TABLES, VIEWS

HEAD: Final = """\
# Tables

Written by `python -m schemas.tables.document > docs/tables.md` from the declarations in `schemas/tables/`; do not
edit it.

`otel_*` have the columns of the OpenTelemetry Collector's ClickHouse exporter, so that dashboards made for those
read them. Each row also tells where it came from (`SourceTopic`, `SourcePartition`, `SourceOffset`). `StoredAt`
is left out of `SELECT *`: name it to read it. Partitions and the time that rows are kept go by `StoredAt`, so old
and future event times are kept as long as any other.

Rows of a `ReplacingMergeTree` may be stored several times until they are merged: read with `SETTINGS final = 1`.
"""


def markdown() -> str:
    """The whole page."""
    return "\n".join([HEAD, *map(_table, TABLES), *map(_view, VIEWS)])


def _table(table: Table) -> str:
    days = getattr(RetentionDays(), table.retention)
    lines = [
        f"## {table.name}",
        "",
        table.doc,
        "",
        f"`{table.engine}`, sorted by `{table.order_by}`, kept {days} days (setting `{table.retention}`).",
        "",
        *_columns(table.columns),
    ]
    if table.indexes:
        lines += ["", "Indexes: " + ", ".join(f"`{i.expression}` ({i.type})" for i in table.indexes) + "."]
    return "\n".join([*lines, ""])


def _view(view: View) -> str:
    return "\n".join([f"## {view.name}", "", f"View. {view.doc}", "", *_columns(view.columns), ""])


def _columns(columns: Iterable[Column]) -> list[str]:
    rows = [f"| `{c.name}` | `{'String' if c.type == 'Bytes' else c.type}` | {c.doc} |" for c in columns]
    return ["| column | type | what it holds |", "|---|---|---|", *rows] if rows else []


if __name__ == "__main__":
    print(markdown(), end="")

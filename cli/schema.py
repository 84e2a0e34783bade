"""`telltale schema`: the tables, or one table's columns."""

from __future__ import annotations

from typing import Any

from cli import render
from cli.reading import reading_command


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    if "tables" in answer:
        return render.table(["table", "columns", "what it holds"], [list(one.values()) for one in answer["tables"]])
    head = [f"{answer['table']}: {answer['doc']}"]
    if "sorted_by" in answer:
        head.append(f"sorted by {answer['sorted_by']}")
    return [
        *head,
        *render.table(["column", "type", "what it holds"], [list(one.values()) for one in answer["columns"]]),
    ]


schema = reading_command("schema", lines)

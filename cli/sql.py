"""`telltale sql`: one SELECT over what is stored."""

from __future__ import annotations

import json
from typing import Any

import click

from cli import render
from cli.reading import ForPrograms, reading_command
from query.tasks import MAX_TOKENS


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    return render.table([column["name"] for column in answer["columns"]], answer["rows"])


def rows(answer: dict[str, Any]) -> None:
    """One JSON object a row, a line each: what `jq` takes. That rows are missing is said beside."""
    names = [column["name"] for column in answer["columns"]]
    for row in answer["rows"]:
        click.echo(json.dumps(dict(zip(names, row, strict=True)), separators=(",", ":")))
    if answer.get("truncated"):
        click.echo(f"telltale: there is more than these {len(answer['rows'])} rows; raise --limit", err=True)


sql = reading_command("sql", lines, for_programs=ForPrograms({"max_tokens": MAX_TOKENS}, rows))

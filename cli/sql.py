"""`telltale sql`: one SELECT over what is stored."""

from __future__ import annotations

from typing import Any, Final

from cli import render
from cli.reading import ForPrograms, reading_command
from query.tasks import LINES, MAX_TOKENS

MORE: Final = "telltale: there is more than these rows; raise --limit"


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    return render.table([column["name"] for column in answer["columns"]], answer["rows"])


sql = reading_command("sql", lines, for_programs=ForPrograms({"max_tokens": MAX_TOKENS}, LINES, MORE))

"""`telltale sql`: one SELECT over what is stored."""

from __future__ import annotations

from typing import Any, Final

import click

from cli import render
from cli.client import post, url_option
from cli.exits import MEANING

HELP: Final = """\
Run one ClickHouse SELECT over the tables of Telltale; nothing else can be run.

\b
Tables: tool_calls, model_calls, markers, sessions, series_1m, findings, dead_letters, otel_traces,
otel_logs, otel_metrics_sum and the other kinds of metrics.

\b
Examples:
  telltale sql 'SELECT ToolName, count() AS calls FROM tool_calls GROUP BY 1 ORDER BY 2 DESC'
  telltale sql --json "SELECT * FROM sessions ORDER BY LastSeen DESC LIMIT 3"
  telltale sql "SELECT * FROM tool_calls LIMIT 1" --json     # what columns there are
"""


@click.command(help=HELP, short_help="One SELECT over what is stored.", epilog=MEANING)
@click.argument("statement", metavar="'SELECT ...'")
@click.option("--limit", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="Rows at most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row, a line each.")
@url_option
def sql(statement: str, limit: int, as_json: bool, url: str) -> None:
    """See HELP."""
    answer = post(url, "/v1/sql", {"sql": statement, "limit": limit})
    names = [column["name"] for column in answer["columns"]]
    if as_json:
        _print_json(names, answer["rows"])
    else:
        click.echo("\n".join(render.table(names, answer["rows"])))
    if answer["truncated"]:
        click.echo(f"telltale: there are more rows than {limit}; raise --limit, or aggregate", err=True)


def _print_json(names: list[str], rows: list[list[Any]]) -> None:
    import orjson  # noqa: PLC0415 - help need not wait for it

    for row in rows:
        click.echo(orjson.dumps(dict(zip(names, row, strict=True))))

"""`telltale findings`: the list, or one in full."""

from __future__ import annotations

from typing import Any, Final

import click

from cli import render
from cli.client import get, json_option, part, url_option
from cli.exits import MEANING

HELP: Final = """\
Show what was found, latest first; with an ID (or its beginning), one finding with its evidence.

\b
Examples:
  telltale findings --status open --severity critical
  telltale findings --json | jq -r '.findings[].why'

The status is 0 when the list could be read, however many findings are in it.
"""


@click.command(help=HELP, short_help="What was found: the list, or one in full.", epilog=MEANING)
@click.argument("finding_id", required=False)
@click.option("--status", type=click.Choice(["open", "resolved", "all"]), default="all", help="Which; default: all.")
@click.option("--severity", type=click.Choice(["suspect", "warning", "critical"]), help="Only this severity.")
@click.option("--kind", type=click.Choice(["tool_call_loop", "latency_regression", "error_spike"]), help="Only these.")
@click.option("--session", help="Only of this session.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many at most.")
@click.option("--after", help="The page after this cursor.")
@json_option
@url_option
def findings(finding_id: str | None, as_json: bool, url: str, **filters: str | int | None) -> None:
    """See HELP."""
    if finding_id is not None:
        answer = get(url, f"/v1/findings/{part(finding_id)}")
        shown = _one(answer)
    else:
        answer = get(url, "/v1/findings", filters)
        shown = _list(answer)
    click.echo(_json(answer) if as_json else "\n".join(shown))


def _one(answer: dict[str, Any]) -> list[str]:
    return render.finding_lines(answer["finding"])


def _list(answer: dict[str, Any]) -> list[str]:
    rows = answer["findings"]
    fresh = f"judged up to {render.moment(answer['as_of'])}"
    if not rows:
        return [f"no findings; {fresh}"]
    lines = []
    for finding in rows:
        lines.append(
            f"{finding['severity']:8}  {finding['status']:8}  {render.moment(finding['last_seen'])}  "
            f"{render.cut(finding['rule'], 30)}  {render.cut(render.where(finding))}"
        )
        lines.append(f"          {render.cut(finding['why'], 200)}  [{render.printable(finding['id'])}]")
    lines.append(f"{len(rows)} of {answer['total']} findings; {fresh}; in full: telltale findings ID")
    if answer["next_cursor"]:
        lines.append(f"more: telltale findings --after {answer['next_cursor']}")
    return lines


def _json(answer: dict[str, Any]) -> str:
    import orjson  # noqa: PLC0415 - help need not wait for it

    return orjson.dumps(answer).decode()

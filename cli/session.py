"""`telltale session`: the outline of one session."""

from __future__ import annotations

from typing import Any, Final

import click

from cli import render
from cli.client import get, json_option, part, url_option
from cli.exits import MEANING

HELP: Final = """\
Show what one session did: turns, calls with repeats folded, outcomes, tokens and cost.

\b
Examples:
  telltale session 3f753bda-d8af-42a4-8a43-fb8f8c793520
  telltale sql 'SELECT SessionId, LastSeen FROM sessions ORDER BY LastSeen DESC LIMIT 5'
"""


@click.command(help=HELP, short_help="What one session did, with repeats folded.", epilog=MEANING)
@click.argument("session_id")
@json_option
@url_option
def session(session_id: str, as_json: bool, url: str) -> None:
    """See HELP."""
    answer = get(url, f"/v1/sessions/{part(session_id)}")
    if as_json:
        import orjson  # noqa: PLC0415 - help need not wait for it

        click.echo(orjson.dumps(answer))
    else:
        click.echo("\n".join(_lines(answer)))


def _lines(answer: dict[str, Any]) -> list[str]:
    totals = answer["totals"]
    services = " ".join([*answer["services"], *answer["versions"]])
    calls = (
        f"{totals['tool_calls']} tool calls ({totals['tool_errors']} failed), "
        f"{totals['model_calls']} model calls ({totals['model_errors']} failed)"
    )
    spent = f"{totals['input_tokens']:,} tokens in, {totals['output_tokens']:,} out, {render.money(totals['cost_usd'])}"
    lines = [
        f"session {render.printable(answer['session_id'])}  {render.cut(services)}",
        f"  {render.moment(answer['first_seen'])}, {render.number(float(answer['duration_s']), 's')}",
        f"  {calls}",
        f"  {spent}",
    ]
    for index, turn in enumerate(answer["turns"], 1):
        lines.append(f"turn {index}  {render.moment(turn['start'])}")
        for step in turn["steps"]:
            lines += _step(step)
    if answer["truncated"]:
        lines.append("... the session has more steps than are shown")
    missing = answer["coverage"]["events_missing"]
    if missing:
        lines.append(f"{missing} events of this session never arrived")
    for finding in answer["findings"]:
        lines.append(f"found {finding['severity']} {finding['status']}: {render.cut(finding['why'], 200)}")
        lines.append(f"  telltale findings {render.printable(finding['id'])}")
    if not answer["findings"]:
        lines.append("nothing was found in it")
    lines.append(f"judged up to {render.moment(answer['as_of'])}")
    return lines


def _step(step: dict[str, Any], times: int | None = None) -> list[str]:
    if step["kind"] == "cycle":
        inner = [line for one in step["steps"] for line in _step(one, step["times"])]
        return [f"  x {step['times']}, one after the other:", *(f"  {line}" for line in inner)]
    name = step["name"] or step.get("outcome", "")
    line = f"  {step['kind']:7} {render.cut(name, 30)}"
    if step.get("times", 1) > 1 and step["times"] != times:
        line += f"  x {step['times']}"
    if step["kind"] == "tool":
        line += f"  {render.cut(step['untrusted']['arguments'], 70)}"
    if step.get("outcome") not in (None, "ok", "unset"):
        line += f"  {step['outcome']}" + (f" {render.cut(step['error_type'], 40)}" if "error_type" in step else "")
    if step.get("distinct_results") == 1:
        line += "  same result"
    if "tokens" in step:
        line += f"  {render.number(step['tokens']['input'])} in, {render.number(step['tokens']['output'])} out"
    if "duration_s" in step:
        line += f"  {step['duration_s']:g} s"
    if "idle_before_s" in step:
        return [f"  ... {step['idle_before_s']:g} s nothing", line]
    return [line.rstrip()]

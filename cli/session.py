"""`telltale session`: the outline of one session."""

from __future__ import annotations

from typing import Any, Final

from cli import render
from cli.reading import reading_command
from schemas.finding import ESTIMATED

HEADER: Final = ["session", "service", "last", "s", "tool calls", "model calls", "errors", "tokens", "USD", ""]


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    return _list(answer) if "sessions" in answer else _one(answer)


def _list(answer: dict[str, Any]) -> list[str]:
    names = ("session_id", "service", "last", "duration_s", "tool_calls", "model_calls", "errors", "tokens", "cost_usd")
    rows = [
        [render.moment(row[name]) if name == "last" else row[name] for name in names]
        + ["loop" if "looping" in row else ""]
        for row in answer["sessions"]
    ]
    if not rows:
        return [f"no sessions since {render.moment(answer['since'])}"]
    date = max(row.get(ESTIMATED, "") for row in answer["sessions"])
    note = [f"USD is estimated, all or in part, from list prices of {render.printable(date)}"] if date else []
    return [*render.table(HEADER, rows), *note]


def _one(answer: dict[str, Any]) -> list[str]:
    totals = answer["totals"]
    services = " ".join([*answer["services"], *answer["versions"]])
    calls = (
        f"{totals['tool_calls']} tool calls ({totals['tool_errors']} failed), "
        f"{totals['model_calls']} model calls ({totals['model_errors']} failed)"
    )
    cost = render.spent(totals, totals["cost_usd"])
    spent = f"{totals['input_tokens']:,} tokens in, {totals['output_tokens']:,} out, {cost}"
    shown = [
        f"session {render.printable(answer['session_id'])}  {render.cut(services)}",
        f"  {render.moment(answer['first_seen'])}, {render.number(float(answer['duration_s']), 's')}",
        f"  {calls}",
        f"  {spent}",
    ]
    for step in answer["steps"]:
        shown += _step(step)
    missing = answer["coverage"].get("events_missing")
    if missing:
        shown.append(f"{missing} events of this session never arrived")
    for finding in answer["findings"]:
        shown.append(f"found {finding['severity']} {finding['status']}: {render.cut(finding['untrusted']['why'], 200)}")
        shown.append(f"  telltale findings {render.printable(finding['id'])}")
    if not answer["findings"]:
        shown.append("nothing was found in it")
    return shown


def _turn(turn: dict[str, Any]) -> str:
    tools = ", ".join(f"{render.cut(name, 30)} x {times}" for name, times in turn["tool_calls"].items())
    spent = f"{turn['tokens']['input']:,} tokens in, {turn['tokens']['output']:,} out"
    errors = f", {turn['errors']} errors" if turn["errors"] else ""
    return f"turn {turn['turn']}  at {turn['at_s']:g} s, {turn['duration_s']:g} s, {spent}{errors}  {tools}".rstrip()


def _step(step: dict[str, Any], times: int | None = None) -> list[str]:
    if step["kind"] == "turn":
        return [_turn(step)]
    if step["kind"] == "cycle":
        inner = [line for one in step["steps"] for line in _step(one, step["times"])]
        return [f"  x {step['times']}, one after the other:", *(f"  {line}" for line in inner)]
    line = f"  {step['kind']:7} {render.cut(step['name'], 30)}"
    if step.get("times", 1) > 1 and step["times"] != times:
        line += f"  x {step['times']}"
    if step["kind"] == "tool":
        line += f"  {render.cut(step['untrusted'].get('arguments', ''), 70)}"
    if "outcome" in step:
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


session = reading_command("session", lines)

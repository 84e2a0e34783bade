"""`telltale calls`: calls by filter, or one with its content."""

from __future__ import annotations

from typing import Any, Final

from cli import render
from cli.reading import reading_command

TEXTS: Final = ("arguments", "result", "message", "body")


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    return _one(answer) if "call" in answer else _list(answer)


def _list(answer: dict[str, Any]) -> list[str]:
    summary = answer["summary"]
    head = f"{summary['calls']:,} calls, {summary['failed']:,} failed"
    if summary.get("p50_s") is not None:
        head += f", p50 {summary['p50_s']:g} s, p95 {summary['p95_s']:g} s"
    shown = [head]
    for call in answer["calls"]:
        words = [render.moment(call["at"]), render.cut(call.get("name", ""), 40)]
        words += [call["outcome"]] if "outcome" in call else []
        words += [render.cut(call["error_type"], 30)] if "error_type" in call else []
        words += [f"{call['duration_s']:g} s"] if "duration_s" in call else []
        words += [f"told by {' and '.join(call['told_by'])}"] if len(call.get("told_by", ())) > 1 else []
        shown.append("  ".join([*words, f"[{render.printable(call['id'])}]"]))
        told = call.get("untrusted", {})
        shown += [f"    {name}: {render.cut(told[name], 110)}" for name in TEXTS if name in told]
    return shown


def _one(answer: dict[str, Any]) -> list[str]:
    shown = [f"{answer['kind']} {render.printable(answer['id'])}"]
    shown += [f"  {name}: {render.cut(str(value), 120)}" for name, value in answer["call"].items()]
    for other in answer.get("also_told", ()):
        shown.append(f"  also told by {render.printable(other['told_by'])}: {render.printable(other['id'])}")
    for name, value in answer["untrusted"].items():
        if isinstance(value, dict):
            shown.append(f"  {render.printable(name)}:")
            shown += [f"    {render.cut(key, 60)} = {render.cut(text, 300)}" for key, text in value.items()]
        else:
            shown.append(f"  {render.printable(name)}: {render.printable(value)}")
    return shown


calls = reading_command("calls", lines)

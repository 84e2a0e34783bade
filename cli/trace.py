"""`telltale trace`: the tree of one trace."""

from __future__ import annotations

from typing import Any

from cli import render
from cli.reading import reading_command


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    services = ", ".join(f"{render.printable(name)} {spans}" for name, spans in answer["services"].items())
    shown = [
        f"trace {render.printable(answer['trace_id'])}  {render.moment(answer['start'])}, {answer['duration_s']:g} s",
        f"  {answer['spans']} spans ({answer['failed_spans']} failed): {services}",
    ]
    for one in answer["errors"]:
        message = render.cut(one.get("untrusted", {}).get("message", ""), 100)
        shown.append(f"  error in {render.cut(one['name'], 60)} [{render.printable(one['span_id'])}]: {message}")
    if answer["critical_path"]:
        shown.append("  time went by in:")
        shown += [f"    {one['own_s']:10.6f} s  {render.cut(one['name'], 60)}" for one in answer["critical_path"]]
    if "span" in answer:
        shown += _span(answer["span"])
    return shown + [_line(one) for one in answer["tree"]]


def _line(one: dict[str, Any]) -> str:
    text = f"{'  ' * (one['depth'] + 1)}{render.cut(one['name'], 60)}  {one['duration_s']:g} s"
    text += f"  x {one['times']}" if "times" in one else ""
    text += "  ERROR" if "error" in one else ""
    text += f"  (+ {one['hidden']} spans below)" if "hidden" in one else ""
    return f"{text}  [{render.printable(one['span_id'])}]"


def _span(span: dict[str, Any]) -> list[str]:
    untrusted = span["untrusted"]
    shown = [f"  span {render.printable(span['span_id'])}  {span['kind']} {span['status']}"]
    if "message" in untrusted:
        shown.append(f"    {render.cut(untrusted['message'], 200)}")
    shown += [f"    {render.cut(key, 60)} = {render.cut(value, 120)}" for key, value in untrusted["attributes"].items()]
    return shown


trace = reading_command("trace", lines)

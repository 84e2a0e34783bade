"""Answers as text for people: short, aligned, and safe to show whatever telemetry put in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import click

from schemas.finding import ESTIMATED

MAX_CELL: Final = 80
ROOM: Final = ("--limit", "--max-tokens")
"""Options that make room for more of an answer."""
NARROWING: Final = frozenset({"--limit", "--since"})
"""A command with one of these asks a question that can be narrowed."""
HELPING: Final = (*ROOM, "--cursor")


def printable(text: str) -> str:
    """Text that cannot steer a terminal: control and direction characters are written as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cut(text: str, width: int = MAX_CELL) -> str:
    """Printable text of at most `width` characters."""
    shown = printable(text)
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], width: int = MAX_CELL) -> list[str]:
    """Lines of an aligned table; numbers stand to the right."""
    values = [list(row) for row in rows]
    cells = [[cut(_cell(value), width) for value in row] for row in values]
    shown = [cut(name, width) for name in header]
    widths = [max(len(row[i]) for row in [shown, *cells]) for i in range(len(header))]
    right = [bool(values) and all(isinstance(row[i], int | float | None) for row in values) for i in range(len(header))]
    return [
        "  ".join(
            text.rjust(w) if to_right else text.ljust(w) for text, w, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in [shown, *cells]
    ]


def number(value: float | None, unit: str = "") -> str:
    """A number for people; "unknown" where there is none."""
    if value is None:
        return "unknown"
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{text} {unit}".rstrip()


def money(value: float | None) -> str:
    """US dollars."""
    return "unknown" if value is None else f"${value:,.4f}" if value < 1 else f"${value:,.2f}"


def spent(row: dict[str, Any], cost_usd: float | None) -> str:
    """Money as a row of an answer tells it, and where it is estimated, by prices of which date."""
    date = row.get(ESTIMATED, "")
    return money(cost_usd) + (f" (estimated, list prices of {printable(date)})" if date else "")


def moment(text: str | None) -> str:
    """RFC 3339 to the second."""
    return "never" if not text else printable(text[:19].replace("T", " ")) + "Z"


def where(finding: dict[str, Any]) -> str:
    """What a finding is about: a session, or a series."""
    if finding.get("session_id"):
        return f"session {finding['session_id']}"
    series = finding["series"]
    names = ("service.name", "operation", "tool", "model", "version")
    return " ".join(series[name] for name in names if series.get(name))


def finding_line(finding: dict[str, Any]) -> str:
    """One line for one revision of a finding, as `telltale up` prints it."""
    head = f"{finding['severity'].upper():8} {finding['status']:8} {finding['rule']}"
    return f"{printable(head)}  {cut(where(finding))}  {cut(finding['why'], 200)}  [{printable(finding['id'])}]"


def finding_lines(finding: dict[str, Any]) -> list[str]:
    """One finding in full."""
    wasted = finding["wasted"]
    cost = spent(finding, wasted["cost_usd"])
    lost = f"{number(wasted['tokens'], 'tokens')}, {cost}, {number(wasted['duration_s'], 's')}"
    lines = [
        f"{finding['severity'].upper()} {finding['rule']}, {finding['status']} ({finding['reason']})",
        f"  {finding['untrusted']['why']}",
        f"  about      {where(finding)}",
        f"  seen       {moment(finding['first_seen'])} to {moment(finding['last_seen'])}",
        f"  observed   {number(finding['observed'], finding['unit'])}, {_against(finding)}",
        f"  wasted     {lost}",
    ]
    for evidence in finding["evidence"]:
        note = evidence.get("note") or evidence.get("call_id") or ""
        lines.append(f"  evidence   trace {evidence['trace_id']} span {evidence['span_id']} {note}")
    decision = finding.get("decision")
    if decision:
        over = "" if decision["holds"] else ", overtaken by what was found since"
        who = f"{decision['action']} by {decision['who']} at {moment(decision['at'])}{over}: {decision['reason']}"
        lines.append(f"  decided    {who}")
    return [cut(line, 300) for line in lines]


def footer(answer: dict[str, Any], options: str = "") -> list[str]:
    """What stands below every answer: how fresh, what is missing, what comes next, with `options` to run it as here."""
    coverage = answer["coverage"]
    lines = [f"judged up to {moment(answer['as_of'])}"]
    missing = {name: value for name, value in coverage.items() if value and name not in ("complete", "note")}
    if missing:
        told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in missing.items())
        lines.append(f"not complete: {cut(told, 200)}")
    if "note" in coverage:
        lines.append(cut(coverage["note"], 200))
    if answer["truncated"]:
        lines.append(_more())
    if answer["next_cursor"]:
        lines.append(f"more: --cursor {answer['next_cursor']}")
    return [*lines, *(f"next: {printable(command)}{options}" for command in answer["next"])]


def _more() -> str:
    """What helps where an answer is not all: of the options that the command which asked has."""
    context = click.get_current_context(silent=True)
    own = {name for parameter in context.command.params for name in parameter.opts} if context else set(HELPING)
    room = [name for name in ROOM if name in own]
    helps = [
        *(["narrow the question"] if own & NARROWING else ()),
        *([f"raise {' or '.join(room)}"] if room else ()),
        *(["or go on with --cursor"] if "--cursor" in own else ()),
    ]
    return f"there is more: {', '.join(helps)}"


def _against(finding: dict[str, Any]) -> str:
    return f"baseline {number(finding['baseline'], finding['unit'])}, confidence {finding['confidence']}"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)

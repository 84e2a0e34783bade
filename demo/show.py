"""What the demonstration prints."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

STARTED: Final = time.monotonic()
COLOUR: Final = sys.stdout.isatty()


def say(text: str) -> None:
    """One line with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:5.1f} s] {text}", flush=True)


def quote(line: str) -> None:
    """A line that another program printed."""
    mark = "\x1b[2m" if COLOUR else ""
    print(f"{mark}          | {printable(line)}{chr(27) + '[0m' if COLOUR else ''}", flush=True)


def printable(text: str) -> str:
    """Text without control characters: some of it was written by agents."""
    return "".join(character if character.isprintable() else " " for character in text)


def finding_lines(finding: dict[str, Any]) -> list[str]:
    """A finding for people: what repeated, how often, what it cost, and where to look."""
    wasted = finding["wasted"]
    tokens, cost = _amount(wasted["tokens"], "{:,} tokens"), _amount(wasted["cost_usd"], "${:.4f}")
    lines = [
        f"{finding['severity'].upper()} {finding['kind']} {finding['id']} ({finding['status']})",
        f"  why       {finding['why']}",
        f"  count     {finding['count']}, confidence {finding['confidence']}",
        f"  wasted    {tokens}, {cost}, {_amount(wasted['duration_s'], '{:.1f} s')}",
    ]
    shown, more = finding["evidence"][:3], len(finding["evidence"]) - 3
    lines += [f"  evidence  trace {e['trace_id']} span {e['span_id']} at {e['time']}" for e in shown]
    if more > 0:
        lines.append(f"            and {more} more")
    return [printable(line) for line in lines]


def _amount(value: float | None, form: str) -> str:
    return "unknown" if value is None else form.format(value)

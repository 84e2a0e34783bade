"""What the demonstration prints."""

from __future__ import annotations

import sys
import time
from textwrap import wrap
from typing import Any, Final

STARTED: Final = time.monotonic()
COLOUR: Final = sys.stdout.isatty()
WIDTH: Final = 140


def say(text: str) -> None:
    """One line with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:5.1f} s] {text}", flush=True)


def quote(line: str) -> None:
    """A line that another program printed, cut to the width of a wide terminal."""
    line = line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
    mark = "\x1b[2m" if COLOUR else ""
    print(f"{mark}          | {printable(line)}{chr(27) + '[0m' if COLOUR else ''}", flush=True)


def printable(text: str) -> str:
    """Text without control characters: some of it was written by agents."""
    return "".join(character if character.isprintable() else " " for character in text)


def finding_lines(finding: dict[str, Any]) -> list[str]:
    """A finding for people: what repeated, how often, what it cost, and where to look."""
    lines = [
        f"{finding['severity'].upper()} {finding['kind']} {finding['id']} ({finding['status']})",
        *wrap(f"  why       {finding['untrusted']['why']}", 104, subsequent_indent=" " * 12, break_on_hyphens=False),
        f"  count     {finding['count']}, confidence {finding['confidence']}",
    ]
    if amounts := wasted(finding["wasted"]):
        lines.append(f"  wasted    {amounts}")
    shown, more = finding["evidence"][:3], len(finding["evidence"]) - 3
    lines += [f"  evidence  trace {e['trace_id']} span {e['span_id']} at {e['time']}" for e in shown]
    if more > 0:
        lines.append(f"            and {more} more")
    return [printable(line) for line in lines]


def wasted(amounts: dict[str, float | None]) -> str:
    """What is known of the waste: tokens, cost, time."""
    forms = {"tokens": "{:,} tokens", "cost_usd": "${:.4f}", "duration_s": "{:.1f} s"}
    return ", ".join(form.format(value) for key, form in forms.items() if (value := amounts[key]) is not None)

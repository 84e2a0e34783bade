"""`telltale assert`: a bound, for gates."""

from __future__ import annotations

from typing import Any, Final

from cli import render
from cli.exits import FAILED, FINE, UNKNOWN
from cli.reading import Verdict, reading_command

STATUS: Final = {"pass": FINE, "fail": FAILED, "inconclusive": UNKNOWN}
MEANING: Final = (
    "Exit status: 0 it holds, 1 it does not (or what is named is not there), 2 could not tell, 64 wrong usage, or no "
    "assertion."
)


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    low, high = ("?" if end is None else f"{end:g}" for end in answer["interval"])
    observed = "nothing" if answer["observed"] is None else f"{answer['observed']:g} {answer['unit']}"
    shown = [
        f"{answer['result'].upper()}  {render.cut(answer['assertion'], 120)}",
        f"  observed {observed} ({low} to {high}), n {answer['n']:,}: {answer['why']}",
    ]
    for one in answer["evidence"]:
        ids = "  ".join(render.printable(one[name]) for name in ("trace_id", "span_id") if name in one)
        shown.append(f"  evidence  {one['duration_s']:g} s  {one.get('outcome', '')}  {ids}")
    return shown


assert_ = reading_command("assert", lines, Verdict(lambda answer: STATUS[answer["result"]], MEANING))

"""`telltale compare`: two sides, measure by measure."""

from __future__ import annotations

from typing import Any, Final

from cli import render
from cli.exits import FAILED, FINE, UNKNOWN, telling
from cli.reading import Verdict, reading_command

STATUS: Final = {"worse": FAILED, "insufficient data": UNKNOWN}
MEANING: Final = telling("it became worse", "the data are not sufficient")


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    by = answer["by"]
    shown = [f"{answer['verdict'].upper()}  by {by}"]
    for which in ("before", "after"):
        side = answer[which]
        sessions = f", {side['sessions']} sessions" if "sessions" in side else ""
        shown.append(f"  {which:6}  {render.cut(side[by])}  {side['calls']:,} calls{sessions}")
    rows = [
        [one["measure"], one["before"], one["after"], _change(one), one["verdict"], one["unit"]]
        for one in answer["measures"]
    ]
    shown += render.table(["measure", "before", "after", "change", "verdict", "unit"], rows)
    for one in answer["went_with"]:
        what, value = next(iter(one.items()))
        shown.append(
            f"went with {what} {render.cut(value)}: {one['share_before']:.0%} -> {one['share_after']:.0%} of the calls"
        )
    for row in answer["series"]:
        told = ", ".join(f"{one['measure']} {one['before']} -> {one['after']}" for one in row["changed"])
        names = "  ".join(render.cut(row[name], 40) for name in ("service", "operation", "name") if name in row)
        shown.append(f"{row['verdict']:17}  {names}  {told}".rstrip())
    return [*shown, answer["margin"]]


def _change(one: dict[str, Any]) -> str:
    low, high = ("?" if end is None else f"{end:g}" for end in one["interval"])
    size = one.get("ratio", one.get("difference"))
    return f"{'x ' if 'ratio' in one else '+ '}{'?' if size is None else f'{size:g}'} ({low} to {high})"


compare = reading_command(
    "compare", lines, Verdict(lambda answer: STATUS.get(answer["verdict"], FINE), MEANING, always=False)
)

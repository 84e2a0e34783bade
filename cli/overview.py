"""`telltale overview`: what is wrong now."""

from __future__ import annotations

from typing import Any, Final

from cli import render
from cli.exits import of_search, telling
from cli.reading import Verdict, reading_command


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    shown = ["open: " + ", ".join(f"{number} {severity}" for severity, number in answer["open"].items())]
    for finding in answer["worst"]:
        shown.append(f"{finding['severity']:8}  {render.cut(finding['untrusted']['why'], 200)}")
        shown.append(f"          telltale findings {render.printable(finding['id'])}")
    for one in answer["moved"]:
        what = "errors" if "errors" in one else "mean_s"
        before, after = one[what]
        shown.append(f"moved     {render.cut(one['name'])}  {what} {before} -> {after}, within the last hour")
        shown.append(f"          telltale series {one['series']}")
    if "stored_rows" in answer:
        shown.append("stored: " + ", ".join(f"{rows:,} {table}" for table, rows in answer["stored_rows"].items()))
    return shown


def status(answer: dict[str, Any]) -> int:
    """By whether findings are open."""
    return of_search(any(answer["open"].values()), answer["coverage"]["complete"])


MEANING: Final = telling("findings are open", "none is, and not everything was judged")
overview = reading_command("overview", lines, Verdict(status, MEANING, always=False))

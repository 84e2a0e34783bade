"""`telltale series`: the list, or one over time."""

from __future__ import annotations

from typing import Any

from cli import render
from cli.reading import reading_command


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer for people."""
    return _one(answer) if "over_time" in answer else _list(answer["series"])


def _list(rows: list[dict[str, Any]]) -> list[str]:
    header = ["id", "service", "operation", "name", "calls", "errors", "p50 s", "p95 s", "versions"]
    return render.table(header, [[*_names(row), *_numbers(row), " ".join(row["versions"])] for row in rows], 40)


def _names(row: dict[str, Any]) -> list[str]:
    return [row["id"], row["service"], row["operation"], row.get("name", "")]


def _numbers(row: dict[str, Any]) -> list[Any]:
    return [row["calls"], row["errors"], row["p50_s"], row["p95_s"]]


def _one(answer: dict[str, Any]) -> list[str]:
    shown = [f"series {'  '.join(render.cut(one) for one in _names(answer) if one)}", ""]
    versions = [[row["version"], render.moment(row["first"]), *_numbers(row)] for row in answer["versions"]]
    shown += [*render.table(["version", "since", "calls", "errors", "p50 s", "p95 s"], versions), ""]
    rows = [[render.moment(row["at"]), *_numbers(row), " ".join(row["versions"])] for row in answer["over_time"]]
    shown += render.table(["from", "calls", "errors", "p50 s", "p95 s", "versions"], rows)
    for verdict in answer["verdicts"]:
        missing = f": needs {render.cut(verdict['missing'], 120)}" if "missing" in verdict else ""
        shown.append(f"{render.cut(verdict['rule'])}: {verdict['state']}{missing}")
    for finding in answer["findings"]:
        shown.append(f"found {finding['severity']} {finding['status']}: {render.cut(finding['untrusted']['why'], 200)}")
        shown.append(f"  telltale findings {render.printable(finding['id'])}")
    return shown


series = reading_command("series", lines)

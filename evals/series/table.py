"""From results to numbers with intervals, and from numbers to the page."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from evals.bounds import median_interval, rate_interval, share_interval
from evals.series.contenders import KINDS
from evals.series.measure import OURS, Changed, Found, Healthy
from evals.series.plan import HALF_A_MINUTE, TARGET_FALSE, TARGETS, WHY_MISSED
from evals.series.worlds import SPENDING

ALL_KINDS: Final = (*KINDS, *SPENDING)

FOUND_HEAD: Final = """\
Spans until told: median (its interval; 9 of 10 series); minutes: median. *within*: told within the target, or after
half a minute. *early*: series in which the rule had spoken before the change."""

CORRELATED: Final = """\
The targets are for calls that are independent. Calls of one session resemble each other, so that a hundred calls of
three sessions say little more than three: where sessions are long, changes take several times as many spans, see
*sessions* below."""

Board = dict[str, Any]
"""`false_alerts`, `worlds`, `found`, `blips`, `replayed`: lists of rows, fit for JSON; and `run`."""

HEAD: Final = f"""\
# Scoreboard

Written by `python -m evals.scoreboard`; do not edit it. Simulated series, seeded; intervals are at 95 %. A false alert
is a `warning` or `critical` on a series in which nothing happened (target: at most {TARGET_FALSE} per series-day).
Delay is counted from the first span of the change to the end of the minute or slot (a quarter of it) after which it was
told; nothing is told sooner than after half a minute. *null* never speaks; *oracle* knows when the change begins. The
published rules are restated from their documentation; what was left out stands at each in
`evals/series/contenders.py`.
"""


def count(
    healthy: Sequence[tuple[Healthy, dict[str, int]]],
    changed: Sequence[tuple[Changed, dict[str, Found]]],
    blips: Sequence[tuple[Changed, dict[str, Found]]],
) -> Board:
    """All numbers of the table."""
    by_rate, by_world = _false_alerts(healthy)
    return {"false_alerts": by_rate, "worlds": by_world, "found": _found(changed), "blips": _blips(blips)}


def _false_alerts(healthy: Iterable[tuple[Healthy, dict[str, int]]]) -> tuple[list[Board], list[Board]]:
    rates: dict[tuple[str, str, float], list[int]] = defaultdict(lambda: [0, 0])
    worlds: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for task, alerts in healthy:
        for name, number in alerts.items():
            who, kind = name.split("/")
            for cell in (
                rates[who, kind, task.rate],
                rates[who, kind, 0.0],
                *([worlds[task.world, kind]] if who == OURS else []),
            ):
                cell[0] += number
                cell[1] += task.days
    by_rate = [_rate({"who": w, "kind": k, "rate": r}, *cell) for (w, k, r), cell in rates.items()]
    by_world = [_rate({"world": w, "kind": k}, *cell) for (w, k), cell in worlds.items()]
    return by_rate, by_world


def _rate(row: Board, alerts: int, days: int) -> Board:
    low, high = rate_interval(alerts, days)
    return row | {"alerts": alerts, "days": days, "per_day": alerts / days, "low": low, "high": high}


def _found(changed: Iterable[tuple[Changed, dict[str, Found]]]) -> list[Board]:
    cells: dict[tuple[str, str, str, float, bool], list[tuple[Changed, Found]]] = defaultdict(list)
    for task, found in changed:
        past = "3,000 spans" if task.past_minutes < 1440 else "3 days"
        scene = f"{task.world}, past of {past}"
        for who, one in found.items():
            cells[who, task.change.name, scene, task.rate, task.change.deploy].append((task, one))
    rows = []
    for (who, change, scene, rate, deploy), pairs in cells.items():
        fair = [one for _, one in pairs if not one.early]
        spans = [one.spans for one in fair]
        hits = [one for one in fair if one.spans < math.inf]
        target = TARGETS.get(change, 0)
        # nothing is told sooner
        within = sum(one.spans <= target or one.minutes <= 0.5 for one in hits)
        median, low, high = median_interval(spans)
        rows.append(
            {"who": who, "change": change, "scene": scene, "rate": rate, "deploy": deploy, "series": len(fair),
             "early": len(pairs) - len(fair), "found": len(hits), "median": _json(median), "low": _json(low),
             "high": _json(high), "p90": _json(sorted(spans)[int(0.9 * (len(spans) - 1))] if spans else math.nan),
             "minutes": _json(median_interval([one.minutes for one in fair])[0]), "target": target, "within": within,
             "wrong_version": sum(deploy and one.version not in {"1001", ""} for one in hits)}
        )  # fmt: skip
    return rows


def _blips(blips: Iterable[tuple[Changed, dict[str, Found]]]) -> list[Board]:
    cells: dict[tuple[str, float], list[Found]] = defaultdict(list)
    for task, found in blips:
        cells[task.change.name, task.rate].append(found[OURS])
    return [
        {"change": change, "rate": rate, "series": len(all_), "told": sum(o.spans < math.inf for o in all_),
         "never_resolved": sum(o.still_open for o in all_)}
        for (change, rate), all_ in cells.items()
    ]  # fmt: skip


def replayed(results: Iterable[dict[str, Any]]) -> list[Board]:
    """Recordings through the whole pipe, by what happened in them."""
    cases: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in results:
        cases[one["case"]].append(one)
    return [
        {"case": case, "series": len(rows), "early": sum(row["early"] for row in rows),
         "found": sum(row["minutes"] is not None for row in rows),
         "minutes": _json(median_interval([math.inf if row["minutes"] is None else row["minutes"] for row in rows])[0]),
         "wrong_version": sum(row["version"] not in {"2", ""} for row in rows)}
        for case, rows in cases.items()
    ]  # fmt: skip


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None


# The page


def markdown(board: Board) -> str:
    """The page, of what `count` gave."""
    parts = [
        *_run_page(board),
        *_target_page(board),
        *_false_page(board),
        *_found_page(board),
        *_blip_page(board),
        *_replayed_page(board),
    ]
    return "\n".join([HEAD, *parts]) + "\n"


def _target_page(board: Board) -> list[str]:
    """Each target with what was reached: after a past of 3,000 spans, with a deploy, by spans a minute."""
    lines = ["## Targets", "", *_head("what", "target", "reached (spans, median, by spans a minute)", "")]
    ours = [row for row in board["false_alerts"] if row["who"] == OURS and not row["rate"]]
    for row in ours:
        verdict = _false_verdict(board, row)
        lines.append(_row(f"false alerts, {row['kind']}", f"{TARGET_FALSE} a series-day", _rate_cell(row), verdict))
    for change, target in TARGETS.items():
        rows = [
            row
            for row in board["found"]
            if (row["who"], row["change"], row["deploy"]) == (OURS, change, True) and "3,000" in row["scene"]
        ]
        told = ", ".join(f"{_n(row['median'])} at {row['rate']:g}" for row in rows)
        lines.append(_row(change, f"{target} spans", told, _verdict(change, target, rows)))
    return [*lines, "", CORRELATED, ""]


def _false_verdict(board: Board, row: Board) -> str:
    """Met or missed, and whether so many days are enough to say so."""
    if row["high"] <= TARGET_FALSE:
        return "met"
    if row["per_day"] <= TARGET_FALSE:
        return "met as counted; so few days do not prove it"
    worlds = _worst_worlds(board, row["kind"])
    return (
        f"missed: {worlds}"
        if row["low"] > TARGET_FALSE
        else f"missed as counted, so few days do not prove it: {worlds}"
    )


def _verdict(change: str, target: int, rows: Sequence[Board]) -> str:
    """Met, or missed at which rates and what limits it there."""
    missed = [row["rate"] for row in rows if row["median"] is None or row["median"] > target]
    if not missed:
        return "met" if rows else "not run"
    reasons = []
    if any(rate / 2 >= target for rate in missed):
        reasons.append(HALF_A_MINUTE)
    if any(rate / 2 < target for rate in missed):
        reasons.append(WHY_MISSED[change])
    return f"missed at {', '.join(f'{rate:g}' for rate in missed)} a minute: {'; '.join(reasons)}"


def _worst_worlds(board: Board, kind: str) -> str:
    rows = sorted((r for r in board["worlds"] if r["kind"] == kind and r["alerts"]), key=lambda r: -r["alerts"])
    return "most of them in " + ", ".join(f"{row['world']} ({row['alerts']} in {row['days']})" for row in rows[:3])


def _run_page(board: Board) -> list[str]:
    """How much of the plan stands here, where it is not all of it."""
    run = board["run"]
    if run["series"] == run["planned"]:
        return []
    return [f"Of {run['planned']:,} planned series {run['series']:,} were run; each row says how many it rests on.", ""]


def _false_page(board: Board) -> list[str]:
    rates = sorted({row["rate"] for row in board["false_alerts"]})
    lines = [
        "## False alerts per series-day, by spans a minute",
        "",
        *_head("who", "finding", *(f"{r:g}" if r else "all" for r in rates)),
    ]
    for who in dict.fromkeys(row["who"] for row in board["false_alerts"]):
        for kind in ALL_KINDS:
            cells = {row["rate"]: row for row in board["false_alerts"] if (row["who"], row["kind"]) == (who, kind)}
            if not cells:
                continue
            lines.append(_row(who, kind, *(_rate_cell(cells[r]) if r in cells else "" for r in rates)))
    lines += ["", "## False alerts per series-day of Telltale, by world", "", *_head("world", *ALL_KINDS)]
    for world in dict.fromkeys(row["world"] for row in board["worlds"]):
        cells = {row["kind"]: row for row in board["worlds"] if row["world"] == world}
        lines.append(_row(world, *(_rate_cell(cells[kind]) if kind in cells else "" for kind in ALL_KINDS)))
    return [*lines, ""]


def _rate_cell(row: Board) -> str:
    return f"{row['per_day']:.3g} ({row['low']:.2g} to {row['high']:.2g}; {row['alerts']} in {row['days']})"


def _found_page(board: Board) -> list[str]:
    lines = [
        "## Changes found", "",
        FOUND_HEAD, "",
        *_head("who", "change", "series", "spans a minute", "with a deploy", "found", "spans", "minutes", "target",
               "within", "early", "wrong version"),
    ]  # fmt: skip
    for row in board["found"]:
        low, high = share_interval(row["within"], row["series"])
        within = f"{row['within']} ({low:.0%} to {high:.0%})" if row["target"] else ""
        spans = f"{_n(row['median'])} ({_n(row['low'])} to {_n(row['high'])}; {_n(row['p90'])})"
        lines.append(
            _row(row["who"], row["change"], row["scene"], f"{row['rate']:g}", "yes" if row["deploy"] else "no",
                 f"{row['found']} of {row['series']}", spans, _n(row["minutes"]), row["target"] or "", within,
                 row["early"], row["wrong_version"] if row["deploy"] else "")
        )  # fmt: skip
    return [*lines, ""]


def _blip_page(board: Board) -> list[str]:
    lines = ["## Blips: five bad minutes", "", *_head("blip", "spans a minute", "told", "never resolved", "series")]
    lines += [
        _row(row["change"], f"{row['rate']:g}", row["told"], row["never_resolved"], row["series"])
        for row in board["blips"]
    ]
    return lines


def _replayed_page(board: Board) -> list[str]:
    what = "OTLP/JSON of 60 calls a minute through `telltale replay`, with version 2 from the 180th minute on."
    head = _head("what happens", "recordings", "alerts before", "found", "minutes", "wrong version")
    return ["", "## End to end", "", what, "", *head] + [
        _row(row["case"], row["series"], row["early"], row["found"], _n(row["minutes"]), row["wrong_version"])
        for row in board["replayed"]
    ]


def _n(value: float | None) -> str:
    return "never" if value is None else f"{value:,.0f}"


def _head(*cells: str) -> list[str]:
    return [_row(*cells), _row(*["---"] * len(cells))]


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"

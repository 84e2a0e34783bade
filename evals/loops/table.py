"""The loop scoreboard as Markdown and as the numbers that later runs are compared with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from evals.bounds import share_interval
from evals.loops.score import TELLTALE, Row

INTRODUCTION: Final = """\
Generated sessions of {loops} loops and {others} look-alikes a dialect, told as each producer would tell them and judged
through `telltale replay`'s own code. An alarm is a finding of `warning` or more. Delay is counted in calls from the end
of the fourth repeat (median; below 0: earlier). Brackets are 95 % intervals (Wilson). The sessions are ours, so these
numbers compare rules and dialects; they do not promise the same on everybody's agents.
"""


def section(rows: Sequence[Row]) -> str:
    """Both tables: everybody by signature strength, and Telltale by dialect."""
    by_strength = [row for row in rows if row.dialect == "all"]
    by_dialect = [row for row in rows if row.dialect != "all" and row.contender == TELLTALE]
    loops, others = (max((getattr(r, f) for r in by_dialect), default=0) for f in ("loops", "look_alikes"))
    head = ("found", "false alarms", "precision", "recall", "delay")
    return "\n".join(
        [
            INTRODUCTION.format(loops=loops, others=others),
            _markdown(("known of a call", "who", *head), ((r.strength, r.contender, *_cells(r)) for r in by_strength)),
            "",
            _markdown(("dialect", "known of a call", *head), ((r.dialect, r.strength, *_cells(r)) for r in by_dialect)),
        ]
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        f"{row.found} of {row.loops}",
        f"{row.false_alarms} of {row.look_alikes}",
        _share(row.found, row.found + row.false_alarms),
        _share(row.found, row.loops),
        "–" if math.isnan(row.delay) else f"{row.delay:g}",
    )


def _share(hits: int, of: int) -> str:
    low, high = share_interval(hits, of)
    return f"{hits / of:.2f} ({low:.2f}–{high:.2f})" if of else "–"


def _markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def numbers(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What is published of Telltale, by dialect."""
    return [
        {
            "dialect": row.dialect, "loops": row.loops, "found": row.found, "look_alikes": row.look_alikes,
            "false_alarms": row.false_alarms, "delay": None if math.isnan(row.delay) else row.delay,
        }
        for row in rows if row.contender == TELLTALE and row.dialect != "all"
    ]  # fmt: skip


def worse(rows: Sequence[Row], published: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence for each number that is worse than the published one's interval."""
    known = {one["dialect"]: one for one in published}
    said = []
    for row in rows:
        one = known.get(row.dialect)
        if one is None or row.contender != TELLTALE:
            continue
        least, _ = share_interval(one["found"], one["loops"])
        _, most = share_interval(one["false_alarms"], one["look_alikes"])
        if row.recall < least:
            said.append(f"{row.dialect}: recall {row.recall:.3f}, published at least {least:.3f}")
        if row.false_alarms / max(1, row.look_alikes) > most:
            said.append(f"{row.dialect}: {row.false_alarms} false alarms of {row.look_alikes}, published {most:.3f}")
        if one["delay"] is not None and row.delay > one["delay"] + 1:
            said.append(f"{row.dialect}: delay {row.delay:g} calls, published {one['delay']:g}")
    return said

"""Tell generated jobs in every dialect, replay them, and count: cases found, look-alikes flagged."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from evals.bounds import share_interval
from evals.loops.score import replayed
from evals.loops.sessions import Script, place
from evals.loops.tellings import DIALECTS, STRENGTHS, tell
from evals.retries.kinds import DAY_S, DUE, LOOK_ALIKES, RETRIED, Job
from schemas.finding import Finding

SEEDS: Final = 10
RULE: Final = "retried_failure"
SECOND_NS: Final = 1_000_000_000
START_UNIX_NANO: Final = 1_600_000_000 * SECOND_NS
"""Long ago: jobs take days, and no recording comes from the future."""
PAUSE_S: Final = 2 * DAY_S
"""Between two jobs: longer than the rule looks back."""

INTRODUCTION: Final = """\
Jobs that are started again and again (`retried_failure`): {jobs} that fail on the same item in each session, {others}
look-alikes a dialect, through `telltale replay`'s own code. Flagged: a finding of `warning` or more. Late: found after
the fourth session. Brackets are 95 % intervals (Wilson). Where the text of errors is hidden nobody can tell whether
they are the same: such jobs stay `suspect` by design.
"""


class Row(NamedTuple):
    """One dialect, or all dialects that tell as much of a call."""

    what: str
    jobs: int
    found: int
    late: int
    look_alikes: int
    flagged: int

    def plus(self, other: Row) -> Row:
        """Both, under this one's name."""
        return Row(self.what, *(mine + its for mine, its in zip(self[1:], other[1:], strict=True)))


def rows(
    seeds: int = SEEDS, dialects: Sequence[str] = DIALECTS, progress: Callable[[str], None] = lambda dialect: None
) -> list[Row]:
    """A row for each strength that a dialect can have."""
    found: dict[str, Row] = {}
    for dialect in dialects:
        progress(f"retries, {dialect}")
        row = judge(dialect, seeds)
        strength = STRENGTHS[dialect]
        found[strength] = found[strength].plus(row) if strength in found else row._replace(what=strength)
    return list(found.values())


def judge(dialect: str, seeds: int = SEEDS) -> Row:
    """Every kind with every seed, told in one dialect."""
    jobs: list[tuple[Job, list[str]]] = []
    told: list[tuple[int, bytes]] = []
    start = START_UNIX_NANO
    for (index, make), seed in itertools.product(enumerate((*RETRIED, *LOOK_ALIKES)), range(seeds)):
        job = make(random.Random(f"{index}/{seed}"))
        names = [f"{make.__name__}-{seed}-{number}" for number in range(len(job.sessions))]
        for number, (name, rounds) in enumerate(zip(names, job.sessions, strict=True)):
            begins = start + number * job.apart_s * SECOND_NS
            calls = list(place(Script(job.kind, False, rounds), name, begins, seed))
            told += [(begins, line.encode()) for line in tell(dialect, name, calls)]
        jobs.append((job, names))
        start += (len(names) * job.apart_s + PAUSE_S) * SECOND_NS
    found, _ = replayed([line for _, line in sorted(told, key=lambda one: one[0])])
    row = Row(dialect, 0, 0, 0, 0, 0)
    for job, names in jobs:
        row = row.plus(_counted(job, _alarms(names, found)))
    return row


def _alarms(names: Sequence[str], found: dict[str, list[Finding]]) -> list[int]:
    """The numbers of the sessions with whose failure an alarm came."""
    return [
        number
        for number, name in enumerate(names)
        if any(f.rule == RULE and f.severity != "suspect" and f.status != "resolved" for f in found.get(name, ()))
    ]


def _counted(job: Job, alarms: Sequence[int]) -> Row:
    if job.retried:
        return Row("", 1, bool(alarms), bool(alarms) and min(alarms) > DUE, 0, 0)
    return Row("", 0, 0, 0, 1, bool(alarms))


def section(told: Sequence[Row], seeds: int = SEEDS) -> str:
    """The table as Markdown."""
    lines = [
        INTRODUCTION.format(jobs=seeds * len(RETRIED), others=seeds * len(LOOK_ALIKES)),
        "| known of a call | found | of those late | look-alikes flagged |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.what} | {_share(row.found, row.jobs)} | {row.late} | {_share(row.flagged, row.look_alikes)} |"
        for row in told
    ]
    return "\n".join(lines)


def _share(hits: int, of: int) -> str:
    low, high = share_interval(hits, of)
    return f"{hits} of {of} ({low:.3f}–{high:.3f})"

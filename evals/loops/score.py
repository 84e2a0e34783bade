"""Tell generated sessions in every dialect, let everybody judge them, and count: precision, recall, delay."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from evals.loops.contenders import PUBLISHED
from evals.loops.kinds import LOOK_ALIKES, LOOPS
from evals.loops.sessions import START_UNIX_NANO, Placed, Script, place
from evals.loops.tellings import DIALECTS, LOGS, STRENGTHS, tell
from pipeline.assembly import detectors
from pipeline.normalize import Normalizer
from pipeline.redaction import RedactionPolicy, Redactor
from pipeline.replay import Replay
from pipeline.sessions import Dialect, Facts, SessionModel, load_all
from pipeline.settings import Settings
from schemas.facts import ToolCall
from schemas.finding import Finding

SEEDS: Final = 20
SPACING_NS: Final = 3_600_000_000_000
"""Between the starts of two sessions."""
PROMPTS: Final = "the user asks again"
"""The one kind that only dialects which tell of prompts can tell."""
ORACLE: Final = "oracle"
TELLTALE: Final = "Telltale"


class Row(NamedTuple):
    """One contender on one dialect (or all dialects of one strength)."""

    contender: str
    dialect: str
    strength: str
    loops: int
    found: int
    false_alarms: int
    look_alikes: int
    delays: tuple[int, ...]
    """Of each loop found: calls from the end of its fourth repeat to the alarm; below 0 = earlier."""

    @property
    def precision(self) -> float:
        """Of the alarms those that are right; NaN without alarms."""
        alarms = self.found + self.false_alarms
        return self.found / alarms if alarms else math.nan

    @property
    def recall(self) -> float:
        """Of the loops those that were told."""
        return self.found / self.loops if self.loops else math.nan

    @property
    def delay(self) -> float:
        """Median of the delays; NaN where nothing was found."""
        return statistics.median(self.delays) if self.delays else math.nan


class Judged(NamedTuple):
    """What was said of one session by one contender: the number of the call, -1 = nothing."""

    contender: str
    dialect: str
    script: Script
    at: int


def rows(
    seeds: int = SEEDS, dialects: Sequence[str] = DIALECTS, progress: Callable[[str], None] = lambda dialect: None
) -> list[Row]:
    """The table: every contender on every dialect, then on all dialects of each strength."""
    judged: list[Judged] = []
    for dialect in dialects:
        progress(dialect)
        judged += judge(dialect, seeds)
    contenders = [*PUBLISHED, ORACLE, TELLTALE]
    table = [
        _row(
            [j for j in judged if (j.contender, j.dialect) == (contender, dialect)],
            contender,
            dialect,
            STRENGTHS[dialect],
        )
        for dialect in dialects
        for contender in contenders
    ]
    for strength in dict.fromkeys(STRENGTHS[d] for d in dialects):
        for contender in contenders:
            of = [j for j in judged if j.contender == contender and STRENGTHS[j.dialect] == strength]
            table.append(_row(of, contender, "all", strength))
    return table


def _row(judged: Sequence[Judged], contender: str, dialect: str, strength: str) -> Row:
    loops = [j for j in judged if j.script.loops]
    others = [j for j in judged if not j.script.loops]
    found = [j for j in loops if j.at >= 0]
    return Row(
        contender, dialect, strength, len(loops), len(found), sum(1 for j in others if j.at >= 0), len(others),
        tuple(sorted(j.at - j.script.due for j in found)),
    )  # fmt: skip


def judge(dialect: str, seeds: int = SEEDS) -> Iterator[Judged]:
    """Every kind with every seed, told in one dialect, judged by everybody."""
    placed: dict[str, tuple[Script, list[Placed]]] = {}
    lines: list[bytes] = []
    start = START_UNIX_NANO
    for (index, make), seed in itertools.product(enumerate((*LOOPS, *LOOK_ALIKES)), range(seeds)):
        script = make(random.Random(f"{index}/{seed}"))
        if script.kind == PROMPTS and dialect not in LOGS:
            continue
        name = f"{make.__name__}-{seed}"
        calls = list(place(script, name, start, seed))
        placed[name] = script, calls
        lines += [line.encode() for line in tell(dialect, name, calls)]
        start += SPACING_NS
    found, facts = replayed(lines)
    for name, (script, calls) in placed.items():
        yield Judged(TELLTALE, dialect, script, _alarm(found.get(name, []), calls))
        yield Judged(ORACLE, dialect, script, script.due if script.loops else -1)
        told = sorted(facts.get(name, []), key=lambda call: call.start_time_unix_nano)
        for contender, rule in PUBLISHED.items():
            yield Judged(contender, dialect, script, rule(told))


def _alarm(found: Iterable[Finding], calls: Sequence[Placed]) -> int:
    """The number of the call whose end was the first alarm of `warning` or more."""
    times = [f.detected_at_unix_nano for f in found if f.severity != "suspect" and f.reason != "superseded"]
    if not times:
        return -1
    ends = sorted(call.end for call in calls)
    return sum(1 for end in ends if end < min(times))


def replayed(lines: Sequence[bytes]) -> tuple[dict[str, list[Finding]], dict[str, list[ToolCall]]]:
    """Every revision of every finding, and every tool call, by session."""
    found: dict[str, list[Finding]] = {}
    facts: dict[str, list[ToolCall]] = {}
    settings = Settings(data_dir=Path("unused"))
    redactor = Redactor(RedactionPolicy(emails=False, enabled=True))
    model = _Heard(load_all(), redactor)
    run = Replay(
        Normalizer(model, redactor, settings.max_series), detectors(), settings, _refuse,
        lambda finding: found.setdefault(finding.session_id, []).append(finding),
    )  # fmt: skip
    for line in lines:
        run.feed(line)
    run.finish()
    run.findings.close()
    for call in model.tool_calls:
        facts.setdefault(call.session_id, []).append(call)
    return found, facts


class _Heard(SessionModel):
    """The session model, which keeps the tool calls that it read for those who judge without Telltale."""

    def __init__(self, dialects: Iterable[Dialect], redactor: Redactor) -> None:
        super().__init__(dialects, redactor)
        self.tool_calls: list[ToolCall] = []

    def facts(self, signal: str, table: pa.Table) -> Facts:
        """As the session model reads them."""
        found = super().facts(signal, table)
        self.tool_calls += found.tool_calls
        return found


def _refuse(line: int, reason: str) -> None:
    raise ValueError(f"line {line} of the generated sessions is wrong: {reason}")

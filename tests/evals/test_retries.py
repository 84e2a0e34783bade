"""Jobs retried by fresh sessions, on the scoreboard: what it shows is so."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from evals.bounds import share_interval
from evals.loops.tellings import STRENGTHS
from evals.retries.kinds import LOOK_ALIKES, RETRIED
from evals.retries.score import Row, judge, section
from evals.scoreboard import RETRIES

PAGE = Path(__file__).parents[2] / "docs" / "scoreboard.md"


def published() -> dict[str, list[str]]:
    _, table = PAGE.read_text(encoding="utf-8").split(f"\n{RETRIES}\n")
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {what: numbers for what, *numbers in rows}


def counted(cell: str) -> tuple[int, int]:
    hits, _, of = cell.split(" (", maxsplit=1)[0].split()
    return int(hits), int(of)


@pytest.mark.parametrize("make", [*RETRIED, *LOOK_ALIKES], ids=lambda make: make.__name__)
def test_a_job_is_the_same_for_the_same_seed(make: type) -> None:
    assert make(random.Random("7")) == make(random.Random("7"))


@pytest.mark.parametrize("dialect", ["genai", "codex", "claude_code, details", "claude_code"])
def test_no_published_number_has_become_worse_than_its_interval(dialect: str) -> None:
    row = judge(dialect, 2)
    found, late, flagged = published()[STRENGTHS[dialect]]
    assert row.found / row.jobs >= share_interval(*counted(found))[0]
    assert row.flagged / row.look_alikes <= share_interval(*counted(flagged))[1]
    assert not row.late or late != "0"


def test_the_table_says_how_many_of_how_many() -> None:
    row = Row("full", 4, 3, 1, 6, 0).plus(Row("x", 4, 4, 0, 6, 1))
    assert section([row], 1).splitlines()[-1] == "| full | 7 of 8 (0.529–0.978) | 1 | 1 of 12 (0.015–0.354) |"

"""The loop scoreboard: its generators, its dialects, and that no published number has become worse."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from functools import cache

import pytest

from evals.bounds import share_interval
from evals.loops.__main__ import PUBLISHED
from evals.loops.kinds import LOOK_ALIKES, LOOPS
from evals.loops.score import ORACLE, PROMPTS, TELLTALE, Judged, Row, judge, rows
from evals.loops.sessions import START_UNIX_NANO, place
from evals.loops.table import section, worse
from evals.loops.tellings import DIALECTS, STRENGTHS, tell
from pipeline.sessions import load_all

SEEDS = 2
FULL = tuple(dialect for dialect, strength in STRENGTHS.items() if strength == "full")


@cache
def judged(dialect: str) -> tuple[Judged, ...]:
    return tuple(judge(dialect, SEEDS))


def said(dialect: str, contender: str = TELLTALE) -> dict[tuple[str, int], int]:
    """(kind, which of its sessions) -> the call at which it was told, -1 = never."""
    seen: dict[str, int] = defaultdict(int)
    at = {}
    for one in judged(dialect):
        if one.contender == contender:
            at[one.script.kind, seen[one.script.kind]] = one.at
            seen[one.script.kind] += 1
    return at


def test_every_dialect_of_a_producer_is_told() -> None:
    told = {dialect.split(",", maxsplit=1)[0] for dialect in DIALECTS}
    ours = {"telltale_guard"}  # no agent's telemetry: `tests/guard` tells it
    assert {dialect.name for dialect in load_all()} - told == ours


@pytest.mark.parametrize("make", [*LOOPS, *LOOK_ALIKES], ids=lambda make: make.__name__)
def test_a_kind_is_the_same_for_the_same_seed(make: type) -> None:
    script = make(random.Random("7"))
    assert script == make(random.Random("7"))
    calls = list(place(script, "s", START_UNIX_NANO, 7))
    assert script.loops == (script.due >= 0)
    assert script.due < len(calls)
    assert [list(tell(d, "s", calls)) for d in ("genai", "codex")] == [
        list(tell(d, "s", calls)) for d in ("genai", "codex")
    ]


@pytest.mark.parametrize("dialect", FULL)
def test_the_same_session_has_the_same_verdict_in_every_dialect_that_tells_it_in_full(dialect: str) -> None:
    expected = {key: at >= 0 for key, at in said("genai").items()}
    assert {key: at >= 0 for key, at in said(dialect).items() if key[0] != PROMPTS} == expected


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nothing_healthy_is_an_alarm_whatever_a_dialect_tells(dialect: str) -> None:
    assert [
        (j.script.kind, j.at) for j in judged(dialect) if j.contender == TELLTALE and not j.script.loops and j.at >= 0
    ] == []


@pytest.mark.parametrize("dialect", FULL)
def test_every_loop_told_in_full_is_an_alarm_within_one_call_of_its_fourth_repeat(dialect: str) -> None:
    loops = [j for j in judged(dialect) if j.contender == TELLTALE and j.script.loops]
    assert [(j.script.kind, j.at - j.script.due) for j in loops if j.at < 0 or j.at > j.script.due + 1] == []


def test_the_oracle_is_right_and_the_null_detector_is_silent() -> None:
    for row in rows(1, ("genai",)):
        if row.contender == ORACLE:
            assert (row.recall, row.precision, row.delay) == (1.0, 1.0, 0.0)
        if row.contender == "null":
            assert row.found == row.false_alarms == 0


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_published_number_has_become_worse_than_its_interval(dialect: str) -> None:
    mine = [j for j in judged(dialect) if j.contender == TELLTALE]
    loops, others = [j for j in mine if j.script.loops], [j for j in mine if not j.script.loops]
    found = [j for j in loops if j.at >= 0]
    row = Row(
        TELLTALE, dialect, STRENGTHS[dialect], len(loops), len(found), sum(j.at >= 0 for j in others), len(others),
        tuple(j.at - j.script.due for j in found),
    )  # fmt: skip
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert dialect in {one["dialect"] for one in published}
    assert worse([row], published) == []


def test_a_worse_number_is_named() -> None:
    published = [{"dialect": "genai", "loops": 100, "found": 100, "look_alikes": 100, "false_alarms": 0, "delay": 0.0}]
    row = Row(TELLTALE, "genai", "full", 10, 8, 2, 10, (3,) * 8)
    assert [sentence.split(":")[0] for sentence in worse([row], published)] == ["genai"] * 3
    assert worse([row._replace(found=10, false_alarms=0, delays=(0,) * 10)], published) == []


def test_wilsons_interval_holds_the_share_and_is_wide_for_few() -> None:
    assert share_interval(0, 0) == (0.0, 1.0)
    low, high = share_interval(8, 10)
    assert low == pytest.approx(0.490, abs=0.001)
    assert high == pytest.approx(0.943, abs=0.001)
    assert share_interval(20, 20)[1] == 1.0


def test_the_table_shows_everybody() -> None:
    text = section(rows(1, ("genai", "claude_code")))
    for name in ("null", "oracle", "Telltale", "OpenLIT's count", "Gemini CLI's rule", "OpenHands' rules"):
        assert f"| {name} |" in text

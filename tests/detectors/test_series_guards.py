"""What looks like a change and is none: seasons, other work, one session; and what is one in spite of them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from detectors.series.season import HOUR_S, Season
from evals.series.contenders import Ours
from evals.series.measure import BY_NAME, rules
from evals.series.worlds import Change, simulate
from schemas.facts import Slice

RULES = rules()
DAY = 1440


def alerts(kind: str, series: Iterable[list[Slice]]) -> list[int]:
    """Minutes in which a warning or critical finding was opened."""
    judge = Ours(RULES[kind])
    return [m for m, slices in enumerate(series) for a in judge.minute(m, slices) if not a.resolved]


@pytest.mark.parametrize("world", ["daily season 30 %", "mix shifts", "sessions", "harmless deploys"])
def test_nothing_is_told_where_nothing_happened(world: str) -> None:
    assert alerts("latency_regression", simulate(BY_NAME[world], 10.0, 3 * DAY, 5)) == []


def test_what_comes_on_top_of_a_season_is_told() -> None:
    change = Change(start=3 * DAY, slower=2.0)
    found = alerts("latency_regression", simulate(BY_NAME["daily season 30 %"], 10.0, 3 * DAY + 240, 6, change))
    assert found
    assert all(3 * DAY <= minute < 3 * DAY + 120 for minute in found)


def test_the_same_hour_of_other_days_is_remembered_and_what_is_suspected_is_left_out() -> None:
    season = Season()
    for hour in range(72):
        for minute in range(0, HOUR_S, 60):
            season.absorb(hour * HOUR_S + minute, (10, 10.0 * (hour % 24)))
    day = season.yesterdays(71 * HOUR_S, 71 * HOUR_S + 1800)
    assert day is not None
    assert day.location == pytest.approx(23.0)
    assert season.yesterdays(10 * HOUR_S, 10 * HOUR_S + 60) is None
    assert season.last_week(71 * HOUR_S, 71 * HOUR_S + 60) is None
    slope, error = season.trend(70 * HOUR_S)
    assert slope == pytest.approx(1.0)
    assert 0 < error < 0.1


def test_the_season_is_bounded() -> None:
    season = Season()
    for hour in range(1000):
        season.absorb(hour * HOUR_S, (1, 1.0))
    assert len(season.hours) == 192
    assert Season.of_list(season.as_list()).as_list() == season.as_list()

"""What looks like a change and is none: seasons, other work, one session; and what is one in spite of them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest

from detectors.series.season import HOUR_S, Season
from evals.series.contenders import Ours
from evals.series.measure import BY_NAME, rules
from evals.series.worlds import Change, simulate
from schemas.facts import Slice
from tests.detectors.conformance.laws import LATENCY, SECOND_NS
from tests.detectors.test_series import BASE, as_slice, observations, told, watermark

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


def working_days(days: int, slower: float, quiet: tuple[int, ...]) -> list[Any]:
    """Twenty calls each five minutes, slower from nine to five but on quiet days."""
    rng = random.Random(7)
    events: list[Any] = []
    for minute in range(0, days * DAY, 5):
        day, hour = divmod(minute // 60, 24)
        # a ramp of an hour and a half, as work begins
        load = 0 if day in quiet else max(0.0, min(1.0, (hour + minute % 60 / 60 - 8) / 1.5, (18 - hour) / 2))
        events += [as_slice(minute, observations(rng, 20, median_ms=200 * (1 + slower * load))), watermark(minute)]
    return events


def test_the_first_monday_after_a_calm_weekend_is_held_against_the_friday_before() -> None:
    week = working_days(5, 0.6, quiet=(2, 3))
    monday = [f for f in told(LATENCY, week) if f.first_seen_unix_nano // SECOND_NS >= BASE + 4 * DAY * 60]
    assert monday == []
    worse = [*working_days(4, 0.6, quiet=(2, 3)), *working_days(5, 2.0, quiet=())[2 * 4 * DAY // 5 :]]
    assert [f for f in told(LATENCY, worse) if f.first_seen_unix_nano // SECOND_NS >= BASE + 4 * DAY * 60]


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

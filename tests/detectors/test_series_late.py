"""Slices that come late, and versions that are seldom heard of: a series waits as long as its telemetry asks for."""

from __future__ import annotations

import random
from typing import Any

import pytest

from detectors.series.lateness import BOUNDS_S, MEMORY, Lateness
from detectors.series.season import HOUR_S, Season
from schemas.facts import Slice
from schemas.finding import NEW_NORMAL, VERSION_GONE
from tests.detectors.conformance.laws import ERRORS, LATENCY, SECOND_NS, fold
from tests.detectors.test_series import BASE, as_slice, observations, told, watermark


def test_what_comes_in_time_is_not_waited_for() -> None:
    lateness = Lateness()
    for _ in range(100):
        lateness.note(0, 20)
    assert lateness.wait_s == 0


@pytest.mark.parametrize(
    ("late_s", "wait_s"), [(1, 60), (60, 60), (61, 150), (151, 330), (330, 330), (331, 0), (10**9, 0)]
)
def test_what_is_often_late_is_waited_for_and_what_is_too_late_is_not(late_s: int, wait_s: int) -> None:
    lateness = Lateness()
    for number in range(200):
        lateness.note(late_s if number % 10 == 0 else 0, 5)
    assert lateness.wait_s == wait_s
    assert Lateness.of_list(lateness.as_list()).wait_s == wait_s


def test_a_few_that_were_late_are_forgotten() -> None:
    lateness = Lateness()
    lateness.note(0, 300)
    lateness.note(200, 40)
    assert lateness.wait_s == BOUNDS_S[-1]
    for _ in range(5 * MEMORY):
        lateness.note(0, 1)
    assert lateness.wait_s == 0


def test_one_that_is_late_now_and_then_never_adds_up() -> None:
    lateness = Lateness()
    waits = set()
    for _ in range(100):
        lateness.note(200, 1)
        waits.add(lateness.wait_s)
        for _ in range(50):
            lateness.note(0, 20)
    assert waits == {0}


@pytest.mark.parametrize("observed", [0, 1, MEMORY, 10**12])
def test_any_number_may_be_late(observed: int) -> None:
    lateness = Lateness()
    for late_s in (-(2**40), 0, 100, 2**40):
        lateness.note(late_s, observed)
    assert sum(lateness.as_list()) <= MEMORY + 1e-6


def exported(minutes: int, every: int, change: int) -> list[Slice]:
    """A steady pod, and one that is exported every few minutes and takes three times as long from `change` on."""
    rng = random.Random(3)
    events: list[Slice] = []
    kept: list[Slice] = []
    for minute in range(minutes):
        events.append(as_slice(minute, observations(rng, 20)))
        kept.append(as_slice(minute, observations(rng, 10, median_ms=600 if minute >= change else 200), "2"))
        if minute % every == every - 1:
            events += kept
            kept = []
    return events


def test_a_pod_that_is_exported_every_five_minutes_is_judged_with_the_others() -> None:
    state, _ = fold(LATENCY, exported(90, 5, change=90))
    assert state.baseline.marks["version=2"][0] > 0.8 * 90 * 10
    _, found = fold(LATENCY, [*exported(120, 5, change=90), watermark(130)])
    assert {f.version for f in found} == {"2"}


def canary(minutes: int, gap: int, change: int = 120) -> list[Any]:
    """A version that is heard of once in `gap` minutes from `change` on, and takes four times as long."""
    rng = random.Random(4)
    events: list[Any] = []
    for minute in range(minutes):
        events.append(as_slice(minute, observations(rng, 20)))
        if minute >= change and minute % gap == 0:
            events.append(as_slice(minute, observations(rng, 2, median_ms=800), "2"))
    return [*events, watermark(minutes + 1)]


@pytest.mark.parametrize(("gap", "reasons"), [(40, set()), (1, {VERSION_GONE})])
def test_a_version_is_gone_when_it_is_silent_for_longer_than_it_usually_is(gap: int, reasons: set[str]) -> None:
    rng = random.Random(5)
    heard = canary(120 + 30 * gap, gap)[:-1]
    silent = [as_slice(120 + 30 * gap + minute, observations(rng, 20)) for minute in range(39)]
    found = told(LATENCY, [*heard, *silent, watermark(120 + 30 * gap + 40)])
    assert found[0].version == "2"
    assert {f.reason for f in found if f.status == "resolved"} - {NEW_NORMAL} == reasons


def test_what_is_sure_is_told_on_half_the_observations() -> None:
    rng = random.Random(6)
    shares = [0.02] * 300 + [1.0] * 20
    events = [as_slice(minute, observations(rng, 2, failing=share)) for minute, share in enumerate(shares)]
    [first, *_] = told(ERRORS, [*events, watermark(320)])
    began = BASE + 300 * 60
    assert began + 180 <= first.detected_at_unix_nano // SECOND_NS <= began + 360
    assert 10 <= first.count < 20


def test_an_hour_of_yesterday_counts_by_how_much_of_it_the_window_covers() -> None:
    season = Season()
    for minute in range(0, 24 * HOUR_S, 60):
        season.absorb(minute, (10, 20.0 * 10 if 2 * HOUR_S <= minute < 4 * HOUR_S else 0.0))
    day = 24 * HOUR_S
    just_over = season.yesterdays(day + 2 * HOUR_S, day + 4 * HOUR_S)
    assert just_over is not None
    assert just_over.location == pytest.approx(20, rel=0.01)
    half = season.yesterdays(day + 3 * HOUR_S, day + 5 * HOUR_S - 60)
    assert half is not None
    assert half.location == pytest.approx(10)

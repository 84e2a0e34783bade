"""Within a minute: a busy series is looked at slot by slot; a stall is told by neither look nor minute."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from detectors.series.state import SeriesState
from detectors.series.totals import MAX_VERSIONS
from schemas.facts import SLOT_S, Slice
from schemas.histogram import bucket
from tests.detectors.conformance.laws import ERRORS, LATENCY, SECOND_NS, fold
from tests.detectors.test_series import BASE, as_slice, observations, stretch, told, watermark

SLOTS = 60 // SLOT_S
GRACE_S = 20


def slot_slice(slot: int, seen: list[tuple[int, bool, int]], version: str = "1") -> Slice:
    return as_slice(slot // SLOTS, seen, version)._replace(second=slot % SLOTS * SLOT_S)


def closing(slot: int) -> int:
    return (BASE + (slot + 1) * SLOT_S + GRACE_S) * SECOND_NS


def slots(first: int, count: int, calls: int = 15, seed: int = 1, version: str = "1", **given: Any) -> Iterator[Any]:
    """Slots of a busy series, each followed by the watermark that closes it."""
    rng = random.Random(seed)
    for slot in range(first, first + count):
        yield slot_slice(slot, observations(rng, calls, **given), version)
        yield closing(slot)


def test_a_busy_series_is_told_before_the_minute_is_over() -> None:
    change = 60 * SLOTS
    events = [*slots(0, change), *slots(change, 3, seed=2, version="2", median_ms=900)]
    first, *others = told(LATENCY, events)
    assert others == []
    assert (first.version, first.severity, first.status) == ("2", "critical", "open")
    began = BASE + change * SLOT_S
    assert first.detected_at_unix_nano // SECOND_NS in {began + 2 * SLOT_S, began + 3 * SLOT_S}
    assert first.last_seen_unix_nano == first.detected_at_unix_nano
    assert first.first_seen_unix_nano // SECOND_NS in {began, began - SLOT_S}


def test_an_error_spike_is_told_before_the_minute_is_over_and_goes_on_with_the_next() -> None:
    change = 60 * SLOTS
    events = [*slots(0, change, failing=0.02), *slots(change, 12 * SLOTS, seed=2, failing=0.6)]
    found = told(ERRORS, events)
    assert found[0].detected_at_unix_nano // SECOND_NS < BASE + change * SLOT_S + 60
    assert {f.id for f in found} == {found[0].id}
    assert found[-1].reason == "lasting"
    assert found[-1].count > 4 * found[0].count


def work(slot: int, quick: int, thorough: int, rng: random.Random) -> Slice:
    """Calls of two agents, one of which takes ten times as long."""
    each = {"quick": observations(rng, quick), "thorough": observations(rng, thorough, median_ms=2000)}
    marks = {f"agent={name}": [len(s), 0, len(s), sum(bucket(d) for d, _, _ in s)] for name, s in each.items() if s}
    return slot_slice(slot, [*each["quick"], *each["thorough"]])._replace(marks=marks)


def test_what_would_be_no_alert_waits_for_the_end_of_the_minute() -> None:
    rng = random.Random(1)
    change = 60 * SLOTS
    events: list[Any] = []
    for slot in range(change + SLOTS):
        events += [work(slot, 12, 3, rng) if slot < change else work(slot, 0, 15, rng), closing(slot)]
    first, *_ = told(LATENCY, [*events, watermark(60)])
    assert (first.severity, first.detected_at_unix_nano // SECOND_NS) == ("suspect", BASE + change * SLOT_S + 60)
    assert "another mix by agent" in first.why


@pytest.mark.parametrize("at", range(SLOTS))
def test_a_stall_of_a_quarter_of_a_minute_is_not_told(at: int) -> None:
    stall = 60 * SLOTS + at
    events = [
        *slots(0, stall, calls=100),
        *slots(stall, 1, calls=100, seed=2, median_ms=1000),
        *slots(stall + 1, 20 * SLOTS, calls=100, seed=3),
    ]
    assert told(LATENCY, events) == []


def test_what_lasts_for_half_a_minute_and_more_is_told_of_the_same_series() -> None:
    change = 60 * SLOTS
    events = [*slots(0, change, calls=100), *slots(change, SLOTS, calls=100, seed=2, median_ms=1000)]
    assert [(f.status, f.count) for f in told(LATENCY, events)] == [("open", 200), ("updated", 400)]


@pytest.mark.parametrize("seed", range(6))
def test_how_slots_were_cut_into_slices_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)
    seen = {slot: observations(rng, 18, median_ms=200 if slot < 200 else 700) for slot in range(216)}
    whole = [event for slot, calls in seen.items() for event in (slot_slice(slot, calls), closing(slot))]
    cut: list[Any] = []
    for slot, calls in seen.items():
        at = sorted(rng.randrange(1, 18) for _ in range(2))
        parts = [part for part in (calls[: at[0]], calls[at[0] : at[1]], calls[at[1] :]) if part]
        cut += [slot_slice(slot, part) for part in rng.sample(parts, len(parts))]
        cut += [closing(slot)] if slot % 5 else []
    whole.append(watermark(54))
    cut.append(watermark(54))
    assert told(LATENCY, whole)
    assert [repr(f) for f in told(LATENCY, cut)] == [repr(f) for f in told(LATENCY, whole)]


def test_what_comes_late_for_its_slot_still_counts_in_its_minute() -> None:
    rng = random.Random(1)
    events = [*slots(0, 2, calls=15), slot_slice(0, observations(rng, 5)), *slots(2, 2, seed=2), watermark(1)]
    state, _ = fold(LATENCY, events)
    assert state.baseline.count == 65


def test_versions_that_come_late_for_their_slot_are_bounded_too() -> None:
    rng = random.Random(1)
    late = [slot_slice(0, observations(rng, 1), version=f"{n}") for n in range(200)]
    state, _ = fold(LATENCY, [slot_slice(7, observations(rng, 1)), *late])
    taken, open_still = state.parts[BASE], state.slots[BASE]
    assert max(len(taken), len(open_still)) == MAX_VERSIONS + 1
    assert sum(totals.count for versions in (taken, open_still) for totals in versions.values()) == 200


@pytest.mark.parametrize(("calls", "median_ms", "wait_s"), [(11, 900, 60), (15, 100, 60), (15, 900, SLOT_S)])
def test_only_a_busy_slot_that_looks_raised_is_asked_for_before_the_minute_is_over(
    calls: int, median_ms: float, wait_s: int
) -> None:
    state, _ = fold(LATENCY, list(stretch(0, 60)))
    seen = observations(random.Random(1), calls, median_ms=median_ms)
    state, _ = LATENCY.observe(state, slot_slice(60 * SLOTS, seen))
    assert LATENCY.due(state) == (BASE + 60 * 60 + wait_s + GRACE_S) * SECOND_NS


def test_a_state_of_before_slots_is_read() -> None:
    state, [first, *_] = fold(LATENCY, [*stretch(0, 120), *stretch(120, 12, seed=2, median_ms=900)])
    assert state.alert is not None
    fields = orjson.loads(state.encode())
    old = fields[:-3]
    names, old = state.alert.__slots__, orjson.loads(orjson.dumps(old))
    for name in ("last", "detected"):
        old[-1][names.index(name)] -= 60
    again = SeriesState.decode(orjson.dumps(old))
    assert orjson.loads(again.encode())[:-2] == fields[:-2]
    assert again.alert is not None
    assert again.alert.detected == first.detected_at_unix_nano // SECOND_NS

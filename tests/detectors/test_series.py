"""Latency regressions and error spikes: what is told, when, about which version, and what is not."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.series.detector import SeriesDetector
from detectors.series.dispersion import Dispersion
from detectors.series.evidence import Cusum, Frame, Scores
from detectors.series.totals import Totals
from schemas.facts import Exemplar, Slice
from schemas.finding import Finding
from schemas.histogram import bucket
from tests.detectors.conformance.laws import ERRORS, LATENCY, SECOND_NS, fold, minute_slice

Observed = tuple[int, bool, int]
"""Duration in ns, failed, session."""

BASE = minute_slice(0).minute_unix_s


def observations(rng: random.Random, count: int, median_ms: float = 200, failing: float = 0.0) -> list[Observed]:
    """Log-normal latencies with sigma 0.8, each of a session of its own."""
    return [
        (int(median_ms * 1e6 * math.exp(rng.gauss(0, 0.8))), rng.random() < failing, rng.getrandbits(40))
        for _ in range(count)
    ]


def as_slice(minute: int, seen: list[Observed], version: str = "1", kind: str = "timeout") -> Slice:
    """What the pipeline makes of a batch of observations."""
    histogram: dict[int, int] = {}
    good = [d for d, failed, _ in seen if not failed]
    for duration in good:
        histogram[bucket(duration)] = histogram.get(bucket(duration), 0) + 1
    errors = len(seen) - len(good)
    at = (BASE + minute * 60) * SECOND_NS
    slowest = [Exemplar("t", f"m{minute}d{d}", at, d, "ok") for d in sorted(good, reverse=True)[:3]]
    return minute_slice(
        minute, service_version=version, count=len(seen), errors=errors, histogram=histogram,
        error_types={kind: errors} if errors else {}, exemplars=tuple(slowest),
        session_hashes=tuple(sorted({s * 2654435761 % 2**32 for _, _, s in seen})[:16]),
    )  # fmt: skip


def stretch(
    first: int, minutes: int, seed: int = 1, version: str = "1", kind: str = "timeout", **given: Any
) -> Iterator[Any]:
    """Minutes of twenty observations, each followed by the watermark that closes it."""
    rng = random.Random(seed)
    for minute in range(first, first + minutes):
        yield as_slice(minute, observations(rng, 20, **given), version, kind)
        yield watermark(minute)


def watermark(minute: int) -> int:
    return (BASE + minute * 60 + 85) * SECOND_NS


def told(detector: Any, events: Iterable[Any]) -> list[Finding]:
    return fold(detector, list(events))[1]


def test_a_slow_version_is_named_with_its_size_and_exemplars() -> None:
    events = [*stretch(0, 120, version="1.4.0"), *stretch(120, 20, seed=2, version="1.5.0", median_ms=420)]
    first = told(LATENCY, events)[0]
    assert (first.version, first.severity, first.status, first.unit) == ("1.5.0", "critical", "open", "s")
    assert first.observed / first.baseline == pytest.approx(2.1, rel=0.25)
    assert first.why.startswith("p50 of `execute_tool bash` in `coder` went from 0.19")
    assert first.why.endswith("with version `1.5.0` (before: `1.4.0`).")
    assert first.change is not None
    assert first.change.low < 2.1 < first.change.high
    assert first.change.coincides == ("version=1.5.0",)
    assert first.change.version_before == "1.4.0"
    assert first.change.sessions > 20
    assert {e.note for e in first.evidence} == {"before", "after"}
    assert BASE + 118 * 60 <= first.first_seen_unix_nano // SECOND_NS <= BASE + 122 * 60
    assert first.detected_at_unix_nano // SECOND_NS <= BASE + 128 * 60


def test_a_canary_is_found_in_the_crowd() -> None:
    rng = random.Random(3)
    events: list[Any] = [*stretch(0, 200, version="1")]
    for minute in range(200, 260):
        events.append(as_slice(minute, observations(rng, 40), "1"))
        events.append(as_slice(minute, observations(rng, 6, median_ms=500), "2"))
        events.append(watermark(minute))
    first = told(LATENCY, events)[0]
    assert first.version == "2"
    assert first.count < 200


def test_an_error_spike_says_which_error_grew() -> None:
    events = [*stretch(0, 120, failing=0.03), *stretch(120, 20, seed=2, failing=0.3, kind="RateLimit")]
    first = told(ERRORS, events)[0]
    assert first.kind == "error_spike"
    assert "most of the growth is `RateLimit`" in first.why
    assert first.observed > 0.15


def test_errors_do_not_count_as_latency_nor_slowness_as_errors() -> None:
    slow = [*stretch(0, 120), *stretch(120, 20, seed=2, median_ms=600)]
    failing = [*stretch(0, 120), *stretch(120, 20, seed=2, failing=0.5)]
    assert told(ERRORS, slow) == []
    assert told(LATENCY, failing) == []


def test_a_blip_is_closed_when_it_has_gone() -> None:
    events = [*stretch(0, 120), *stretch(120, 5, seed=2, median_ms=900), *stretch(125, 20, seed=3)]
    found = told(LATENCY, events)
    assert [f.status for f in found][-1] == "resolved"
    assert found[-1].reason == "recovered"


@pytest.mark.parametrize("seed", range(2, 10))
def test_what_lasts_for_hours_is_not_closed_by_chance(seed: int) -> None:
    rng = random.Random(seed)
    lasting = [
        event
        for minute in range(120, 840)
        for event in (as_slice(minute, observations(rng, 5, median_ms=300), "2"), watermark(minute))
    ]
    reasons = [finding.reason for finding in told(LATENCY, [*stretch(0, 120), *lasting])]
    assert reasons.count("opened") == 1
    assert set(reasons) <= {"opened", "escalated", "lasting"}


def test_a_version_that_was_well_for_long_enough_is_not_what_came_with_the_change() -> None:
    before = [*stretch(0, 120, version="1"), *stretch(120, 30, seed=2, version="2")]
    late = told(LATENCY, [*before, *stretch(150, 20, seed=3, version="2", median_ms=420)])[0]
    assert late.change is not None
    assert late.change.coincides == ()
    assert "version" not in late.why


def test_there_are_no_more_sessions_than_calls() -> None:
    events = [*stretch(0, 120), *stretch(120, 40, seed=2, version="2", median_ms=420)]
    for finding in told(LATENCY, events):
        assert finding.change is not None
        assert 0 < finding.change.sessions <= finding.count


def test_what_comes_back_within_the_hour_is_the_same_finding() -> None:
    slow = (stretch(120, 6, seed=2, median_ms=900), stretch(146, 6, seed=4, median_ms=900))
    events = [*stretch(0, 120), *slow[0], *stretch(126, 20, seed=3), *slow[1]]
    found = told(LATENCY, events)
    assert len({f.id for f in found}) == 1
    assert [f.reason for f in found if f.status == "open"] == ["opened", "reopened"]
    assert [f.revision for f in found] == list(range(1, len(found) + 1))


def test_few_sessions_are_no_alert() -> None:
    slow = stretch(120, 20, seed=2, median_ms=900)
    events = [*stretch(0, 120), *(e if isinstance(e, int) else e._replace(session_hashes=(7, 9)) for e in slow)]
    assert {f.severity for f in told(LATENCY, events)} <= {"suspect"}


def test_a_series_without_a_past_is_insufficient_data_and_says_so() -> None:
    assert isinstance(LATENCY, SeriesDetector)
    assert LATENCY.verdict(LATENCY.initial()).state == "insufficient data"
    state, found = fold(LATENCY, [*stretch(0, 5)])
    assert found == []
    assert LATENCY.verdict(state) == ("insufficient data", 100, 5, 0, "8 minutes (has 5)")
    state, _ = fold(LATENCY, [*stretch(0, 120)])
    assert LATENCY.verdict(state).state in {"steady", "watching"}
    state, _ = fold(LATENCY, [*stretch(0, 120), *stretch(120, 20, 2, median_ms=900)])
    assert LATENCY.verdict(state).state == "changed"


def test_an_open_finding_on_which_nothing_more_comes_is_closed() -> None:
    events = [*stretch(0, 120), *stretch(120, 10, seed=2, median_ms=900)]
    state, _ = fold(LATENCY, events)
    due = LATENCY.due(state)
    assert due is not None
    assert LATENCY.advance(state, due - 1).findings == ()
    closed = LATENCY.advance(state, due).findings
    assert [(f.status, f.reason) for f in closed] == [("resolved", "quiet")]


def test_what_lasts_for_a_day_is_the_new_normal() -> None:
    events = [*stretch(0, 120), *stretch(120, 1600, seed=2, median_ms=500)]
    found = told(LATENCY, events)
    assert (found[-1].status, found[-1].reason) == ("resolved", "new normal")


def test_one_slice_from_the_future_does_not_stop_the_series() -> None:
    far = minute_slice(10**6)
    events = [*stretch(0, 60), far, *stretch(60, 120, seed=2), *stretch(180, 20, seed=3, median_ms=900)]
    assert told(LATENCY, [e for e in events if isinstance(e, Slice)])[-1].severity == "critical"


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_how_minutes_were_cut_into_slices_changes_nothing(seed: int) -> None:
    rng, cut = random.Random(5), random.Random(seed)
    whole: list[Slice] = []
    parts: list[Slice] = []
    for minute in range(60):
        seen = observations(rng, 30, median_ms=200 if minute < 45 else 600, failing=0.02 if minute < 45 else 0.3)
        whole.append(as_slice(minute, seen))
        groups: list[list[Observed]] = [[] for _ in range(cut.randint(1, 5))]
        for one in seen:
            cut.choice(groups).append(one)
        parts += [as_slice(minute, group) for group in groups if group]
    for detector in (LATENCY, ERRORS):
        state, found = fold(detector, [*whole, watermark(60)])
        other_state, other = fold(detector, [*parts, watermark(60)])
        assert found
        assert [repr(f) for f in other] == [repr(f) for f in found]
        assert detector.encode(other_state) == detector.encode(state)


def test_evidence_is_worth_less_against_a_past_that_is_barely_known() -> None:
    cusum = Cusum(1)
    cusum.add(Scores(100, 60.0), (0.5,), (0.125,), 0)
    assert cusum.suspects(1e9)[0][0] == pytest.approx(17.5, rel=1e-3)
    assert cusum.suspects(100.0)[0][0] == pytest.approx(17.5 / 2)
    assert cusum.suspects(0.0) == []


def test_sessions_that_are_alike_raise_the_dispersion_and_independent_ones_do_not() -> None:
    rng = random.Random(1)
    frame = Frame(1e9, 0.0, 1.0, [], [], [])
    independent, alike = Dispersion(), Dispersion()
    for minute in range(600):
        seen = Totals()
        seen.count, seen.minutes = 20, 1
        seen.hashes = sorted(rng.getrandbits(32) for _ in range(16))
        independent.add(Scores(20, sum(rng.gauss(0, 1) for _ in range(20))), seen, frame)
        one = Totals()
        one.count, one.minutes, one.hashes = 20, 1, [minute]
        alike.add(Scores(20, 20 * rng.gauss(0, 0.5) + sum(rng.gauss(0, 1) for _ in range(20))), one, frame)
    assert independent.factor() < 1.5
    assert independent.from_sessions(1.2) < 0.06
    assert 4 < alike.factor() < 12
    assert alike.likeness() == pytest.approx(0.2, abs=0.08)  # 0.5**2 / (0.5**2 + 1)
    assert alike.factor(40) > alike.factor(2)


def test_distinct_sessions_are_estimated_from_the_smallest_hashes() -> None:
    totals = Totals()
    rng = random.Random(2)
    for minute in range(40):
        totals.add_slice(as_slice(minute, [(1, False, rng.getrandbits(40)) for _ in range(50)]))
    assert 1000 < totals.sessions() < 4000


def test_scores_do_not_depend_on_the_shape_of_the_latencies() -> None:
    normal = NormalDist()
    shapes = [
        [int(1e8 * math.exp(normal.inv_cdf((i + 0.5) / 500))) for i in range(500)],
        [int(1e8 / (1 - (i + 0.5) / 500) ** 0.5) for i in range(500)],
    ]
    for durations in shapes:
        steady = [
            as_slice(m, [(d, False, m * 1000 + i) for i, d in enumerate(durations[m % 7 :: 7])]) for m in range(90)
        ]
        assert told(LATENCY, [*steady, watermark(90)]) == []

"""States outlive a change of rules."""

from __future__ import annotations

import dataclasses
from typing import Any

from detectors.catalog import build
from detectors.rules import Mode
from pipeline import wire
from pipeline.detect import DetectorFold
from pipeline.minutes import SeriesFold, SeriesMinute
from schemas.facts import SeriesVerdict
from schemas.finding import Finding
from tests.detectors.conformance.laws import RULES, SECOND_NS, START_NS, minute_slice

HOUR_NS = 3600 * SECOND_NS


def only(*names: str, mode: Mode = "enabled") -> Any:
    rules = tuple(dataclasses.replace(r, mode=mode) for r in RULES.rules if r.name in names)
    return build(dataclasses.replace(RULES, rules=rules)).slices


def play(fold: SeriesFold, state: Any, first: int, minutes: int, errors: int = 0) -> list[Any]:
    out: list[Any] = []
    for minute in range(first, first + minutes):
        out += fold.apply(state, "slice", wire.to_fields(minute_slice(minute, errors=errors)))
        out += fold.advance(state, START_NS + minute * 60 * SECOND_NS + 85 * SECOND_NS)
    return out


def test_a_rule_that_stays_keeps_what_it_knows_and_a_new_one_starts_anew() -> None:
    fold = SeriesFold(DetectorFold(only("error_spike"), HOUR_NS))
    state = fold.initial("k")
    play(fold, state, 0, 60)
    fold.use(only("error_spike", "latency_regression"))
    out = play(fold, state, 60, 10, errors=15)
    assert {f.rule for f in out if isinstance(f, Finding)} == {"error_spike"}
    again = fold.decode(fold.encode(state))
    assert fold.encode(again) == fold.encode(state)


def test_a_rule_that_goes_into_shadow_goes_on_recording() -> None:
    fold = SeriesFold(DetectorFold(only("error_spike"), HOUR_NS))
    state = fold.initial("k")
    play(fold, state, 0, 60)
    fold.use(only("error_spike", mode="shadow"))
    found = [f for f in play(fold, state, 60, 10, errors=15) if isinstance(f, Finding)]
    assert {(f.shadow, f.severity) for f in found} == {(True, "suspect")}


def test_what_can_be_said_of_a_series_is_told_when_it_changes() -> None:
    fold = SeriesFold(DetectorFold(only("error_spike"), HOUR_NS))
    state = fold.initial("k")
    told = [v for v in play(fold, state, 0, 60) if isinstance(v, SeriesVerdict)]
    assert [v.state for v in told] == ["insufficient data", "steady"]
    assert told[0].missing.startswith("100 observations (has 0)")
    assert told[1].baseline_count >= 100
    told = [v for v in play(fold, state, 60, 10, errors=15) if isinstance(v, SeriesVerdict)]
    assert [(v.state, v.rule) for v in told] == [("changed", "error_spike")]
    assert any(isinstance(m, SeriesMinute) for m in play(fold, state, 70, 1))

"""Slices: what a batch adds to each series' minute."""

import math

from hypothesis import given
from hypothesis import strategies as st

from pipeline import wire
from pipeline.series import Observation, SeriesNames, of_model_calls, of_tool_calls, slices
from schemas.facts import ModelCall, Slice
from schemas.histogram import bucket, midpoint_ns, quantile_ns
from tests.pipeline.facts_for_tests import SECOND, T0, model, tool


def test_an_observation_belongs_to_the_minute_it_ended_in() -> None:
    start = T0 - T0 % (60 * SECOND) + 59 * SECOND
    [one] = slices([Observation("s", "op", "", "1", start, 2 * SECOND, "", "g", "t", "x")], SeriesNames(10))
    assert one.minute_unix_s == (start + 2 * SECOND) // (60 * SECOND) * 60


def test_errors_stay_out_of_the_latency_and_are_told_by_type() -> None:
    calls = [tool(i) for i in range(3)] + [tool(3, outcome="error", error_type="Timeout", duration_ns=5 * SECOND)]
    [one] = slices(of_tool_calls(calls), SeriesNames(10))
    assert (one.count, one.errors, one.error_types) == (4, 1, {"Timeout": 1})
    assert sum(one.histogram.values()) == 3
    assert one.duration_sum_ns == 3 * (SECOND // 10)
    assert [e.outcome for e in one.exemplars].count("error") == 1


def test_denied_calls_are_no_observations() -> None:
    assert slices(of_tool_calls([tool(outcome="denied")]), SeriesNames(10)) == []


def test_versions_stand_apart_and_models_are_named() -> None:
    found = slices(of_model_calls([model(), model(service_version="2")]), SeriesNames(10))
    assert [(s.series, s.service_version, s.tokens) for s in found] == [
        (("coder", "chat", "m"), "1", 110),
        (("coder", "chat", "m"), "2", 110),
    ]


def test_too_many_series_become_other() -> None:
    names = SeriesNames(3)
    seen = [Observation("s", f"op{i}", "", "", T0, 1, "", "g", "t", "x") for i in range(50)]
    assert {s.operation for s in slices(seen, names)} == {"op0", "op1", "op2", "other"}


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=50))
def test_a_histogram_tells_quantiles_within_its_width(durations: list[int]) -> None:
    histogram: dict[int, int] = {}
    for duration in durations:
        histogram[bucket(duration)] = histogram.get(bucket(duration), 0) + 1
    true = sorted(durations)[int(0.5 * (len(durations) - 1))]
    assert bucket(true) == bucket(int(quantile_ns(histogram, 0.5))) or math.isclose(
        midpoint_ns(bucket(true)), quantile_ns(histogram, 0.5), rel_tol=0.05
    )


def test_a_slice_survives_the_wire() -> None:
    import orjson

    [one] = slices(of_tool_calls([tool(outcome="error"), tool()]), SeriesNames(3))
    back = wire.slice_of(orjson.loads(orjson.dumps(wire.to_fields(one))))
    assert isinstance(back, Slice)
    assert back == one


def test_a_model_call_with_unknown_cost_survives_the_wire() -> None:
    import orjson

    back = wire.session_fact("model", orjson.loads(orjson.dumps(wire.to_fields(model()))))
    assert isinstance(back, ModelCall)
    assert math.isnan(back.cost_usd)
    assert back._replace(cost_usd=0.0, temperature=0.0) == model()._replace(cost_usd=0.0, temperature=0.0)

"""Slices: what a batch adds to each series' minute."""

import math

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline import wire
from pipeline.series import Observation, SeriesNames, inherited, of_model_calls, of_spans, of_tool_calls, slices
from schemas.facts import ModelCall, Slice
from schemas.histogram import bucket, midpoint_ns, quantile_ns
from tests.pipeline.facts_for_tests import SECOND, T0, model, tool

SLOT = T0 - T0 % (15 * SECOND)


def test_an_observation_belongs_to_the_minute_it_ended_in() -> None:
    start = T0 - T0 % (60 * SECOND) + 59 * SECOND
    [one] = slices([Observation("s", "op", "", "1", start, 2 * SECOND, "", "g", "t", "x")], SeriesNames(10))
    assert one.minute_unix_s == (start + 2 * SECOND) // (60 * SECOND) * 60


def test_errors_stay_out_of_the_latency_and_are_told_by_type() -> None:
    calls = [tool(i) for i in range(3)] + [tool(3, outcome="error", error_type="Timeout", duration_ns=5 * SECOND)]
    [one] = slices(of_tool_calls([call._replace(start_time_unix_nano=SLOT) for call in calls]), SeriesNames(10))
    assert (one.count, one.errors, one.error_types) == (4, 1, {"Timeout": 1})
    assert sum(one.histogram.values()) == 3
    assert one.duration_sum_ns == 3 * (SECOND // 10)
    assert [e.outcome for e in one.exemplars].count("error") == 1


def test_minutes_are_cut_into_slots_that_add_up_to_them() -> None:
    seen = [Observation("s", "op", "", "1", SLOT + n * SECOND, 0, "", f"g{n}", "t", f"x{n}") for n in range(61)]
    found, begin = slices(seen, SeriesNames(10)), SLOT // SECOND
    assert [(one.minute_unix_s, one.second, one.count) for one in found] == [
        (at // 60 * 60, at % 60, count)
        for at, count in ((begin, 15), (begin + 15, 15), (begin + 30, 15), (begin + 45, 15), (begin + 60, 1))
    ]


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


def test_a_call_that_failed_because_a_call_inside_it_failed_is_no_second_error() -> None:
    outer = tool(0, span_id="outer", outcome="error", tool_name="task")
    inner = tool(1, span_id="inner", parent_span_id="outer", outcome="error", tool_name="bash")
    errors = {
        s.name: (s.count, s.errors, sum(s.histogram.values()))
        for s in slices(of_tool_calls([outer, inner]), SeriesNames(9))
    }
    assert errors == {"task": (1, 0, 0), "bash": (1, 1, 0)}


def spans(*rows: tuple[str, str, str]) -> pa.Table:
    """(span, parent, status) of one trace."""
    n = len(rows)
    nothing = pa.array([[]] * n, pa.map_(pa.string(), pa.string()))
    return pa.table(
        {
            "ServiceName": ["s"] * n, "SpanName": [f"op {span}" for span, _, _ in rows],
            "ResourceAttributes": nothing, "SpanAttributes": nothing,
            "Timestamp": pa.array([T0] * n, pa.timestamp("ns")), "Duration": [SECOND] * n,
            "StatusCode": [status for _, _, status in rows], "TraceId": ["t"] * n,
            "SpanId": [span for span, _, _ in rows], "ParentSpanId": [parent for _, parent, _ in rows],
        }
    )  # fmt: skip


def test_an_error_that_climbs_is_counted_where_it_happened() -> None:
    table = spans(("root", "", "Error"), ("middle", "root", "Error"), ("leaf", "middle", "Error"), ("ok", "root", "Ok"))
    counted = inherited(table, np.zeros(4, bool))
    assert counted == {("t", "root"), ("t", "middle")}
    found = {s.operation: (s.count, s.errors) for s in slices(of_spans(table, counted), SeriesNames(9))}
    assert found == {"op root": (1, 0), "op middle": (1, 0), "op leaf": (1, 1), "op ok": (1, 0)}


def test_what_failed_inside_a_failed_call_of_an_agent_belongs_to_the_call() -> None:
    table = spans(("call", "", "Error"), ("http", "call", "Error"))
    assert ("t", "http") in inherited(table, np.array([True, False]))


def test_marks_tokens_and_cost_are_told_by_call() -> None:
    calls = [
        model(prompt_name="plan", prompt_version="3", agent_name="a", cost_usd=0.5, response_model="m-2"),
        model(1),
    ]
    [one] = slices(of_model_calls(calls), SeriesNames(9))
    assert {m: row[0] for m, row in one.marks.items() if not m.startswith("model=")} == {
        "agent=a": 1,
        "prompt=plan@3": 1,
    }
    assert one.marks["model=m-2"][0] == 1
    assert sum(one.token_histogram.values()) == 2
    assert one.cost_histogram == {bucket(int(0.5e9)): 1}


def test_marks_tell_agent_prompt_model_and_prices_with_their_versions() -> None:
    call = model(
        agent_name="coder", agent_version="2", prompt_name="plan", prompt_version="3", response_model="m-1",
        prices_date="2026-11",
    )  # fmt: skip
    [one] = slices(of_model_calls([call]), SeriesNames(10))
    assert set(one.marks) == {"agent=coder@2", "prompt=plan@3", "model=m-1", "prices=2026-11"}
    [one] = slices(of_tool_calls([tool(agent_name="coder", agent_version="2")]), SeriesNames(10))
    assert set(one.marks) == {"agent=coder@2"}
    [one] = slices(of_tool_calls([tool(agent_version="2")]), SeriesNames(10))
    assert set(one.marks) == {"agent=@2"}

"""The agents' own metrics: delta and cumulative sums and histograms of `otel_metrics_*` rows."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.decode import decode
from pipeline.decode.otlp_json import request_from_json
from pipeline.message import Message
from schemas.tables import BY_NAME
from sinks.prometheus import PrometheusMetrics
from sinks.prometheus.agents import prometheus_name

DELTA, CUMULATIVE = 1, 2


def rows(kind: str, *points: dict[str, Any]) -> pa.Table:
    """Rows of `otel_metrics_sum` or `_histogram`; what a point leaves out is empty."""
    schema = BY_NAME[f"otel_metrics_{kind}"].schema
    filled = []
    for point in points:
        row = {field.name: _empty(field.type) for field in schema}
        row |= {"ServiceName": "claude-code", "StartTimeUnix": 1, "TimeUnix": 2, "IsMonotonic": True}
        filled.append({name: value for name, value in (row | point).items() if name in schema.names})
    return pa.Table.from_pylist(filled, schema=schema)


def _empty(kind: pa.DataType) -> Any:
    if pa.types.is_map(kind) or pa.types.is_list(kind):
        return []
    if pa.types.is_string(kind) or pa.types.is_dictionary(kind) or pa.types.is_large_string(kind):
        return ""
    return False if pa.types.is_boolean(kind) else 0


def tokens(value: float, temporality: int = DELTA, **more: Any) -> dict[str, Any]:
    return {
        "MetricName": "claude_code.token.usage",
        "MetricUnit": "tokens",
        "Attributes": [("model", "opus"), ("session.id", "3f753bda"), ("type", "input")],
        "Value": value,
        "AggregationTemporality": temporality,
        **more,
    }


def samples(metrics: PrometheusMetrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Sample name and labels (the empty ones left out, as Prometheus does) -> value."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, frozenset((k, v) for k, v in s.labels.items() if v)): s.value for f in families for s in f.samples}


def labels(**pairs: str) -> frozenset[tuple[str, str]]:
    return frozenset({"service_name": "claude-code", **pairs}.items())


TOKENS = "claude_code_token_usage_tokens_total"
OPUS_INPUT = labels(model="opus", type="input")


def test_delta_sums_of_all_sessions_add_up_to_one_counter() -> None:
    metrics = PrometheusMetrics()
    other_session = [("model", "opus"), ("session.id", "another"), ("type", "input")]
    metrics.observe_metrics(rows("sum", tokens(100), tokens(20), tokens(3, Attributes=other_session)))
    assert samples(metrics)[TOKENS, OPUS_INPUT] == 123
    assert "3f753bda" not in metrics.render().decode()


def test_cumulative_sums_count_their_growth_once_in_order_late_or_twice() -> None:
    metrics = PrometheusMetrics()
    for value, time in ((10, 10), (25, 20), (25, 20), (10, 10), (40, 30)):
        metrics.observe_metrics(rows("sum", tokens(value, CUMULATIVE, TimeUnix=time)))
    assert samples(metrics)[TOKENS, OPUS_INPUT] == 40


def test_a_cumulative_sum_that_began_anew_counts_from_zero() -> None:
    metrics = PrometheusMetrics()
    metrics.observe_metrics(rows("sum", tokens(40, CUMULATIVE, TimeUnix=10)))
    metrics.observe_metrics(rows("sum", tokens(5, CUMULATIVE, StartTimeUnix=20, TimeUnix=30)))
    assert samples(metrics)[TOKENS, OPUS_INPUT] == 45


def test_a_cumulative_sum_older_than_the_process_counts_from_its_first_value() -> None:
    metrics = PrometheusMetrics(started_unix_nano=1000)
    metrics.observe_metrics(rows("sum", tokens(40, CUMULATIVE, StartTimeUnix=1, TimeUnix=2000)))
    metrics.observe_metrics(rows("sum", tokens(43, CUMULATIVE, StartTimeUnix=1, TimeUnix=3000)))
    assert samples(metrics)[TOKENS, OPUS_INPUT] == 3


def test_histograms_in_milliseconds_become_seconds() -> None:
    point = {
        "MetricName": "codex.turn.e2e_duration_ms",
        "MetricUnit": "ms",
        "Attributes": [("model", "gpt")],
        "Count": 3,
        "Sum": 5500.0,
        "BucketCounts": [0, 2, 1],
        "ExplicitBounds": [10.0, 1000.0],
        "AggregationTemporality": DELTA,
    }
    metrics = PrometheusMetrics()
    metrics.observe_metrics(rows("histogram", point, point))
    metrics.observe_metrics(rows("histogram", point | {"ExplicitBounds": [10.0, 500.0], "BucketCounts": [1, 1, 1]}))
    seen, name = samples(metrics), "codex_turn_e2e_duration_seconds"
    assert seen[f"{name}_count", labels(model="gpt")] == 9
    assert seen[f"{name}_sum", labels(model="gpt")] == 16.5
    assert seen[f"{name}_bucket", labels(model="gpt", le="0.01")] == 1
    assert seen[f"{name}_bucket", labels(model="gpt", le="1.0")] == 6
    assert seen[f"{name}_bucket", labels(model="gpt", le="+Inf")] == 9


def test_a_label_that_comes_later_does_not_disturb_what_was_counted() -> None:
    metrics = PrometheusMetrics()
    metrics.observe_metrics(rows("sum", tokens(1, Attributes=[("model", "opus")]), tokens(2)))
    metrics.observe_metrics(rows("sum", tokens(4, Attributes=[("model", "opus")])))
    seen = samples(metrics)
    assert seen[TOKENS, labels(model="opus")] == 5
    assert seen[TOKENS, OPUS_INPUT] == 2


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(tokens(math.nan), id="NaN"),
        pytest.param(tokens(math.inf), id="infinite"),
        pytest.param(tokens(-5), id="negative"),
        pytest.param(tokens(5, IsMonotonic=False), id="not monotonic"),
        pytest.param(tokens(5, AggregationTemporality=0), id="no temporality"),
        pytest.param(tokens(5, MetricName="http.server.requests"), id="no agent's"),
    ],
)
def test_what_is_no_counter_of_an_agent_is_not_shown(point: dict[str, Any]) -> None:
    metrics = PrometheusMetrics()
    metrics.observe_metrics(rows("sum", point))
    assert not [name for name, _ in samples(metrics) if not name.startswith("telltale_")]


def test_the_number_of_time_series_is_bounded_whatever_telemetry_brings() -> None:
    metrics = PrometheusMetrics(max_agent_time_series=50)
    for start in range(0, 2000, 100):
        points = [tokens(1, Attributes=[("model", f"m{n}\ud800")]) for n in range(start, start + 100)]
        points = [{**p, "Attributes": [("model", f"m{start + i}")]} for i, p in enumerate(points)]
        metrics.observe_metrics(rows("sum", *points))
        metrics.observe_metrics(rows("sum", *(tokens(1, MetricName=f"codex.m{start + i}") for i in range(100))))
    seen = samples(metrics)
    assert len(seen) < 300
    assert sum(value for (name, _), value in seen.items() if name == TOKENS) == 2000


def test_a_histogram_of_thousands_of_bounds_is_not_shown() -> None:
    point = tokens(0, MetricName="codex.x", BucketCounts=[1] * 5001, ExplicitBounds=[float(n) for n in range(5000)])
    metrics = PrometheusMetrics()
    metrics.observe_metrics(rows("histogram", point | {"Sum": 1.0, "Count": 5001}))
    assert {name for name, _ in samples(metrics)} == {"telltale_agent_metric_points_ignored_total"}


def test_other_tables_are_ignored() -> None:
    metrics = PrometheusMetrics()
    metrics.observe_metrics(BY_NAME["otel_traces"].schema.empty_table())
    metrics.observe_metrics(rows("gauge", {"MetricName": "codex.x", "Value": 1.0}))
    assert samples(metrics) == {}


CAPTURES = Path(__file__).parents[1] / "fixtures" / "captures"


def of_capture(name: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The counters after the metrics of one real capture."""
    metrics = PrometheusMetrics()
    with gzip.open(CAPTURES / f"{name}.jsonl.gz") as lines:
        for offset, line in enumerate(lines):
            for signal, value in request_from_json(None, line):
                if signal == "metrics":
                    for table in decode(signal, [Message("otlp_metrics", 0, offset, 0, value)]).tables.values():
                        metrics.observe_metrics(table)
    return samples(metrics)


def test_the_same_session_of_claude_code_counts_alike_in_delta_and_cumulative() -> None:
    delta, cumulative = (of_capture(f"claude-{config}-httpproto-A") for config in ("default", "cumulative"))
    varies = "claude_code_active_time_seconds_total"
    assert delta.keys() == cumulative.keys()
    assert {key: value for key, value in delta.items() if key[0] != varies} == pytest.approx(
        {key: value for key, value in cumulative.items() if key[0] != varies}
    )
    main = labels(model="claude-opus-5-5", query_source="main", type="cacheRead")
    assert delta[TOKENS, main] == 20_000


def test_codex_and_gemini_show_their_calls_of_tools() -> None:
    codex, gemini = of_capture("codex-default-grpc-A"), of_capture("gemini-default-grpc-A")
    calls = {dict(key[1])["tool"]: value for key, value in codex.items() if key[0] == "codex_tool_call_total"}
    assert calls == {"exec_command": 3, "apply_patch": 1}
    names = {dict(k[1])["function_name"]: v for k, v in gemini.items() if k[0] == "gemini_cli_tool_call_count_total"}
    assert names == {"read_file": 1, "replace": 1, "run_shell_command": 2}


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("claude_code.cost.usage", "USD", "counter", "claude_code_cost_usage_USD_total"),
        ("claude_code.session.count", "", "counter", "claude_code_session_count_total"),
        ("claude_code.active_time.total", "seconds", "counter", "claude_code_active_time_seconds_total"),
        ("codex.tool.call.duration_ms", "seconds", "histogram", "codex_tool_call_duration_seconds"),
        ("gen_ai.client.token.usage", "tokens", "histogram", "gen_ai_client_token_usage_tokens"),
        ("codex.weird--näme__x", "", "counter", "codex_weird_n_me_x_total"),
    ],
)
def test_names_follow_the_specification(name: str, unit: str, kind: str, expected: str) -> None:
    assert prometheus_name(name, unit, kind) == expected

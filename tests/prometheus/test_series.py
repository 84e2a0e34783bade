"""Slices, findings and pipeline happenings as an exposition that Prometheus can read."""

from __future__ import annotations

import math
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from schemas.facts import Slice
from schemas.finding import Finding
from schemas.histogram import bucket
from schemas.metrics import METRICS
from sinks.prometheus import OpenFinding, PrometheusMetrics


def a_slice(name: str = "read", count: int = 1, **changes: Any) -> Slice:
    fields: dict[str, Any] = {
        "service_name": "agent",
        "operation": "execute_tool",
        "name": name,
        "service_version": "1",
        "minute_unix_s": 60,
        "count": count,
        "errors": 0,
        "duration_sum_ns": 0,
        "histogram": {},
        "error_types": {},
        "sessions": 1,
        "tokens": 0,
        "cost_usd": 0.0,
        "exemplars": (),
    }
    return Slice(**{**fields, **changes})


def a_finding(revision: int = 1, **changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "id": "f1",
        "fingerprint": "p",
        "revision": revision,
        "rule": "loop",
        "kind": "tool_call_loop",
        "severity": "warning",
        "status": "open",
        "confidence": "full",
        "session_id": "s",
        "service_name": "agent",
        "operation": "execute_tool",
        "tool": "bash",
        "model": "",
        "version": "1",
        "first_seen_unix_nano": 1,
        "last_seen_unix_nano": 2,
        "detected_at_unix_nano": 2,
        "observed": 5.0,
        "baseline": 1.0,
        "unit": "calls",
        "count": 5,
        "wasted_tokens": -1,
        "wasted_cost_usd": math.nan,
        "wasted_duration_s": math.nan,
    }
    return Finding(**{**fields, **changes})


def samples(metrics: PrometheusMetrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """Sample name and label values, in the order of the labels' names, -> value; read back from the exposition."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (s.name, tuple(value for _, value in sorted(s.labels.items()))): s.value
        for family in families
        for s in family.samples
    }


def named(metrics: PrometheusMetrics) -> set[str]:
    """Series shown in the exposition, by tool."""
    return {labels[0] for name, labels in samples(metrics) if name == "telltale_series_observations_total"}


def test_slices_add_up_to_rate_errors_durations_tokens_and_cost() -> None:
    metrics = PrometheusMetrics()
    metrics.observe_slices(
        [
            a_slice(
                count=3, errors=1, duration_sum_ns=3_000_000_000, histogram={bucket(2 * 10**9): 1, bucket(10**9): 1}
            ),
            a_slice(count=2, histogram={bucket(700 * 10**9): 2}, duration_sum_ns=1_400_000_000_000),
            a_slice("gpt", operation="chat", tokens=120, cost_usd=0.25),
            a_slice("gpt", operation="chat", tokens=1, cost_usd=math.nan),
        ]
    )
    seen = samples(metrics)
    read = ("read", "execute_tool", "agent")
    assert seen["telltale_series_observations_total", read] == 5
    assert seen["telltale_series_errors_total", read] == 1
    assert seen["telltale_series_duration_seconds_count", read] == 4
    assert seen["telltale_series_duration_seconds_sum", read] == 1403
    assert seen["telltale_series_duration_seconds_bucket", ("2.5", *read)] == 2
    assert seen["telltale_series_duration_seconds_bucket", ("600.0", *read)] == 2
    assert seen["telltale_series_duration_seconds_bucket", ("+Inf", *read)] == 4
    assert seen["telltale_series_tokens_total", ("gpt", "chat", "agent")] == 121
    assert seen["telltale_series_cost_usd_total", ("gpt", "chat", "agent")] == 0.25


def test_the_busiest_series_have_names_and_the_rest_is_other() -> None:
    metrics = PrometheusMetrics(max_series=3)
    metrics.observe_slices([a_slice(name, 10) for name in ("a", "b", "c")])
    metrics.observe_slices([a_slice(f"rare {n}", 1) for n in range(50)])
    assert named(metrics) == {"a", "b", "c", "other"}
    assert samples(metrics)["telltale_series_observations_total", ("other", "other", "other")] == 50


def test_a_series_that_becomes_busy_gets_a_name_and_every_counter_only_grows_while_it_is_shown() -> None:
    metrics = PrometheusMetrics(max_series=2)
    before: dict[Any, float] = {}
    for step in range(60):
        metrics.observe_slices([a_slice("old", 1), a_slice("quiet", 1 if step < 5 else 0), a_slice("new", 5)])
        now = samples(metrics)
        for key, value in before.items():
            assert now.get(key, value) >= value, key
        before = now
    assert "new" in named(metrics)
    assert len(named(metrics)) == 3


def test_the_number_of_time_series_is_bounded_whatever_names_telemetry_brings() -> None:
    metrics = PrometheusMetrics(max_series=10)
    for n in range(5000):
        metrics.observe_slices([a_slice(f'tool-{n}\n"\\{"x" * 500}\ud800', 1 + n % 7)])
    assert len(named(metrics)) <= 11
    assert len(metrics.render()) < 20_000


def test_findings_are_counted_once_at_each_severity_and_open_until_resolved() -> None:
    metrics = PrometheusMetrics()
    metrics.observe_findings([a_finding(1), a_finding(1), a_finding(2, status="updated")])
    seen = samples(metrics)
    assert seen["telltale_findings_opened_total", ("loop", "warning")] == 1
    assert seen["telltale_findings_open", ("loop", "warning")] == 1
    metrics.observe_findings([a_finding(3, severity="critical", status="updated")])
    seen = samples(metrics)
    assert seen["telltale_findings_opened_total", ("loop", "critical")] == 1
    assert seen["telltale_findings_open", ("loop", "warning")] == 0
    metrics.observe_findings([a_finding(4, severity="critical", status="resolved")])
    seen = samples(metrics)
    assert seen["telltale_findings_open", ("loop", "critical")] == 0
    assert seen["telltale_findings_opened_total", ("loop", "critical")] == 1


def test_findings_that_were_open_before_the_start_are_not_opened_again() -> None:
    metrics = PrometheusMetrics()
    finding = a_finding(3)
    metrics.restore_findings([OpenFinding(finding.id, finding.rule, finding.severity)])
    metrics.observe_findings([a_finding(4, status="updated")])
    seen = samples(metrics)
    assert seen["telltale_findings_open", ("loop", "warning")] == 1
    assert seen["telltale_findings_opened_total", ("loop", "warning")] == 0


def test_what_the_pipeline_does_is_shown() -> None:
    metrics = PrometheusMetrics()
    metrics.received("traces", "grpc", "accepted", 512, 90_000)
    metrics.received("traces", "grpc", "malformed", 0, 7)
    metrics.stored("otel_traces", 512)
    metrics.inserted(0.03)
    metrics.dead_lettered("otlp_spans")
    metrics.progress([("otlp_spans", 0, 6, 10, 0)])
    metrics.watermark(1_700_000_000_500_000_000)
    metrics.build("0.1.0")
    seen = samples(metrics)
    assert seen["telltale_receiver_requests_total", ("malformed", "traces", "grpc")] == 1
    assert seen["telltale_receiver_records_total", ("traces", "grpc")] == 512
    assert seen["telltale_receiver_bytes_total", ("traces", "grpc")] == 90_000
    assert seen["telltale_pipeline_stored_rows_total", ("otel_traces",)] == 512
    assert seen["telltale_pipeline_insert_duration_seconds_bucket", ("0.05",)] == 1
    assert seen["telltale_pipeline_insert_duration_seconds_sum", ()] == 0.03
    assert seen["telltale_pipeline_dead_letters_total", ("otlp_spans",)] == 1
    assert seen["telltale_pipeline_lag_messages", ("otlp_spans",)] == 4
    assert seen["telltale_pipeline_watermark_timestamp_seconds", ()] == 1_700_000_000.5
    assert seen["telltale_build_info", ("0.1.0",)] == 1


@pytest.mark.parametrize("metric", METRICS, ids=[metric.name for metric in METRICS])
def test_every_declared_metric_keeps_the_rules_that_promtool_checks(metric: Any) -> None:
    assert metric.name.startswith("telltale_")
    assert metric.help.endswith(".")
    assert metric.name.endswith("_total") is (metric.kind == "counter")
    assert not metric.name.endswith(("_count", "_sum", "_bucket", "_milliseconds", "_ms"))
    assert not {"le", "quantile", "trace_id", "span_id", "session_id", "session"} & set(metric.labels)
    assert metric.buckets == tuple(sorted(metric.buckets))
    assert bool(metric.buckets) is (metric.kind == "histogram")


def test_names_are_declared_once() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))

"""Every Prometheus metric, declared once: the sink, the documentation, dashboards and tests read this.

Base units, `_total` on counters. No label ever holds an id of a trace, span, session or user.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]

DURATION_BUCKETS_S: Final = (
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
)
INSERT_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

OTHER: Final = "other"
"""Stands in every label of what is not among the busiest."""


class Metric(NamedTuple):
    """One metric."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds in the metric's unit, `+Inf` left out."""


_SERIES: Final = ("service_name", "operation", "name")

CALLS: Final = Metric(
    "telltale_series_observations_total",
    "counter",
    "Observations of a series (tool calls, model calls, spans), failed ones included.",
    _SERIES,
)
ERRORS: Final = Metric("telltale_series_errors_total", "counter", "Observations of a series that failed.", _SERIES)
DURATION: Final = Metric(
    "telltale_series_duration_seconds",
    "histogram",
    "Durations of a series' observations that did not fail; bounds are exact to 4.4 %.",
    _SERIES,
    DURATION_BUCKETS_S,
)
TOKENS: Final = Metric("telltale_series_tokens_total", "counter", "Tokens in and out, as far as told.", _SERIES)
COST: Final = Metric(
    "telltale_series_cost_usd_total",
    "counter",
    "Cost in US dollars, as told by agents or estimated from list prices.",
    _SERIES,
)

FINDINGS_OPENED: Final = Metric(
    "telltale_findings_opened_total",
    "counter",
    "Findings that reached this severity; one that escalates counts once at each.",
    ("rule", "severity"),
)
FINDINGS_OPEN: Final = Metric(
    "telltale_findings_open", "gauge", "Findings that are open now, at their present severity.", ("rule", "severity")
)

RECEIVED_REQUESTS: Final = Metric(
    "telltale_receiver_requests_total",
    "counter",
    "OTLP export requests by what became of them.",
    ("signal", "transport", "outcome"),
)
RECEIVED_RECORDS: Final = Metric(
    "telltale_receiver_records_total",
    "counter",
    "Spans, log records and metric data points accepted.",
    ("signal", "transport"),
)
RECEIVED_BYTES: Final = Metric(
    "telltale_receiver_bytes_total",
    "counter",
    "Bytes of the accepted requests after decompression.",
    ("signal", "transport"),
)

STORED_ROWS: Final = Metric("telltale_pipeline_stored_rows_total", "counter", "Rows inserted.", ("table",))
DEAD_LETTERS: Final = Metric(
    "telltale_pipeline_dead_letters_total", "counter", "Messages that could not be used.", ("topic",)
)
LAG: Final = Metric("telltale_pipeline_lag_messages", "gauge", "Messages of the log not processed yet.", ("topic",))
WATERMARK: Final = Metric(
    "telltale_pipeline_watermark_timestamp_seconds", "gauge", "Event time up to which everything was judged."
)
_WHERE: Final = ("topic", "partition")
PARTITION_LAG: Final = Metric(
    "telltale_partition_lag_messages", "gauge", "Messages not processed yet, of partitions of this process.", _WHERE
)
PARTITION_DONE: Final = Metric(
    "telltale_partition_processed_offset",
    "gauge",
    "Offset up to which a partition is processed; its rate is the throughput.",
    _WHERE,
)
PARTITION_WATERMARK: Final = Metric(
    "telltale_partition_watermark_timestamp_seconds",
    "gauge",
    "Event time up to which a partition's keys were judged.",
    _WHERE,
)
INSERT_DURATION: Final = Metric(
    "telltale_pipeline_insert_duration_seconds",
    "histogram",
    "Time to insert one batch into the store.",
    buckets=INSERT_BUCKETS_S,
)
AGENT_POINTS_IGNORED: Final = Metric(
    "telltale_agent_metric_points_ignored_total",
    "counter",
    "Data points of agents' own metrics that cannot be shown as a counter or histogram.",
    ("reason",),
)
BUILD_INFO: Final = Metric("telltale_build_info", "gauge", "1, with the version of Telltale.", ("version",))

NOTIFICATIONS: Final = Metric(
    "telltale_notifications_total",
    "counter",
    "Attempts to tell a webhook (by its name) or `alertmanager`: `delivered`, `failed` (tried again) or `parked`.",
    ("target", "outcome"),
)

METRICS: Final = (
    CALLS,
    ERRORS,
    DURATION,
    TOKENS,
    COST,
    FINDINGS_OPENED,
    FINDINGS_OPEN,
    RECEIVED_REQUESTS,
    RECEIVED_RECORDS,
    RECEIVED_BYTES,
    STORED_ROWS,
    DEAD_LETTERS,
    LAG,
    WATERMARK,
    PARTITION_LAG,
    PARTITION_DONE,
    PARTITION_WATERMARK,
    INSERT_DURATION,
    NOTIFICATIONS,
    AGENT_POINTS_IGNORED,
    BUILD_INFO,
)

# The agents' own metrics (Claude Code, Codex, Gemini CLI, OpenTelemetry GenAI) are shown beside ours under the names
# that the OpenTelemetry specification gives them in Prometheus, milliseconds as seconds. Their names come from
# telemetry, so what is shown is bounded here.

AGENT_METRIC_PREFIXES: Final = ("claude_code.", "codex.", "gemini_cli.", "gen_ai.")
"""Metrics of other names are stored, not shown."""

AGENT_METRIC_LABELS: Final = frozenset(
    {
        "decision",
        "error.type",
        "function_name",
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.token.type",
        "kind",
        "language",
        "model",
        "operation",
        "outcome",
        "phase",
        "query_source",
        "start_type",
        "status",
        "status_code",
        "success",
        "token_type",
        "tool",
        "tool_name",
        "tool_type",
        "type",
    }
)
"""Attributes that become labels; all others (ids of sessions and users, hosts, paths) are added up."""

AGENT_METRIC_UNITS: Final[dict[str, tuple[str, float]]] = {
    "ns": ("seconds", 1e-9),
    "us": ("seconds", 1e-6),
    "ms": ("seconds", 1e-3),
    "s": ("seconds", 1.0),
    "By": ("bytes", 1.0),
    "USD": ("USD", 1.0),
    "token": ("tokens", 1.0),
    "{token}": ("tokens", 1.0),
    "tokens": ("tokens", 1.0),
}
"""Unit as sent -> word at the end of the name, factor."""

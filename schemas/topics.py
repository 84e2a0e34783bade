"""Topics of the log, declared once. Names and encoding of the first three are the Collector kafka exporter's."""

from __future__ import annotations

from typing import Literal, NamedTuple

Signal = Literal["traces", "logs", "metrics"]


class Topic(NamedTuple):
    """One topic: its name, what its key is and what a message holds."""

    name: str
    key: str
    holds: str
    raw: bool = False  # raw: not redacted yet, so kept short


SPANS = Topic("otlp_spans", "none", "an OTLP ExportTraceServiceRequest as received (otlp_proto)", raw=True)
LOGS = Topic("otlp_logs", "none", "an OTLP ExportLogsServiceRequest as received (otlp_proto)", raw=True)
METRICS = Topic("otlp_metrics", "none", "an OTLP ExportMetricsServiceRequest as received (otlp_proto)", raw=True)
LINKS = Topic("telltale.links", "trace id", "spans of agents and calls whose session is not known yet")
CALLS = Topic("telltale.calls", "service and session", "tool calls, model calls and markers of sessions")
ATTEMPTS = Topic("telltale.attempts", "service", "tool calls in short, for what repeats across sessions of a service")
SLICES = Topic("telltale.slices", "series", "partial aggregates of series, one minute each")
FINDINGS = Topic("telltale.findings", "fingerprint", "findings, telltale.finding/v1, one revision a message")

TOPICS = (SPANS, LOGS, METRICS, LINKS, CALLS, ATTEMPTS, SLICES, FINDINGS)
SOURCES: dict[Signal, Topic] = {"traces": SPANS, "logs": LOGS, "metrics": METRICS}
SIGNALS: dict[str, Signal] = {topic.name: signal for signal, topic in SOURCES.items()}

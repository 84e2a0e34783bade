"""The agents' own metrics: sums and histograms, delta or cumulative, become counters and histograms that only grow.

Claude Code and Codex send deltas, which Prometheus cannot read; Gemini CLI sends cumulative values of each session,
which would be one time series a session. Here attributes that are no label are added up.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas.metrics import (
    AGENT_METRIC_LABELS,
    AGENT_METRIC_PREFIXES,
    AGENT_METRIC_UNITS,
    AGENT_POINTS_IGNORED,
    OTHER,
    Metric,
)
from sinks.prometheus.samples import Families, Labels, Values, clean
from sinks.prometheus.streams import CUMULATIVE, DELTA, Point, Streams

MAX_METRICS: Final = 200
MAX_BOUNDS: Final = 64
MAX_LABELS: Final = 8
MAX_NAME: Final = 200

_SUM_COLUMNS: Final = ("Value", "IsMonotonic")
_HISTOGRAM_COLUMNS: Final = ("Count", "Sum", "BucketCounts", "ExplicitBounds")
_HEAD: Final = (
    "MetricName",
    "MetricUnit",
    "ServiceName",
    "Attributes",
    "ResourceAttributes",
    "StartTimeUnix",
    "TimeUnix",
    "AggregationTemporality",
)


@dataclass(slots=True)
class _Shown:
    """A metric that is shown."""

    values: Values
    factor: float
    """What its numbers are multiplied with to come to its unit."""
    sources: list[str] = field(default_factory=list)
    """Attributes that are its labels, in order, after `service_name`."""


class AgentMetrics:
    """Adds up the agents' own metrics.

    Memory: 200 metrics, `max_time_series` lines of the exposition over all of them and one `other` for each, the last
    values of 20,000 cumulative streams.
    """

    def __init__(self, families: Families, started_unix_nano: int, max_time_series: int) -> None:
        self._families = families
        self._max_time_series = max_time_series
        self._shown: dict[tuple[str, str, str], _Shown | None] = {}
        self._time_series = 0
        self._streams = Streams(started_unix_nano)

    def observe(self, table: pa.Table) -> None:
        """Add rows of `otel_metrics_sum` or `otel_metrics_histogram`."""
        kind = _kind(table)
        if not kind or not table.num_rows:
            return
        names = pc.cast(table["MetricName"], pa.string())
        ours = pc.or_kleene(pc.starts_with(names, AGENT_METRIC_PREFIXES[0]), False)
        for prefix in AGENT_METRIC_PREFIXES[1:]:
            ours = pc.or_kleene(ours, pc.starts_with(names, prefix))
        for row in _rows(table.filter(ours), kind):
            self._observe_row(kind, row)

    def _observe_row(self, kind: str, row: dict[str, Any]) -> None:
        if kind == "counter" and not row["IsMonotonic"]:
            self._ignore("not monotonic")
            return
        if row["AggregationTemporality"] not in (DELTA, CUMULATIVE):
            self._ignore("no temporality")
            return
        shown = self._show(kind, row)
        if shown is None:
            self._ignore("over a bound")
            return
        point = self._streams.grown(_point(kind, row), row)
        if point is not None:
            self._add(shown, self._labels(shown, row), point, row)

    def _labels(self, shown: _Shown, row: dict[str, Any]) -> Labels:
        attributes = dict(row["Attributes"])
        for name in sorted(AGENT_METRIC_LABELS.intersection(attributes).difference(shown.sources))[:MAX_LABELS]:
            if len(shown.sources) < MAX_LABELS:
                shown.sources.append(name)
                shown.values.extend(name.replace(".", "_"))
        labels = clean((row["ServiceName"], *(attributes.get(name, "") for name in shown.sources)))
        if not shown.values.has(labels):
            metric = shown.values.metric
            cost = 1 if metric.kind == "counter" else len(metric.buckets) + 3
            if self._time_series + cost > self._max_time_series:
                return (OTHER,) * len(labels)
            self._time_series += cost
        return labels

    def _add(self, shown: _Shown, labels: Labels, point: Point, row: dict[str, Any]) -> None:
        metric = shown.values.metric
        if metric.kind == "counter":
            shown.values.add(point.sum * shown.factor, *labels)
            return
        distribution = shown.values.distribution(*labels)
        for bound, count in zip((*row["ExplicitBounds"], math.inf), point.buckets, strict=False):
            # A stream with other bounds than the first one goes by its own upper bounds.
            distribution.counts[bisect_left(metric.buckets, bound * shown.factor)] += count
        distribution.sum += point.sum * shown.factor

    def _show(self, kind: str, row: dict[str, Any]) -> _Shown | None:
        key = (kind, row["MetricName"][:MAX_NAME], row["MetricUnit"][:20])
        if key not in self._shown:
            if len(self._shown) >= MAX_METRICS:
                return None
            self._shown[key] = self._declare(kind, row)
        return self._shown[key]

    def _declare(self, kind: str, row: dict[str, Any]) -> _Shown | None:
        unit, factor = AGENT_METRIC_UNITS.get(row["MetricUnit"], ("", 1.0))
        name = prometheus_name(row["MetricName"][:MAX_NAME], unit, kind)
        bounds = row.get("ExplicitBounds", ())
        if len(bounds) > MAX_BOUNDS or name in self._families.values:
            return None
        metric = Metric(
            name,
            "counter" if kind == "counter" else "histogram",
            f"{row['MetricName'][:MAX_NAME]} of coding agents, added up over sessions.",
            ("service_name",),
            tuple(sorted({bound * factor for bound in bounds if math.isfinite(bound)})),
        )
        return _Shown(self._families.of(metric), factor)

    def _ignore(self, reason: str) -> None:
        self._families.of(AGENT_POINTS_IGNORED).add(1, reason)


def prometheus_name(name: str, unit: str, kind: str) -> str:
    """The Prometheus name of a metric, by the rules of the OpenTelemetry specification."""
    own = re.sub(r"_+", "_", re.sub(r"[^a-zA-Z0-9_]", "_", name)).strip("_")
    if unit == "seconds":
        own = re.sub(r"_(ms|us|ns|s)$", "", own)
    own = own.removesuffix("_total")
    if unit and not own.endswith(f"_{unit}"):
        own = f"{own}_{unit}"
    return f"{own}_total" if kind == "counter" else own


def _kind(table: pa.Table) -> str:
    names = set(table.column_names)
    if not names.issuperset(_HEAD):
        return ""
    if names.issuperset(_SUM_COLUMNS):
        return "counter"
    return "histogram" if names.issuperset(_HISTOGRAM_COLUMNS) else ""


def _rows(table: pa.Table, kind: str) -> Iterator[dict[str, Any]]:
    columns = _HEAD + (_SUM_COLUMNS if kind == "counter" else _HISTOGRAM_COLUMNS)
    times = {name: pc.cast(table[name], pa.int64()) for name in ("StartTimeUnix", "TimeUnix")}
    plain = pa.table({name: times.get(name, table[name]) for name in columns})
    yield from plain.to_pylist()


def _point(kind: str, row: dict[str, Any]) -> Point:
    if kind == "counter":
        return Point(row["Value"], ())
    return Point(row["Sum"], tuple(row["BucketCounts"] or (row["Count"],)))

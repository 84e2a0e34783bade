"""Metrics: an ExportMetricsServiceRequest as rows of the five `otel_metrics_*` tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pipeline.decode.arrays import lists, table, times
from pipeline.decode.batch import Sources, check_ids, check_repeated, check_rows, flat
from pipeline.decode.scopes import AttributeColumn, Scopes
from schemas.columns import Table
from schemas.tables.metrics import EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, SUM, SUMMARY

# a data point of opentelemetry-proto -> the value of a column
Read = Callable[[Any], Any]


def _number(point: Any) -> float:
    """The value of a data point or exemplar, 0 where it has none."""
    return float(point.as_int) if point.HasField("as_int") else float(point.as_double)


_COUNTED: Final[dict[str, Read]] = {"Count": lambda p: p.count, "Sum": lambda p: p.sum}
_RANGE: Final[dict[str, Read]] = {"Min": lambda p: p.min, "Max": lambda p: p.max}

# what each kind's table holds beside the columns that all kinds share
_POINT: Final[dict[str, tuple[Table, dict[str, Read]]]] = {
    "gauge": (GAUGE, {"Value": _number}),
    "sum": (SUM, {"Value": _number}),
    "histogram": (
        HISTOGRAM,
        {
            **_COUNTED,
            **_RANGE,
            "BucketCounts": lambda p: list(p.bucket_counts),
            "ExplicitBounds": lambda p: list(p.explicit_bounds),
        },
    ),
    "exponential_histogram": (
        EXPONENTIAL_HISTOGRAM,
        {
            **_COUNTED,
            **_RANGE,
            "Scale": lambda p: p.scale,
            "ZeroCount": lambda p: p.zero_count,
            "PositiveOffset": lambda p: p.positive.offset,
            "PositiveBucketCounts": lambda p: list(p.positive.bucket_counts),
            "NegativeOffset": lambda p: p.negative.offset,
            "NegativeBucketCounts": lambda p: list(p.negative.bucket_counts),
        },
    ),
    "summary": (
        SUMMARY,
        {
            **_COUNTED,
            "ValueAtQuantiles.Quantile": lambda p: [q.quantile for q in p.quantile_values],
            "ValueAtQuantiles.Value": lambda p: [q.value for q in p.quantile_values],
        },
    ),
}

# what a metric, not its data points, says
_METRIC: Final[dict[str, Read]] = {
    "AggregationTemporality": lambda data: data.aggregation_temporality,
    "IsMonotonic": lambda data: data.is_monotonic,
}


class _Exemplars:
    """The nested exemplars of a table."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.attributes = AttributeColumn()
        self.times: list[int] = []
        self.values: list[float] = []
        self.trace_ids: list[bytes] = []
        self.span_ids: list[bytes] = []

    def lists(self) -> Iterable[list[Any]]:
        yield from (self.counts, self.times, self.values, self.trace_ids, self.span_ids)
        yield from self.attributes.lists()

    def add(self, rows: list[Any]) -> None:
        exemplars = flat(rows)
        self.counts += map(len, rows)
        self.attributes.add([e.filtered_attributes for e in exemplars])
        self.times += [e.time_unix_nano for e in exemplars]
        self.values += [_number(e) for e in exemplars]
        trace_ids = [e.trace_id for e in exemplars]
        span_ids = [e.span_id for e in exemplars]
        check_ids("trace_id", trace_ids)
        check_ids("span_id", span_ids)
        # unlike everywhere else the Collector writes an id that is missing here as zeros
        self.trace_ids += [i or bytes(16) for i in trace_ids]
        self.span_ids += [i or bytes(8) for i in span_ids]

    def columns(self) -> dict[str, pa.Array]:
        return {
            "Exemplars.FilteredAttributes": lists(self.counts, self.attributes.array()),
            "Exemplars.TimeUnix": lists(self.counts, times(self.times)),
            "Exemplars.Value": lists(self.counts, pa.array(self.values, pa.float64())),
            "Exemplars.SpanId": lists(self.counts, pa.array([i.hex() for i in self.span_ids], pa.string())),
            "Exemplars.TraceId": lists(self.counts, pa.array([i.hex() for i in self.trace_ids], pa.string())),
        }


class _KindColumns:
    """Columns of one kind's table while messages are read."""

    def __init__(self, kind: str) -> None:
        self.table, self._read = _POINT[kind]
        names = self.table.schema.names
        self._of_metric = {name: read for name, read in _METRIC.items() if name in names}
        self._has_exemplars = "Exemplars.Value" in names
        self.scope_of_record: list[int] = []
        self.message_of_record: list[int] = []
        self.columns: dict[str, list[Any]] = {
            name: []
            for name in ("MetricName", "MetricDescription", "MetricUnit", "Flags", *self._read, *self._of_metric)
        }
        self.starts: list[int] = []
        self.times: list[int] = []
        self.attributes = AttributeColumn()
        self.exemplars = _Exemplars()

    def lists(self) -> Iterable[list[Any]]:
        yield from self.columns.values()
        yield from (self.scope_of_record, self.message_of_record, self.starts, self.times)
        yield from self.attributes.lists()
        yield from self.exemplars.lists()

    def add(self, metric: Any, data: Any, scope: int, message: int) -> None:
        points = list(data.data_points)
        columns, rows = self.columns, len(points)
        self.scope_of_record += [scope] * rows
        self.message_of_record += [message] * rows
        columns["MetricName"] += [metric.name] * rows
        columns["MetricDescription"] += [metric.description] * rows
        columns["MetricUnit"] += [metric.unit] * rows
        for name, read in self._of_metric.items():
            columns[name] += [read(data)] * rows
        for name, read in self._read.items():
            columns[name] += map(read, points)
        columns["Flags"] += [point.flags for point in points]
        self.starts += [point.start_time_unix_nano for point in points]
        self.times += [point.time_unix_nano for point in points]
        self.attributes.add([point.attributes for point in points])
        if self._has_exemplars:
            self.exemplars.add([point.exemplars for point in points])

    def finish(self, scopes: Scopes, sources: Sources) -> pa.Table:
        columns: dict[str, Any] = {
            **scopes.columns(np.asarray(self.scope_of_record, np.int32)),
            **sources.columns(np.asarray(self.message_of_record, np.int32)),
            **self.columns,
            "Attributes": self.attributes.array(),
            "StartTimeUnix": times(self.starts),
            "TimeUnix": times(self.times),
        }
        if self._has_exemplars:
            columns |= self.exemplars.columns()
        return table(self.table, columns)


class MetricColumns:
    """Columns of the `otel_metrics_*` tables while messages are read."""

    def __init__(self) -> None:
        self.scopes = Scopes()
        self.kinds = {kind: _KindColumns(kind) for kind in _POINT}
        self._message = 0

    def lists(self) -> Iterable[list[Any]]:
        """Every list that `read` appends to."""
        yield from self.scopes.lists()
        for kind in self.kinds.values():
            yield from kind.lists()

    def read(self, request: Any) -> int:
        """Append an ExportMetricsServiceRequest."""
        repeated = rows = 0
        for resource in request.resource_metrics:
            size = self.scopes.add_resource(resource.resource, resource.schema_url)
            for scope in resource.scope_metrics:
                here = size + self.scopes.add_scope(scope.scope, scope.schema_url, 0)
                for metric in scope.metrics:
                    kind = metric.WhichOneof("data")
                    if kind is None:
                        continue
                    data = getattr(metric, kind)
                    points = len(data.data_points)
                    rows += points
                    repeated += points * (here + len(metric.name) + len(metric.description) + len(metric.unit))
                    check_rows(rows)
                    check_repeated(repeated)
                    self.kinds[kind].add(metric, data, len(self.scopes.names) - 1, self._message)
        self._message += 1
        return repeated

    @property
    def rows(self) -> int:
        """Records read so far."""
        return sum(len(kind.times) for kind in self.kinds.values())

    def tables(self, sources: Sources) -> dict[str, pa.Table]:
        """All rows read, by table."""
        found = (kind for kind in self.kinds.values() if kind.times)
        return {kind.table.name: kind.finish(self.scopes, sources) for kind in found}

"""Values of metrics by their labels, and their form for the Prometheus client library."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from schemas.metrics import Metric

MAX_LABEL_CHARACTERS: Final = 120

Labels = tuple[str, ...]


@dataclass(slots=True)
class Distribution:
    """A histogram: observations per bucket (the last one is over all bounds) and their sum."""

    counts: list[int]
    sum: float = 0.0

    def add(self, bounds: tuple[float, ...], value: float, count: int = 1) -> None:
        """Count observations of about `value`; their sum is added by the caller, who knows it exactly."""
        self.counts[bisect_left(bounds, value)] += count


@dataclass(slots=True)
class Values:
    """All values of one metric."""

    metric: Metric
    numbers: dict[Labels, float] = field(default_factory=dict)
    distributions: dict[Labels, Distribution] = field(default_factory=dict)

    def add(self, amount: float, *labels: str) -> None:
        """Let a counter or gauge grow."""
        key = clean(labels)
        self.numbers[key] = self.numbers.get(key, 0.0) + amount

    def set(self, value: float, *labels: str) -> None:
        """Set a gauge."""
        self.numbers[clean(labels)] = value

    def distribution(self, *labels: str) -> Distribution:
        """The histogram of these labels."""
        key = clean(labels)
        if key not in self.distributions:
            self.distributions[key] = Distribution([0] * (len(self.metric.buckets) + 1))
        return self.distributions[key]

    def drop(self, *labels: str) -> None:
        """Forget one set of labels."""
        self.numbers.pop(clean(labels), None)
        self.distributions.pop(clean(labels), None)

    def has(self, labels: Labels) -> bool:
        """Whether these (clean) labels have a value."""
        return labels in self.numbers or labels in self.distributions

    def extend(self, label: str) -> None:
        """Add a label name; what was counted before has it empty, which to Prometheus is the same series."""
        self.metric = self.metric._replace(labels=(*self.metric.labels, label))
        self.numbers = {(*key, ""): number for key, number in self.numbers.items()}
        self.distributions = {(*key, ""): distribution for key, distribution in self.distributions.items()}

    def family(self) -> Family:
        """The metric as the client library renders it."""
        metric = self.metric
        if metric.kind == "histogram":
            histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, distribution in self.distributions.items():
                histogram.add_metric(labels, list(_cumulative(metric.buckets, distribution)), distribution.sum)
            return histogram
        kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        family = kind(metric.name, metric.help, labels=metric.labels)
        for labels, number in self.numbers.items():
            family.add_metric(labels, number)
        return family


class Families(Collector):
    """Hands a changing list of metrics to a registry; metrics without a value are left out.

    Changes are made under `lock`, by the caller; reading takes it by itself.
    """

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self._lock = lock
        self.values: dict[str, Values] = {}

    def of(self, metric: Metric) -> Values:
        """The values of a metric, which is known from now on."""
        if metric.name not in self.values:
            self.values[metric.name] = Values(metric)
        return self.values[metric.name]

    def collect(self) -> Iterable[Family]:
        """Every metric that has a value, as it stands at one moment."""
        with self._lock:
            return [v.family() for v in self.values.values() if v.numbers or v.distributions]


def clean(labels: tuple[str, ...]) -> Labels:
    """Label values as they may stand in an exposition: valid Unicode of bounded length."""
    return tuple(label[:MAX_LABEL_CHARACTERS].encode("utf-8", "replace").decode() for label in labels)


def _cumulative(bounds: tuple[float, ...], distribution: Distribution) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, count in zip((*bounds, float("inf")), distribution.counts, strict=True):
        total += count
        yield ("+Inf" if bound == float("inf") else repr(float(bound))), total

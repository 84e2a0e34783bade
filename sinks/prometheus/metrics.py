"""The sink: everything that becomes a metric comes in here, from any thread."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import pyarrow as pa
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from schemas import metrics as m
from schemas.facts import Slice
from schemas.finding import Finding
from schemas.histogram import midpoint_ns
from sinks.prometheus.agents import AgentMetrics
from sinks.prometheus.roster import Roster
from sinks.prometheus.samples import Families, clean

MAX_NAMED_SERIES: Final = 200
MAX_REMEMBERED_FINDINGS: Final = 20_000


PartitionProgress = tuple[str, int, int, int, int]
"""Topic, partition, offset processed up to, offset written next, watermark in nanoseconds since 1970 (0: none)."""


class OpenFinding(NamedTuple):
    """What a finding is counted by."""

    id: str
    rule: str
    severity: str


class PrometheusMetrics:
    """All metrics of the process, in a registry of their own.

    Memory: `max_series` series by name and one `other`; `max_agent_time_series` lines of the agents' own metrics.

    Args:
        started_unix_nano: Agents' cumulative counters that began earlier count from their first value on.
        max_series: Series shown by name.
        max_agent_time_series: Lines shown of the agents' own metrics, over all of them.
    """

    content_type: Final = CONTENT_TYPE_LATEST

    def __init__(
        self, *, started_unix_nano: int = 0, max_series: int = MAX_NAMED_SERIES, max_agent_time_series: int = 5000
    ) -> None:
        self._lock = threading.Lock()
        self._families = Families(self._lock)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self._families)
        self._roster: Roster[tuple[str, ...]] = Roster(max_series)
        self._agents = AgentMetrics(self._families, started_unix_nano, max_agent_time_series)
        self._open: dict[str, tuple[str, str]] = {}
        self._reached: OrderedDict[tuple[str, str], None] = OrderedDict()

    def render(self) -> bytes:
        """The exposition, of `content_type`."""
        return generate_latest(self._registry)

    # What the agents do

    def observe_slices(self, slices: Iterable[Slice]) -> None:
        """Add the partial aggregates of one batch."""
        with self._lock:
            for one in slices:
                self._observe_slice(one)

    def observe_metrics(self, table: pa.Table) -> None:
        """Add rows of `otel_metrics_sum` or `otel_metrics_histogram`, known by their columns; others are ignored."""
        with self._lock:
            self._agents.observe(table)

    def observe_findings(self, findings: Iterable[Finding]) -> None:
        """Count new revisions, in order. The same revision twice counts once."""
        with self._lock:
            for finding in findings:
                self._observe_finding(
                    OpenFinding(finding.id, finding.rule, finding.severity), finding.status != "resolved", opened=1
                )

    def restore_findings(self, findings: Iterable[OpenFinding]) -> None:
        """Take over what was open before the process started: it is open, but not opened again."""
        with self._lock:
            for finding in findings:
                self._observe_finding(finding, True, opened=0)

    # What the pipeline does

    def received(self, signal: str, transport: str, outcome: str, records: int, size_bytes: int) -> None:
        """Count one export request (the receiver's counter)."""
        with self._lock:
            self._families.of(m.RECEIVED_REQUESTS).add(1, signal, transport, outcome)
            if outcome == "accepted":
                self._families.of(m.RECEIVED_RECORDS).add(records, signal, transport)
                self._families.of(m.RECEIVED_BYTES).add(size_bytes, signal, transport)

    def stored(self, table: str, rows: int) -> None:
        """Count rows inserted into a table."""
        with self._lock:
            self._families.of(m.STORED_ROWS).add(rows, table)

    def inserted(self, duration_s: float) -> None:
        """Count one insert of a batch."""
        with self._lock:
            distribution = self._families.of(m.INSERT_DURATION).distribution()
            distribution.add(m.INSERT_DURATION.buckets, duration_s)
            distribution.sum += duration_s

    def dead_lettered(self, topic: str, messages: int = 1) -> None:
        """Count messages that could not be used."""
        with self._lock:
            self._families.of(m.DEAD_LETTERS).add(messages, topic)

    def notified(self, target: str, outcome: str) -> None:
        """Count one attempt to tell a webhook or Alertmanager; targets are those that are configured."""
        with self._lock:
            self._families.of(m.NOTIFICATIONS).add(1, target, outcome)

    def progress(self, partitions: Sequence[PartitionProgress]) -> None:
        """Set how far the partitions of this process have come; those not named are not its own any more."""
        lag: dict[str, int] = {}
        with self._lock:
            for metric in (m.LAG, m.PARTITION_LAG, m.PARTITION_DONE, m.PARTITION_WATERMARK):
                self._families.of(metric).numbers.clear()
            for topic, partition, done, end, watermark_unix_nano in partitions:
                lag[topic] = lag.get(topic, 0) + end - done
                where = (topic, str(partition))
                self._families.of(m.PARTITION_LAG).set(end - done, *where)
                self._families.of(m.PARTITION_DONE).set(done, *where)
                if watermark_unix_nano:
                    self._families.of(m.PARTITION_WATERMARK).set(watermark_unix_nano / 1e9, *where)
            for topic, waiting in lag.items():
                self._families.of(m.LAG).set(waiting, topic)

    def watermark(self, unix_nano: int) -> None:
        """Set the event time up to which everything was judged."""
        with self._lock:
            self._families.of(m.WATERMARK).set(unix_nano / 1e9)

    def build(self, version: str) -> None:
        """Set the version that runs."""
        with self._lock:
            self._families.of(m.BUILD_INFO).set(1, version)

    def _observe_slice(self, one: Slice) -> None:
        labels: tuple[str, ...] = clean(one.series)
        admission = self._roster.admit(labels, one.count)
        if admission.evicted is not None:
            for metric in (m.CALLS, m.ERRORS, m.DURATION, m.TOKENS, m.COST):
                self._families.of(metric).drop(*admission.evicted)
        if not admission.named:
            labels = (m.OTHER,) * len(labels)
        self._families.of(m.CALLS).add(one.count, *labels)
        self._families.of(m.ERRORS).add(one.errors, *labels)
        if one.tokens:
            self._families.of(m.TOKENS).add(one.tokens, *labels)
        if one.cost_usd > 0 and math.isfinite(one.cost_usd):
            self._families.of(m.COST).add(one.cost_usd, *labels)
        if one.histogram:
            distribution = self._families.of(m.DURATION).distribution(*labels)
            for bucket, count in one.histogram.items():
                distribution.add(m.DURATION.buckets, midpoint_ns(bucket) / 1e9, count)
            distribution.sum += one.duration_sum_ns / 1e9

    def _observe_finding(self, finding: OpenFinding, is_open: bool, opened: int) -> None:
        gauge = self._families.of(m.FINDINGS_OPEN)
        before = self._open.pop(finding.id, None)
        if before is not None:
            gauge.add(-1, *before)
        now = (finding.rule, finding.severity)
        if is_open and len(self._open) < MAX_REMEMBERED_FINDINGS:
            self._open[finding.id] = now
            gauge.add(1, *now)
        reached = (finding.id, finding.severity)
        if reached not in self._reached:
            self._reached[reached] = None
            if len(self._reached) > MAX_REMEMBERED_FINDINGS:
                self._reached.popitem(last=False)
            self._families.of(m.FINDINGS_OPENED).add(opened, *now)

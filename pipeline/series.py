"""Series slices: what one batch adds to each series' minute.

Sources of observations: tool calls (`execute_tool`, tool), model calls (`chat`, model) and the spans that are no
agent's (span name). An observation belongs to the minute in which it ended, because that is when it is exported.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from heapq import nsmallest
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh32_intdigest

from schemas.facts import MAX_SESSION_HASHES, Exemplar, ModelCall, Slice, ToolCall
from schemas.histogram import bucket

MINUTE_NS: Final = 60_000_000_000
MAX_NAME: Final = 120
MAX_ERROR_TYPES: Final = 8
MAX_EXEMPLARS: Final = 3
OTHER: Final = "other"


class Observation(NamedTuple):
    """One span or call, as a series sees it."""

    service_name: str
    operation: str
    name: str
    service_version: str
    start_time_unix_nano: int
    duration_ns: int
    error_type: str
    """"" = it did not fail."""
    group: str
    """Session, else trace: what correlated observations share."""
    trace_id: str
    span_id: str
    tokens: int = 0
    cost_usd: float = 0.0


class _Open:
    """A slice while its batch is being read."""

    __slots__ = ("cost", "count", "errors", "failed", "groups", "histogram", "slowest", "sum_ns", "tokens", "types")

    def __init__(self) -> None:
        self.count = self.errors = self.sum_ns = self.tokens = 0
        self.cost = 0.0
        self.histogram: dict[int, int] = {}
        self.types: dict[str, int] = {}
        self.groups: set[str] = set()
        self.failed: list[Exemplar] = []
        self.slowest: list[Exemplar] = []

    def add(self, seen: Observation) -> None:
        _, _, _, _, _, duration_ns, error_type, group, _, _, tokens, cost_usd = seen
        self.count += 1
        self.groups.add(group)
        self.tokens += tokens
        self.cost += cost_usd
        if error_type:
            self._add_error(seen)
        elif duration_ns >= 0:
            self.sum_ns += duration_ns
            index = bucket(duration_ns)
            self.histogram[index] = self.histogram.get(index, 0) + 1
            slowest = self.slowest
            if len(slowest) < MAX_EXEMPLARS or duration_ns > slowest[-1].duration_ns:
                slowest.append(_exemplar(seen, "ok"))
                slowest.sort(key=lambda e: -e.duration_ns)
                del slowest[MAX_EXEMPLARS:]

    def _add_error(self, seen: Observation) -> None:
        self.errors += 1
        kind = seen.error_type[:MAX_NAME]
        if kind not in self.types and len(self.types) >= MAX_ERROR_TYPES:
            kind = OTHER
        self.types[kind] = self.types.get(kind, 0) + 1
        if len(self.failed) < MAX_EXEMPLARS:
            self.failed.append(_exemplar(seen, "error"))


def _exemplar(seen: Observation, outcome: str) -> Exemplar:
    return Exemplar(seen.trace_id, seen.span_id, seen.start_time_unix_nano, seen.duration_ns, outcome)


class SeriesNames:
    """Bounds how many series one process tells apart; what comes after the bound is called `other`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: set[tuple[str, str, str]] = set()

    def admit(self, service: str, operation: str, name: str) -> tuple[str, str, str]:
        """The series that an observation counts for."""
        series = (service[:MAX_NAME], operation[:MAX_NAME], name[:MAX_NAME])
        if series in self._known:
            return series
        if len(self._known) >= self._limit:
            return (series[0], OTHER, "") if len(self._known) < 2 * self._limit else (OTHER, OTHER, "")
        self._known.add(series)
        return series


def smallest_hashes(hashes: Iterable[int]) -> tuple[int, ...]:
    """The `MAX_SESSION_HASHES` smallest of them, each once: they count distinct sessions up to that many."""
    return tuple(nsmallest(MAX_SESSION_HASHES, set(hashes)))


def slices(observations: Iterable[Observation], names: SeriesNames) -> list[Slice]:
    """One slice for each series, version and minute seen, in a fixed order."""
    found: dict[tuple[tuple[str, str, str], str, int], _Open] = {}
    told: dict[tuple[str, str, str, str, int], _Open] = {}
    """The same by names as they were told, so that most observations need no more than one look-up."""
    for seen in observations:
        service, operation, name, version, start, duration_ns, *_ = seen
        minute = (start + duration_ns if duration_ns > 0 else start) // MINUTE_NS
        one = told.get((service, operation, name, version, minute))
        if one is None:
            key = (names.admit(service, operation, name), version[:MAX_NAME], minute)
            one = told[service, operation, name, version, minute] = found.setdefault(key, _Open())
        one.add(seen)
    return [
        Slice(
            *series, version, minute * 60, one.count, one.errors, one.sum_ns, one.histogram, one.types,
            len(one.groups), one.tokens, one.cost, (*one.slowest, *one.failed),
            smallest_hashes(xxh32_intdigest(group.encode("utf-8", "surrogatepass")) for group in one.groups),
        )
        for (series, version, minute), one in sorted(found.items(), key=lambda kv: kv[0])
    ]  # fmt: skip


def of_tool_calls(calls: Iterable[ToolCall]) -> Iterable[Observation]:
    """Tool calls as observations; calls that were denied never ran and are left out."""
    for call in calls:
        if call.outcome != "denied":
            yield tuple.__new__(Observation, (
                call.service_name, "execute_tool", call.tool_name, call.service_version, call.start_time_unix_nano,
                call.duration_ns, _error_type(call.outcome, call.error_type), call.session_id or call.trace_id,
                call.trace_id, call.span_id, 0, 0.0,
            ))  # fmt: skip


def of_model_calls(calls: Iterable[ModelCall]) -> Iterable[Observation]:
    """Model calls as observations; a refusal of the provider (`denied`) is no error of the service."""
    for call in calls:
        if call.outcome != "denied":
            cost_usd = call.cost_usd
            yield tuple.__new__(Observation, (
                call.service_name, "chat", call.request_model or call.response_model, call.service_version,
                call.start_time_unix_nano, call.duration_ns, _error_type(call.outcome, call.error_type),
                call.session_id or call.trace_id, call.trace_id, call.span_id,
                max(0, call.input_tokens) + max(0, call.output_tokens), 0.0 if math.isnan(cost_usd) else cost_usd,
            ))  # fmt: skip


def _error_type(outcome: str, error_type: str) -> str:
    return (error_type or "error") if outcome == "error" else ""


def of_spans(table: pa.Table) -> Iterable[Observation]:
    """Rows of `otel_traces` as observations."""
    if table.num_rows == 0:
        return
    column = {name: table.column(name) for name in table.column_names}
    version = pc.map_lookup(column["ResourceAttributes"], "service.version", "first")
    error_type = pc.map_lookup(column["SpanAttributes"], "error.type", "first")
    rows = zip(
        column["ServiceName"].to_pylist(), column["SpanName"].to_pylist(), version.to_pylist(),
        pc.cast(column["Timestamp"], pa.int64()).to_pylist(), column["Duration"].to_pylist(),
        column["StatusCode"].to_pylist(), error_type.to_pylist(),
        column["TraceId"].to_pylist(), column["SpanId"].to_pylist(), strict=True,
    )  # fmt: skip
    for service, operation, release, start, duration, status, kind, trace_id, span_id in rows:
        error = (kind or "error") if status == "Error" else ""
        yield Observation(service, operation, "", release or "", start, duration, error, trace_id, trace_id, span_id)

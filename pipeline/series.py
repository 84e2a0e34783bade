"""Series slices: what one batch adds to each slot of each series' minute.

Sources of observations: tool calls (`execute_tool`, tool), model calls (`chat`, model) and the spans that are no
agent's (span name). An observation belongs to the slot in which it ended, because that is when it is exported.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from heapq import nsmallest
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh32_intdigest

from schemas.facts import MAX_MARKS, MAX_SESSION_HASHES, SLOT_S, Exemplar, ModelCall, Slice, ToolCall
from schemas.histogram import bucket

_SLOT_NS: Final = SLOT_S * 1_000_000_000
MAX_NAME: Final = 120
MAX_ERROR_TYPES: Final = 8
MAX_EXEMPLARS: Final = 3
MAX_MARKED: Final = 64
"""Combinations of marks that one slice tells apart."""
MAX_COST_USD: Final = 1e6
MARKS: Final = ("agent", "prompt", "model", "prices")
OTHER: Final = "other"


Marked = tuple[str, str, str, str, str, str]
"""Agent, its version, prompt's name, its version, model that answered, date of the prices of an estimated cost."""


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
    marks: Marked | None = None
    """None where nothing is known."""


class _Open:
    """A slice while its batch is being read."""

    __slots__ = (
        "cost", "costs", "count", "errors", "failed", "failed_groups", "groups", "histogram", "marks", "slowest",
        "sum_ns", "token_counts", "tokens", "types",
    )  # fmt: skip

    def __init__(self) -> None:
        self.count = self.errors = self.sum_ns = self.tokens = 0
        self.cost = 0.0
        self.histogram: dict[int, int] = {}
        self.token_counts: dict[int, int] = {}
        self.costs: dict[int, int] = {}
        self.marks: dict[Marked, list[int]] = {}
        self.failed_groups: set[str] = set()
        self.types: dict[str, int] = {}
        self.groups: set[str] = set()
        self.failed: list[Exemplar] = []
        self.slowest: list[Exemplar] = []

    def add(self, seen: Observation) -> None:
        _, _, _, _, _, duration_ns, error_type, group, _, _, tokens, cost_usd, marks = seen
        self.count += 1
        self.groups.add(group)
        if tokens or cost_usd:
            self._add_spent(tokens, cost_usd)
        index = -1
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
        if marks is not None:
            self._add_marks(marks, bool(error_type), index)

    def _add_spent(self, tokens: int, cost_usd: float) -> None:
        self.tokens += tokens
        self.cost += cost_usd
        if tokens:
            place = bucket(tokens)
            self.token_counts[place] = self.token_counts.get(place, 0) + 1
        if cost_usd > 0:
            place = bucket(int(min(cost_usd, MAX_COST_USD) * 1e9))
            self.costs[place] = self.costs.get(place, 0) + 1

    def _add_marks(self, marks: Marked, failed: bool, index: int) -> None:
        one = self.marks.get(marks)
        if one is None:
            if len(self.marks) >= MAX_MARKED:
                return
            one = self.marks[marks] = [0, 0, 0, 0]
        one[0] += 1
        one[1] += failed
        if index >= 0:
            one[2] += 1
            one[3] += index

    def _add_error(self, seen: Observation) -> None:
        self.errors += 1
        self.failed_groups.add(seen.group)
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
    """One slice for each series, version and slot seen, in a fixed order."""
    found: dict[tuple[tuple[str, str, str], str, int], _Open] = {}
    told: dict[tuple[str, str, str, str, int], _Open] = {}
    """The same by names as they were told, so that most observations need no more than one look-up."""
    for seen in observations:
        service, operation, name, version, start, duration_ns, *_ = seen
        slot = (start + duration_ns if duration_ns > 0 else start) // _SLOT_NS
        one = told.get((service, operation, name, version, slot))
        if one is None:
            key = (names.admit(service, operation, name), version[:MAX_NAME], slot)
            one = told[service, operation, name, version, slot] = found.setdefault(key, _Open())
        one.add(seen)
    return [
        Slice(
            *series, version, slot * SLOT_S // 60 * 60, one.count, one.errors, one.sum_ns, one.histogram, one.types,
            len(one.groups), one.tokens, one.cost, (*one.slowest, *one.failed), _hashes(one.groups),
            _hashes(one.failed_groups), one.token_counts, one.costs, _marks(one.marks), slot * SLOT_S % 60,
        )
        for (series, version, slot), one in sorted(found.items(), key=lambda kv: kv[0])
    ]  # fmt: skip


def _hashes(groups: set[str]) -> tuple[int, ...]:
    return smallest_hashes(xxh32_intdigest(group.encode("utf-8", "surrogatepass")) for group in groups)


def _marks(found: dict[Marked, list[int]]) -> dict[str, list[int]]:
    """By single marks; where a slice has more than `MAX_MARKS`, the rarest are left out."""
    single: dict[str, list[int]] = {}
    for (agent, agent_version, prompt, release, model, prices), numbers in found.items():
        values = (_released(agent, agent_version), _released(prompt, release), model, prices)
        for mark, value in zip(MARKS, values, strict=True):
            if value:
                known = single.setdefault(f"{mark}={value[:MAX_NAME]}", [0, 0, 0, 0])
                for at, number in enumerate(numbers):
                    known[at] += number
    if len(single) > MAX_MARKS:
        single = dict(sorted(single.items(), key=lambda kv: (-kv[1][0], kv[0]))[:MAX_MARKS])
    return single


def _released(name: str, version: str) -> str:
    return f"{name}@{version}" if version else name


def of_tool_calls(calls: Sequence[ToolCall]) -> Iterable[Observation]:
    """Tool calls as observations; calls that were denied never ran, those of hooks are told twice: both are left out.

    A call that failed because a call inside it failed counts as a call, not as a second error.
    """
    failed_inside = {(c.trace_id, c.parent_span_id) for c in calls if c.outcome == "error" and c.parent_span_id}
    for call in calls:
        if call.outcome == "error" and (call.trace_id, call.span_id) in failed_inside:
            call = call._replace(outcome="unset", duration_ns=-1)  # noqa: PLW2901 - the same call, counted once
        if call.outcome != "denied" and call.signal != "hook":
            yield tuple.__new__(Observation, (
                call.service_name, "execute_tool", call.tool_name, call.service_version, call.start_time_unix_nano,
                call.duration_ns, _error_type(call.outcome, call.error_type), call.session_id or call.trace_id,
                call.trace_id, call.span_id, 0, 0.0,
                (call.agent_name, call.agent_version, call.prompt_name, call.prompt_version, "", "")
                if call.agent_name or call.prompt_name or call.prompt_version or call.agent_version else None,
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
                (call.agent_name, call.agent_version, call.prompt_name, call.prompt_version, call.response_model,
                 call.prices_date),
            ))  # fmt: skip


def _error_type(outcome: str, error_type: str) -> str:
    return (error_type or "error") if outcome == "error" else ""


def inherited(table: pa.Table, claimed: np.ndarray[Any, np.dtype[np.bool_]]) -> set[tuple[str, str]]:
    """(trace, span) of failed spans whose error is counted elsewhere already: errors climb from child to parent.

    An error belongs to the innermost span that failed, or to the failed call of an agent that it happened inside.
    """
    rows = pc.indices_nonzero(pc.equal(table.column("StatusCode"), "Error")).to_pylist()
    if not rows:
        return set()
    failed = table.take(pa.array(rows))
    names = [failed.column(name).to_pylist() for name in ("TraceId", "SpanId", "ParentSpanId")]
    spans = list(zip(*names, strict=True))
    parents = {(trace, parent) for trace, _, parent in spans if parent}
    calls = {(trace, span) for row, (trace, span, _) in zip(rows, spans, strict=True) if claimed[row]}
    return {(trace, span) for trace, span, parent in spans if (trace, span) in parents or (trace, parent) in calls}


def of_spans(table: pa.Table, counted: Container[tuple[str, str]] = frozenset()) -> Iterable[Observation]:
    """Rows of `otel_traces` as observations; errors of spans in `counted` are not counted again."""
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
        if error and (trace_id, span_id) in counted:
            error, duration = "", -1  # noqa: PLW2901 - the same span, counted once and not as a success
        yield Observation(service, operation, "", release or "", start, duration, error, trace_id, trace_id, span_id)

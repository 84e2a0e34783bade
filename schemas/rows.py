"""Facts, slices, findings and dead letters as rows of their tables: Arrow tables by `zip(*facts)`.

Every builder takes the topic and partition that the facts came from, and one offset for each fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import orjson
import pyarrow as pa

from schemas.columns import Table
from schemas.facts import Marker, ModelCall, SeriesVerdict, Slice, ToolCall
from schemas.finding import Finding
from schemas.tables import DEAD_LETTERS, FINDINGS, MARKERS, MODEL_CALLS, SERIES_1M, SERIES_VERDICTS, TOOL_CALLS

MAX_DEAD_BYTES: Final = 65_536
MAX_INT64: Final = 2**63 - 1
MAX_UINT64: Final = 2**64 - 1
MAX_UINT32: Final = 2**32 - 1


class DeadLetterLike(Protocol):
    """The fields of `pipeline.message.DeadLetter`, which stands in a layer above."""

    @property
    def topic(self) -> str: ...  # noqa: D102 - see pipeline.message
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp_unix_nano(self) -> int: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def value(self) -> bytes: ...  # noqa: D102


def tool_call_rows(
    calls: Sequence[ToolCall], topic: str, partition: int, offsets: Sequence[int], version: int = 0
) -> pa.Table:
    """Rows of `tool_calls`. A row that is written again with a higher `version` replaces the first."""
    return _fact_rows(TOOL_CALLS, calls, _source(topic, partition, offsets), version)


def model_call_rows(
    calls: Sequence[ModelCall], topic: str, partition: int, offsets: Sequence[int], version: int = 0
) -> pa.Table:
    """Rows of `model_calls`. A row that is written again with a higher `version` replaces the first."""
    return _fact_rows(MODEL_CALLS, calls, _source(topic, partition, offsets), version)


def marker_rows(
    markers: Sequence[Marker], topic: str, partition: int, offsets: Sequence[int], version: int = 0
) -> pa.Table:
    """Rows of `markers`. A row that is written again with a higher `version` replaces the first."""
    return _fact_rows(MARKERS, markers, _source(topic, partition, offsets), version)


def series_rows(minutes: Sequence[tuple[Slice, int]], topic: str, partition: int, offsets: Sequence[int]) -> pa.Table:
    """Rows of `series_1m`: the total of a minute so far, and which part of the minute it is.

    The total that holds the most observations is the one that counts.
    """
    totals = [total for total, _ in minutes]
    exemplars = [total.exemplars for total in totals]
    columns: list[Iterable[Any]] = [
        [t.service_name for t in totals],
        [t.operation for t in totals],
        [t.name for t in totals],
        [t.service_version for t in totals],
        [_clamp(t.minute_unix_s, MAX_UINT32) for t in totals],
        [part for _, part in minutes],
        [t.count for t in totals],
        [t.errors for t in totals],
        [_clamp(t.duration_sum_ns, MAX_UINT64) for t in totals],
        [list(t.histogram.items()) for t in totals],
        [list(t.error_types.items()) for t in totals],
        [t.sessions for t in totals],
        [_clamp(t.tokens, MAX_UINT64) for t in totals],
        [t.cost_usd for t in totals],
        [[e.trace_id for e in row] for row in exemplars],
        [[e.span_id for e in row] for row in exemplars],
        [[_clamp(e.start_time_unix_nano, MAX_INT64) for e in row] for row in exemplars],
        [[_clamp(e.duration_ns, MAX_INT64) for e in row] for row in exemplars],
        [[e.outcome for e in row] for row in exemplars],
    ]
    return _table(SERIES_1M, [*columns, *_source(topic, partition, offsets), [t.count for t in totals]])


def verdict_rows(verdicts: Sequence[SeriesVerdict], topic: str, partition: int, offsets: Sequence[int]) -> pa.Table:
    """Rows of `series_verdicts`; the latest of a series and rule is the one that counts."""
    columns = [list(values) for values in zip(*verdicts, strict=True)] if verdicts else [[]] * 9
    columns[5] = [_clamp(second, MAX_UINT32) for second in columns[5]]
    version = list(columns[5])
    return _table(SERIES_VERDICTS, [*columns, *_source(topic, partition, offsets), version])


def finding_rows(findings: Sequence[Finding], topic: str, partition: int, offsets: Sequence[int]) -> pa.Table:
    """Rows of `findings`, one for each telling."""
    f = findings
    columns: list[Iterable[Any]] = [
        *([getattr(one, name) for one in f] for name in _FINDING_HEAD),
        *([_clamp(getattr(one, name), MAX_INT64) for one in f] for name in _FINDING_TIMES),
        *([getattr(one, name) for one in f] for name in _FINDING_MEASURES),
        [[e.trace_id for e in one.evidence] for one in f],
        [[e.span_id for e in one.evidence] for one in f],
        [[_clamp(e.time_unix_nano, MAX_INT64) for e in one.evidence] for one in f],
        [[e.call_id for e in one.evidence] for one in f],
        [[e.note for e in one.evidence] for one in f],
        [one.why for one in f],
        [one.reason for one in f],
        [one.agent_name for one in f],
        [orjson.dumps(one.as_json()).decode() for one in f],
    ]
    return _table(FINDINGS, [*columns, *_source(topic, partition, offsets)])


_FINDING_HEAD: Final = (
    "id", "fingerprint", "revision", "precedence", "rule", "kind", "severity", "status", "confidence", "session_id",
    "service_name", "operation", "tool", "model", "version",
)  # fmt: skip
_FINDING_TIMES: Final = ("first_seen_unix_nano", "last_seen_unix_nano", "detected_at_unix_nano")
_FINDING_MEASURES: Final = (
    "observed", "baseline", "unit", "count", "wasted_tokens", "wasted_cost_usd", "wasted_duration_s",
)  # fmt: skip


def dead_letter_rows(dead_letters: Sequence[DeadLetterLike]) -> pa.Table:
    """Rows of `dead_letters`; bytes are cut at `MAX_DEAD_BYTES`."""
    columns: list[Iterable[Any]] = [
        [d.topic for d in dead_letters],
        [d.partition for d in dead_letters],
        [d.offset for d in dead_letters],
        [_clamp(d.timestamp_unix_nano, MAX_INT64) for d in dead_letters],
        [d.reason for d in dead_letters],
        [len(d.value) for d in dead_letters],
        [d.value[:MAX_DEAD_BYTES] for d in dead_letters],
    ]
    return _table(DEAD_LETTERS, columns)


Source = tuple[Sequence[str], Sequence[int], Sequence[int]]


def _fact_rows(
    table: Table, facts: Sequence[ToolCall] | Sequence[ModelCall] | Sequence[Marker], source: Source, version: int
) -> pa.Table:
    own = len(table.sent) - len(source) - 2  # the source, Version and KeySession follow the fact's own fields
    fields: list[Iterable[Any]] = list(zip(*facts, strict=True)) if facts else [()] * own
    return _table(table, [*fields, *source, [version] * len(facts), [_key_session(fact) for fact in facts]])


def _key_session(fact: ToolCall | ModelCall | Marker) -> str:
    """What tells it from a fact of another session that began when it did, where no id does.

    Never of a fact with a trace: its session may become known later, and its row must still replace the first.
    """
    if fact.trace_id or fact.span_id or (not isinstance(fact, Marker) and fact.call_id):
        return ""
    return fact.session_id


def _source(topic: str, partition: int, offsets: Sequence[int]) -> Source:
    return ([topic] * len(offsets), [partition] * len(offsets), offsets)


def _table(table: Table, columns: Iterable[Iterable[Any]]) -> pa.Table:
    schema = table.schema
    arrays = [_array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(values: Iterable[Any], kind: pa.DataType) -> pa.Array:
    """One column; integers out of range become the nearest that fits."""
    values = list(values)
    try:
        return pa.array(values, kind)
    except (OverflowError, pa.ArrowInvalid):
        if not (pa.types.is_timestamp(kind) or pa.types.is_int64(kind)):
            raise
        return pa.array([max(-MAX_INT64, min(value, MAX_INT64)) for value in values], kind)


def _clamp(value: int, high: int) -> int:
    return max(-1, min(value, high)) if high == MAX_INT64 else max(0, min(value, high))

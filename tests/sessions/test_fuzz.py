"""Whatever attributes come, `facts` gives facts and never raises."""

from __future__ import annotations

import math

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sessions import SessionModel, load_all
from schemas.facts import STRENGTHS, ToolCall
from tests.sessions.tables import batch

DIALECTS = load_all()
MODEL = SessionModel(DIALECTS)
RULES = [rule for dialect in DIALECTS for rule in dialect.rules]

KEYS = sorted(
    {key for rule in RULES for key in (*rule.where, *rule.has, *rule.lacks)}
    | {key for rule in RULES for sources in rule.fields.values() for one in sources for key in one.key.split("\n")}
    | {"gen_ai.prompt.0.role", "gen_ai.prompt.0.tool_calls.0.name", "gen_ai.prompt.1.role", "event.name"}
)
CHOICES = sorted({value for rule in RULES for values in rule.where.values() for value in values})
SCOPES = [*sorted({scope for rule in RULES for scope in rule.scope}), "", "other"]
EVENTS = sorted({event for rule in RULES for event in rule.event})
NAMES = sorted({name for rule in RULES for name in (*rule.span, *rule.span_prefix)})

VALUES = st.one_of(
    st.sampled_from(CHOICES),
    st.text(max_size=20),
    st.text(alphabet='{}[]":,\\\'()0123456789.eE-…tool_call', max_size=60),
    st.sampled_from(
        ["", "null", "__REDACTED__", "-1", "1e400", "9" * 40, "NaN", "[" * 2_000, '{"a":' * 300, "2026-13-99T99:99Z",
         "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "exit code 99999999999", "content='", '["stop", 1, null]']
    ),
)  # fmt: skip
ATTRIBUTES = st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=8)), VALUES, max_size=14)


def check(signal: str, table: pa.Table) -> None:
    found = MODEL.facts(signal, table)
    assert found.claimed.shape == (table.num_rows,)
    assert not (found.ignored & ~found.claimed).any()
    for facts, rows in (
        (found.tool_calls, found.tool_call_rows),
        (found.model_calls, found.model_call_rows),
        (found.markers, found.marker_rows),
        (found.links, found.link_rows),
    ):
        assert len(facts) == len(rows)
        assert all(0 <= row < table.num_rows for row in rows)
    for call in found.tool_calls:
        assert isinstance(call, ToolCall)
        assert call.arguments_strength in STRENGTHS
        assert call.result_strength in STRENGTHS
        assert (call.arguments_signature == "") == (call.arguments_strength == "name")
        assert call.outcome in ("ok", "error", "denied", "unset")
        assert len(call.arguments) <= 4_096
        assert call.duration_ns >= -1
        assert 0 <= call.start_time_unix_nano < 2**63
    for model_call in found.model_calls:
        assert model_call.input_tokens >= -1
        assert not math.isinf(model_call.cost_usd)
        assert isinstance(model_call.finish_reasons, tuple)


EVENT = st.fixed_dictionaries({"name": st.sampled_from(["exception", "x"]), "attributes": ATTRIBUTES})
RECORDS = st.fixed_dictionaries(
    {
        "scope": st.sampled_from(SCOPES),
        "attributes": ATTRIBUTES,
        "status": st.sampled_from(["Unset", "Ok", "Error"]),
        "span_name": st.one_of(st.sampled_from(NAMES), st.text(max_size=8)),
        "event_name": st.one_of(st.sampled_from(EVENTS), st.just("")),
        "body": VALUES,
        "events": st.lists(EVENT, max_size=2),
        "span_id": st.sampled_from(["0" * 16, "1" * 16, "2" * 16]),
        "parent_span_id": st.sampled_from(["", "1" * 16, "2" * 16]),
    }
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(RECORDS, min_size=1, max_size=5))
def test_any_spans_are_survived(records: list[dict[str, object]]) -> None:
    check(*batch([{"signal": "span", **one} for one in records]))


@settings(max_examples=150)
@given(st.lists(RECORDS, min_size=1, max_size=5))
def test_any_logs_are_survived(records: list[dict[str, object]]) -> None:
    check(*batch([{"signal": "log", **one} for one in records]))


def test_extreme_numbers_in_columns_are_survived() -> None:
    signal, table = batch([{"signal": "span", "attributes": {"gen_ai.operation.name": "execute_tool"}}])
    for name, column in (
        ("Duration", pa.array([2**64 - 1], pa.uint64())),
        ("Timestamp", pa.array([0], pa.int64()).cast(pa.timestamp("ns"))),
        ("TraceId", pa.array([None], pa.string())),
    ):
        table = table.set_column(table.column_names.index(name), name, pa.chunked_array([column]))
    check(signal, table)


def test_texts_that_are_no_utf_8_are_survived() -> None:
    signal, table = batch(
        [{"signal": "span", "span_name": "abc", "attributes": {"gen_ai.operation.name": "execute_tool"}}]
    )
    bad = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    table = table.set_column(table.column_names.index("SpanName"), "SpanName", pa.chunked_array([bad]))
    found = MODEL.facts(signal, table)
    assert found.tool_calls[0].tool_name == ""


def test_ten_thousand_attributes_are_survived() -> None:
    attributes = {f"key{at}": "v" for at in range(10_000)} | {"gen_ai.operation.name": "execute_tool"}
    check(*batch([{"signal": "span", "attributes": attributes}]))

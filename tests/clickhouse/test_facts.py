"""Facts, series, findings and sessions, written as rows and read back from the engine."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from schemas.facts import Exemplar, Marker, ModelCall, Slice, ToolCall
from schemas.finding import Evidence, Finding
from schemas.rows import finding_rows, marker_rows, model_call_rows, series_rows, tool_call_rows

T0 = 1_790_000_000_000_000_000
FINAL = {"final": 1}

TOOL = ToolCall(
    session_id="trace-1", turn_id="", agent_name="", round_id="", call_id="call-1", tool_name="bash",
    arguments_signature="aa", arguments_strength="full", result_signature="bb", result_strength="full",
    arguments="{}", result="ok", outcome="error", error_type="exit", start_time_unix_nano=T0,
    duration_ns=2_000_000_000, dialect="genai", signal="span", service_name="coder", service_version="1",
    trace_id="trace-1", span_id="span-1", parent_span_id="", prompt_name="", prompt_version="", event_sequence=-1,
)  # fmt: skip
MODEL = ModelCall(
    session_id="s", turn_id="", agent_name="main", round_id="", call_id="r-1", provider_name="openai",
    request_model="m", response_model="m", input_tokens=100, output_tokens=20, cache_read_tokens=-1,
    cache_creation_tokens=5, cost_usd=0.25, temperature=math.nan, finish_reasons=("stop",), outcome="ok",
    error_type="", start_time_unix_nano=T0 - 1_000_000_000, duration_ns=-1, dialect="genai", signal="span",
    service_name="coder", service_version="2", trace_id="t", span_id="x", parent_span_id="", prompt_name="",
    prompt_version="", event_sequence=-1,
)  # fmt: skip
MARKER = Marker(
    session_id="s", turn_id="", agent_name="", kind="prompt", detail="", count=-1,
    start_time_unix_nano=T0 - 2_000_000_000, dialect="claude-code", signal="log", service_name="coder",
    service_version="", trace_id="", span_id="", parent_span_id="", event_sequence=3,
)  # fmt: skip


def test_a_link_that_comes_late_gives_the_call_its_session(client: Client) -> None:
    client.command("TRUNCATE TABLE tool_calls")
    client.insert_arrow("tool_calls", tool_call_rows([TOOL], "otlp_spans", 0, [4]))
    mended = TOOL._replace(session_id="session-1")
    client.insert_arrow("tool_calls", tool_call_rows([mended], "telltale.links", 0, [9], version=1))
    found = client.query("SELECT SessionId, ToolName, SourceOffset FROM tool_calls", settings=FINAL).result_rows
    assert found == [("session-1", "bash", 9)]


def test_calls_that_differ_in_one_id_stay_apart(client: Client) -> None:
    client.command("TRUNCATE TABLE tool_calls")
    calls = [
        TOOL,
        TOOL._replace(call_id="call-2"),
        TOOL._replace(span_id="span-2"),
        TOOL._replace(event_sequence=5),
        TOOL._replace(arguments_signature="cc"),
        TOOL._replace(start_time_unix_nano=T0 + 1),
    ]
    client.insert_arrow("tool_calls", tool_call_rows(calls, "otlp_spans", 0, [1] * len(calls)))
    client.command("OPTIMIZE TABLE tool_calls FINAL")
    assert client.query("SELECT count() FROM tool_calls", settings=FINAL).result_rows == [(len(calls),)]


BARE: dict[str, Any] = {"trace_id": "", "span_id": "", "event_sequence": -1}
"""What no id tells apart, such as Codex' requests to its model."""


@pytest.mark.parametrize(
    ("table", "rows", "fact"),
    [
        ("model_calls", model_call_rows, MODEL._replace(call_id="", **BARE)),
        ("tool_calls", tool_call_rows, TOOL._replace(call_id="", **BARE)),
        ("markers", marker_rows, MARKER._replace(**BARE)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_facts_without_ids_of_two_sessions_in_one_moment_are_both_kept(
    client: Client, table: str, rows: Callable[..., pa.Table], fact: Any
) -> None:
    client.command(f"TRUNCATE TABLE {table}")
    told = [fact._replace(session_id="one"), fact._replace(session_id="two"), fact._replace(session_id="two")]
    client.insert_arrow(table, rows(told, "otlp_logs", 0, [1, 2, 3]))
    client.command(f"OPTIMIZE TABLE {table} FINAL")
    sql = f"SELECT SessionId, KeySession FROM {table} ORDER BY SessionId"  # noqa: S608 - a name of this test
    assert client.query(sql, settings=FINAL).result_rows == [("one", "one"), ("two", "two")]


@pytest.mark.parametrize("known", [{"trace_id": "t"}, {"span_id": "x"}, {"call_id": "c"}], ids=str)
def test_the_session_is_no_part_of_the_key_of_a_call_with_an_id(known: dict[str, str]) -> None:
    call = MODEL._replace(**{"call_id": "", **BARE, **known})
    assert model_call_rows([call], "t", 0, [1])["KeySession"].to_pylist() == [""]


def test_times_out_of_range_are_stored_at_the_edge(client: Client) -> None:
    client.command("TRUNCATE TABLE tool_calls")
    calls = [TOOL._replace(start_time_unix_nano=2**64), TOOL._replace(start_time_unix_nano=0)]
    client.insert_arrow("tool_calls", tool_call_rows(calls, "otlp_spans", 0, [1, 2]))
    found = client.query("SELECT toString(StartTimeUnixNano) FROM tool_calls ORDER BY StartTimeUnixNano").result_rows
    assert found == [("1970-01-01 00:00:00.000000000",), ("2262-04-11 23:47:16.854775807",)]


def test_a_session_is_added_up_over_calls_and_markers(client: Client) -> None:
    for table in ("tool_calls", "model_calls", "markers"):
        client.command(f"TRUNCATE TABLE {table}")
    call = TOOL._replace(session_id="s")
    client.insert_arrow("tool_calls", tool_call_rows([call, call._replace(call_id="b", outcome="ok")], "t", 0, [1, 2]))
    client.insert_arrow("model_calls", model_call_rows([MODEL, MODEL._replace(cost_usd=math.nan)], "t", 0, [1, 1]))
    client.insert_arrow("markers", marker_rows([MARKER, MARKER._replace(kind="end")], "t", 0, [1, 1]))
    query = """SELECT ToolCalls, ToolErrors, ModelCalls, ModelErrors, InputTokens, OutputTokens, CacheReadTokens,
        CacheCreationTokens, Prompts, Agents, arraySort(Versions), toString(FirstSeen), toString(LastSeen)
        FROM sessions WHERE SessionId = 's'"""
    assert client.query(query).result_rows == [
        (2, 1, 1, 0, 100, 20, 0, 5, 1, ["main"], ["1", "2"],
         "2026-09-21 14:13:18.000000000", "2026-09-21 14:13:22.000000000")
    ]  # fmt: skip


def test_no_facts_give_no_rows(client: Client) -> None:
    for build in (tool_call_rows, model_call_rows, marker_rows):
        assert build([], "t", 0, []).num_rows == 0
    assert client.query("SELECT count() FROM sessions WHERE SessionId = 'nobody'").result_rows == [(0,)]


def test_the_largest_telling_of_a_minute_counts_and_parts_add_up(client: Client) -> None:
    one = Slice(
        service_name="coder", operation="chat", name="m", service_version="1", minute_unix_s=T0 // 10**9 // 60 * 60,
        count=2, errors=1, duration_sum_ns=5, histogram={3: 1}, error_types={"timeout": 1}, sessions=1, tokens=7,
        cost_usd=0.5, exemplars=(Exemplar("t", "s", T0, 5, "ok"),),
    )  # fmt: skip
    more = one._replace(count=3, histogram={3: 1, 9: 1})
    rows = series_rows([(one, 0), (more, 0), (one, 1)], "telltale.slices", 0, [1, 2, 3])
    client.insert_arrow("series_1m", rows)
    query = """SELECT sum(Count), sum(Errors), sumMap(Histogram), sumMap(ErrorTypes), any(`Exemplars.TraceId`)
        FROM series_1m"""
    found = client.query(query, settings=FINAL).result_rows
    assert found == [(5, 2, {3: 2, 9: 1}, {"timeout": 2}, ["t"])]


@pytest.mark.parametrize("session", ["trace-1", "session-1"], ids=["session not known", "session known"])
def test_the_finding_with_the_highest_precedence_counts(client: Client, session: str) -> None:
    client.command("TRUNCATE TABLE findings")
    finding = Finding(
        id="f-1", fingerprint="fp", revision=1, rule="tool_call_loop", kind="tool_call_loop", severity="warning",
        status="open", confidence="full", session_id=session, service_name="coder", operation="execute_tool",
        tool="bash", model="", version="1", first_seen_unix_nano=T0, last_seen_unix_nano=T0 + 1,
        detected_at_unix_nano=T0 + 1, observed=4.0, baseline=math.nan, unit="calls", count=4, wasted_tokens=-1,
        wasted_cost_usd=math.nan, wasted_duration_s=2.5, evidence=(Evidence("trace-1", "span-1", T0, "call-1"),),
    )  # fmt: skip
    later = replace(finding, revision=2, count=5)
    client.insert_arrow("findings", finding_rows([later, finding], "telltale.findings", 0, [1, 2]))
    query = "SELECT Count, Document, `Evidence.CallId` FROM findings"
    [(count, document, calls)] = client.query(query, settings=FINAL).result_rows
    assert (count, json.loads(document), calls) == (5, later.as_json(), ["call-1"])

"""A call whose session becomes known late is shown under it, once."""

from clickhouse_connect.driver.client import Client

from schemas.rows import marker_rows, model_call_rows, tool_call_rows
from sinks.clickhouse.mend import mend
from sinks.contract import Mend
from tests.pipeline.facts_for_tests import marker, model, tool

TRACE = "ab" * 16


def sessions(client: Client, table: str) -> list[tuple[str, str]]:
    rows = client.query(f"SELECT SpanId, SessionId FROM {table} FINAL WHERE TraceId = '{TRACE}' ORDER BY SpanId")  # noqa: S608 - names of this test
    return [(str(span), str(session)) for span, session in rows.result_rows]


def test_calls_move_to_the_session_of_their_span_and_others_stay(client: Client) -> None:
    calls = [tool(i, session_id=TRACE, trace_id=TRACE, span_id=f"s{i}") for i in range(3)]
    client.insert_arrow("tool_calls", tool_call_rows(calls, "otlp_spans", 0, [0, 1, 2]))
    models = [model(session_id=TRACE, trace_id=TRACE, span_id="s0")]
    client.insert_arrow("model_calls", model_call_rows(models, "otlp_spans", 0, [0]))
    prompts = [marker(session_id=TRACE, trace_id=TRACE, span_id="s0")]
    client.insert_arrow("markers", marker_rows(prompts, "otlp_logs", 0, [0]))
    moves = [Mend(TRACE, "s0", "one"), Mend(TRACE, "s2", "two")]
    for _ in range(2):  # again after a crash
        mend(client, moves)
    assert sessions(client, "tool_calls") == [("s0", "one"), ("s1", TRACE), ("s2", "two")]
    assert sessions(client, "model_calls") == [("s0", "one")]
    assert sessions(client, "markers") == [("s0", "one")]
    assert client.query("SELECT max(Version), count() FROM tool_calls").result_rows == [(1, 5)]


def test_a_better_session_replaces_the_first(client: Client) -> None:
    mend(client, [Mend(TRACE, "s0", "nearer")])
    assert sessions(client, "tool_calls")[0] == ("s0", "nearer")

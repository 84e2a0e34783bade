from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from pipeline.redaction import RedactionPolicy, Redactor
from pipeline.sessions import Facts, SessionModel, load_all
from pipeline.sessions.matching import MAX_SHAPES
from schemas.prices import parse
from tests.sessions.tables import batch

DIALECTS = load_all()
MODEL = SessionModel(DIALECTS)
T1, T2 = "1" * 32, "2" * 32


def facts(*ones: Mapping[str, Any]) -> Facts:
    signal, table = batch(ones)
    return MODEL.facts(signal, table)


def span(number: int, attributes: Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {"signal": "span", "trace_id": T1, "span_id": f"{number:016x}", "attributes": attributes, **more}


def tool(number: int, parent: int = 0, session: str = "", **more: Any) -> dict[str, Any]:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f"}
    if session:
        attributes["gen_ai.conversation.id"] = session
    return span(number, attributes, parent_span_id=f"{parent:016x}" if parent else "", **more)


def chat(number: int, parent: int = 0, session: str = "", **more: Any) -> dict[str, Any]:
    attributes = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": "10", "gen_ai.usage.output_tokens": "2", **more.pop("attributes", {}),
    }  # fmt: skip
    if session:
        attributes["gen_ai.conversation.id"] = session
    return span(number, attributes, parent_span_id=f"{parent:016x}" if parent else "", **more)


def agent(number: int, parent: int = 0, session: str = "", name: str = "coder") -> dict[str, Any]:
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
    if session:
        attributes["gen_ai.conversation.id"] = session
    return span(number, attributes, parent_span_id=f"{parent:016x}" if parent else "")


def other(number: int, parent: int = 0) -> dict[str, Any]:
    return span(number, {"http.route": "/"}, scope="my-app", parent_span_id=f"{parent:016x}" if parent else "")


def asks(call_id: str, arguments: str = '{"a":1}') -> dict[str, Any]:
    part = {"type": "tool_call", "id": call_id, "name": "f", "arguments": json.loads(arguments)}
    return {"role": "assistant", "parts": [part]}


def answers(call_id: str, result: str = "r") -> dict[str, Any]:
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": call_id, "response": result}]}


USER = {"role": "user", "parts": [{"type": "text", "content": "do it"}]}


def sdk(number: int, messages: list[Any], output: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    attributes = {"gen_ai.input.messages": json.dumps(messages), "gen_ai.output.messages": json.dumps(output or [])}
    return chat(number, scope="opentelemetry.instrumentation.genai.openai", attributes=attributes, **more)


# Rows, columns, tables


def test_rows_name_the_row_each_fact_came_from() -> None:
    found = facts(other(1), tool(2), chat(3), tool(4))
    assert found.tool_call_rows == [1, 3]
    assert found.model_call_rows == [2]
    assert found.claimed.tolist() == [False, True, True, True]
    assert not found.ignored.any()


def test_a_table_in_chunks_or_slices_gives_the_same_facts() -> None:
    signal, table = batch([other(1), tool(2, session="s"), chat(3, session="s"), agent(4), tool(5)])
    whole = MODEL.facts(signal, table)
    chunks = pa.concat_tables([table.slice(at, 1) for at in range(table.num_rows)])
    assert MODEL.facts(signal, chunks).tool_calls == whole.tool_calls
    tail = MODEL.facts(signal, table.slice(2))
    assert tail.tool_calls == whole.tool_calls[1:]
    assert tail.tool_call_rows == [2]


def test_columns_in_dictionary_form_are_read_too() -> None:
    signal, table = batch([tool(1, session="s"), chat(2)])
    for name in ("ScopeName", "ServiceName", "SpanName", "StatusCode"):
        at = table.column_names.index(name)
        table = table.set_column(at, name, table.column(name).combine_chunks().dictionary_encode())
    assert len(MODEL.facts(signal, table).tool_calls) == 1


def test_an_empty_table_and_metrics_have_no_facts() -> None:
    signal, table = batch([tool(1)])
    assert MODEL.facts(signal, table.slice(0, 0)).tool_calls == []
    assert MODEL.facts("metrics", table).claimed.tolist() == [False]


def test_shapes_without_end_do_not_fill_the_memory() -> None:
    model = SessionModel(DIALECTS)
    signal, table = batch([span(number, {f"key-{number}": "v"}) for number in range(1, 30)])
    for _ in range(2):
        model.facts(signal, table)
    assert len(model._matcher._shapes) <= MAX_SHAPES


def test_the_first_value_of_a_key_that_stands_twice_counts() -> None:
    signal, table = batch([tool(1)])
    pairs = [*table.column("SpanAttributes").to_pylist()[0], ("gen_ai.tool.name", "second")]
    column = pa.chunked_array([pa.array([pairs], table.column("SpanAttributes").type)])
    table = table.set_column(table.column_names.index("SpanAttributes"), "SpanAttributes", column)
    assert MODEL.facts(signal, table).tool_calls[0].tool_name == "f"


# Values


def test_numbers_that_are_none_are_unknown() -> None:
    bad = {"gen_ai.usage.input_tokens": "many", "gen_ai.usage.output_tokens": "-3", "operation.cost": "nan",
           "gen_ai.request.temperature": "hot", "gen_ai.response.finish_reasons": "[1"}  # fmt: skip
    call = facts(chat(1, attributes=bad)).model_calls[0]
    assert (call.input_tokens, call.output_tokens, call.cache_read_tokens) == (-1, -1, -1)
    assert math.isnan(call.cost_usd)
    assert math.isnan(call.temperature)
    assert call.finish_reasons == ()


def test_names_and_previews_are_cut() -> None:
    attributes = {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "n" * 10_000,
        "gen_ai.tool.call.arguments": "a" * 1_000_000, "gen_ai.tool.call.result": "r" * 1_000_000,
    }  # fmt: skip
    call = facts(span(1, attributes)).tool_calls[0]
    assert (len(call.tool_name), len(call.arguments), len(call.result)) == (256, 4_096, 4_096)
    assert call.arguments_strength == "full"


def test_previews_are_redacted_and_signatures_are_not() -> None:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": '{"password": "hunter22"}'}
    other_secret = {**attributes, "gen_ai.tool.call.arguments": '{"password": "hunter33"}'}
    first, second = facts(span(1, attributes), span(2, other_secret)).tool_calls
    assert first.arguments == second.arguments == '{"password": "[REDACTED:password]"}'
    assert first.arguments_signature != second.arguments_signature
    signal, table = batch([span(1, attributes)])
    plain = SessionModel(DIALECTS, Redactor(RedactionPolicy(enabled=False))).facts(signal, table).tool_calls[0]
    assert plain.arguments == '{"password": "hunter22"}'
    assert plain.arguments_signature == first.arguments_signature


def test_a_secret_at_the_cut_of_a_preview_is_not_cut_into_safety() -> None:
    secret = "sk-" + "ant-" + "a1B2" * 30
    text = "x" * 4_050 + " " + secret
    call = facts(span(1, {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.result": text})).tool_calls[0]
    assert "a1B2" not in call.result


def test_an_exception_event_names_the_error() -> None:
    events = [{"name": "exception", "attributes": {"exception.type": "a.B", "exception.message": "boom"}}]
    call = facts(tool(1, status="Error", events=events)).tool_calls[0]
    assert (call.outcome, call.error_type, call.result, call.result_strength) == ("error", "B", "boom", "full")


def test_a_hidden_session_is_no_session() -> None:
    assert facts(tool(1, session="__REDACTED__")).tool_calls[0].session_id == ""


# Links


def links(found: Facts) -> dict[int, str]:
    return {int(link.span_id, 16): link.session_id for link in found.links}


def test_agents_are_links_and_begin_a_turn() -> None:
    found = facts(agent(1, session="s"))
    assert links(found) == {1: "s"}
    assert found.links[0].turn_id == found.links[0].span_id
    assert found.link_rows == [0]


def test_one_leaf_for_each_trace_and_session() -> None:
    found = facts(*(tool(number, parent=9, session="s") for number in range(1, 6)), chat(6, parent=9, session="t"))
    assert links(found) == {1: "s", 6: "t"}


def test_a_tool_span_without_a_session_is_a_link_for_what_runs_inside_it() -> None:
    assert links(facts(tool(1, parent=9), tool(2, parent=9))) == {1: "", 2: ""}


def test_a_tool_span_that_another_span_calls_its_parent_is_a_link() -> None:
    found = facts(tool(1, parent=9, session="s"), tool(2, parent=9, session="s"), agent(3, parent=2, session="inner"))
    assert links(found) == {1: "s", 2: "s", 3: "inner"}


def test_spans_of_other_software_between_two_of_an_agents_are_links_and_keep_their_series() -> None:
    found = facts(chat(1, parent=2), other(2, parent=3), other(3, parent=4), agent(4, session="s"), other(5, parent=4))
    assert links(found) == {2: "", 3: "", 4: "s"}
    assert found.claimed.tolist() == [True, False, False, True, False]


def test_spans_in_a_circle_are_survived() -> None:
    assert set(links(facts(chat(1, parent=2), other(2, parent=3), other(3, parent=2)))) == {2, 3}


# One call, told twice


def framework(number: int, start: int, end: int, tokens: str = "10", **more: Any) -> dict[str, Any]:
    attributes = {"openinference.span.kind": "LLM", "llm.token_count.prompt": tokens, "llm.token_count.completion": "2"}
    return span(number, attributes, scope="openinference.instrumentation.langchain", start=start, end=end, **more)


BASE = 1_795_357_942_000_000_000


def test_an_sdks_telling_of_a_frameworks_model_call_is_dropped_with_the_tools_in_its_messages() -> None:
    inner = {**sdk(1, [USER, asks("a"), answers("a")], start=BASE + 10, end=BASE + 90), "trace_id": T2}
    found = facts(inner, framework(2, BASE, BASE + 100))
    assert [call.dialect for call in found.model_calls] == ["openinference"]
    assert found.tool_calls == []
    assert found.claimed.all()
    assert found.ignored.tolist() == [True, False]


@pytest.mark.parametrize(
    ("start", "end", "tokens"),
    [(BASE + 20, BASE + 100, "10"), (BASE + 10, BASE + 90, "11"), (BASE - 500, BASE - 400, "10")],
)
def test_calls_that_only_resemble_each_other_are_both_kept(start: int, end: int, tokens: str) -> None:
    found = facts(sdk(1, [USER], start=start, end=end), framework(2, BASE + 5, BASE + 95, tokens))
    assert len(found.model_calls) == 2


def test_parallel_calls_of_one_dialect_are_both_kept() -> None:
    assert len(facts(framework(1, BASE, BASE + 100), framework(2, BASE + 10, BASE + 90)).model_calls) == 2


def test_calls_in_messages_give_way_to_tool_spans_of_their_trace() -> None:
    found = facts(sdk(1, [USER, asks("a"), answers("a")], parent=9), tool(2, parent=9))
    assert [call.signal for call in found.tool_calls] == ["span"]
    elsewhere = {**tool(3), "trace_id": T2}
    assert {call.signal for call in facts(sdk(1, [USER, asks("a"), answers("a")]), elsewhere).tool_calls} == {
        "span",
        "message",
    }


PRICED = SessionModel(DIALECTS, prices=parse(
    "prices.toml",
    """[[lists]]
provider = "p"
source = "s"
date = "2026-11"
models = { "m" = { input = 2, output = 10 } }""",
))  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "cost", "date"),
    [
        ({}, (10 * 2 + 2 * 10) / 1e6, "2026-11"),
        ({"gen_ai.response.model": "m-2026-01-02"}, (10 * 2 + 2 * 10) / 1e6, "2026-11"),
        ({"gen_ai.usage.cost": "0.5"}, 0.5, ""),
        ({"gen_ai.request.model": "another"}, math.nan, ""),
        ({"gen_ai.usage.input_tokens": "", "gen_ai.usage.output_tokens": "many"}, math.nan, ""),
    ],
    ids=["estimated", "a snapshot", "told", "unknown model", "no tokens"],
)
def test_cost_is_estimated_where_none_is_told_and_the_price_is_known(
    changes: dict[str, str], cost: float, date: str
) -> None:
    signal, table = batch([chat(1, session="s", attributes=changes)])
    [call] = PRICED.facts(signal, table).model_calls
    assert call.cost_usd == pytest.approx(cost, nan_ok=True)
    assert call.prices_date == date


@pytest.mark.parametrize("where", ["gen_ai.agent.version", "agent.version"])
def test_the_version_of_an_agent_is_told_by_its_calls(where: str) -> None:
    [call] = facts(chat(1, session="s", attributes={where: "7"})).model_calls
    assert call.agent_version == "7"


def test_the_version_of_an_agent_may_stand_in_the_resource() -> None:
    [call] = facts(tool(1, session="s", resource={"agent.version": "8"})).tool_calls
    assert call.agent_version == "8"

"""What stands only in the messages of a model call: tool calls, prompts, a name for the conversation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sessions.test_model import T2, USER, answers, asks, chat, facts, sdk, span


def test_a_call_is_taken_from_the_messages_where_its_result_is_new() -> None:
    history = [USER, asks("a"), answers("a", "1"), asks("b"), answers("b", "exit code 2")]
    call = facts(sdk(1, history)).tool_calls[0]
    assert (call.call_id, call.tool_name, call.arguments, call.result) == ("b", "f", '{"a":1}', "exit code 2")
    assert (call.signal, call.outcome, call.error_type, call.duration_ns) == ("message", "error", "exit_code_2", -1)


def test_the_same_history_sent_again_gives_the_same_identity() -> None:
    history = [USER, asks("a"), answers("a")]
    first, second = facts(sdk(1, history), sdk(2, history)).tool_calls
    assert (first.session_id, first.call_id, first.arguments_signature) == (
        second.session_id, second.call_id, second.arguments_signature,
    )  # fmt: skip


def test_a_result_that_was_answered_already_is_not_told_again() -> None:
    done = {"role": "assistant", "parts": [{"type": "text", "content": "done"}]}
    assert facts(sdk(1, [USER, asks("a"), answers("a"), done, USER])).tool_calls == []


def test_parallel_calls_of_one_answer_share_a_round() -> None:
    both = {"role": "assistant", "parts": asks("a")["parts"] + asks("b", '{"a":2}')["parts"]}
    calls = facts(sdk(1, [USER, both, answers("b", "2"), answers("a", "1")])).tool_calls
    assert [(call.call_id, call.arguments, call.result) for call in calls] == [
        ("b", '{"a":2}', "2"), ("a", '{"a":1}', "1"),
    ]  # fmt: skip
    assert len({call.round_id for call in calls}) == 1


def test_results_without_a_matching_id_go_by_order() -> None:
    two = {"role": "assistant", "parts": asks("fc_1")["parts"] + asks("fc_2", '{"a":2}')["parts"]}
    calls = facts(sdk(1, [USER, two, answers("call_1"), answers("call_2")])).tool_calls
    assert [(call.call_id, call.arguments) for call in calls] == [("call_1", '{"a":1}'), ("call_2", '{"a":2}')]


def test_a_failed_model_call_is_no_failure_of_the_tool_it_tells_of() -> None:
    found = facts(sdk(1, [USER, asks("a"), answers("a")], status="Error", status_message="429"))
    assert found.model_calls[0].outcome == "error"
    assert (found.tool_calls[0].outcome, found.tool_calls[0].result) == ("ok", "r")


def test_hidden_results_leave_the_outcome_open() -> None:
    call = facts(sdk(1, [USER, asks("a"), answers("a", "__REDACTED__")])).tool_calls[0]
    assert (call.outcome, call.result_strength, call.result) == ("unset", "name", "")


DONE: dict[str, Any] = {"role": "assistant", "parts": [{"type": "text", "content": "done"}]}
CALLED: list[Any] = [USER, asks("a"), answers("a")]


def test_a_prompt_is_where_the_user_speaks_after_an_answer() -> None:
    [prompt] = facts(sdk(1, [*CALLED, DONE, USER])).markers
    call = facts(sdk(1, [*CALLED, DONE, USER])).model_calls[0]
    assert (prompt.kind, prompt.signal, prompt.session_id) == ("prompt", "span", call.session_id)
    assert prompt.start_time_unix_nano == call.start_time_unix_nano


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([USER], id="the beginning, or a context that was compacted"),
        pytest.param(CALLED, id="results came back"),
        pytest.param([*CALLED, USER], id="a harness's reminder beside results"),
        pytest.param([*CALLED, DONE], id="the assistant goes on"),
        pytest.param([*CALLED, DONE, USER | {"name": "reviewer"}], id="another agent speaks"),
        pytest.param(
            [*CALLED, DONE, {"role": "user", "parts": [{"type": "tool_result", "content": "x"}]}],
            id="a result under another name",
        ),
        pytest.param([*CALLED, DONE, {"role": "user", "parts": "words"}], id="no parts"),
    ],
)
def test_no_prompt_is(history: list[Any]) -> None:
    assert facts(sdk(1, history)).markers == []


def test_numbered_messages_tell_of_prompts_too() -> None:
    def markers(content: str) -> int:
        told = {
            "gen_ai.prompt.0.role": "assistant", "gen_ai.prompt.0.tool_calls.0.name": "f",
            "gen_ai.prompt.0.tool_calls.0.id": "a", "gen_ai.prompt.1.role": "tool",
            "gen_ai.prompt.1.tool_call_id": "a", "gen_ai.prompt.1.content": "r", "gen_ai.prompt.2.role": "assistant",
            "gen_ai.prompt.2.content": "done", "gen_ai.prompt.3.role": "user", "gen_ai.prompt.3.content": content,
        }  # fmt: skip
        scope = "opentelemetry.instrumentation.openai.v1"
        attributes = {"llm.request.type": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "m", **told}
        return len(facts(span(1, attributes, scope=scope)).markers)

    assert markers("and now again") == 1
    assert markers('[{"type": "tool_result", "content": "r"}]') == 0


def test_requests_without_parent_and_session_are_one_session_by_their_first_tool_call() -> None:
    first = sdk(1, [USER], [asks("a")])
    second = {**sdk(2, [USER, asks("a"), answers("a")], [asks("b")]), "trace_id": T2}
    elsewhere = {**sdk(3, [USER], [asks("z")]), "trace_id": "3" * 32}
    found = facts(first, second, elsewhere)
    sessions = [call.session_id for call in found.model_calls]
    assert sessions[0] == sessions[1] != sessions[2]
    assert sessions[0].startswith("history-")
    assert found.tool_calls[0].session_id == sessions[0]
    assert facts(sdk(4, [USER], [asks("a")], parent=9)).model_calls[0].session_id == ""


@pytest.mark.parametrize(
    "messages",
    ["", "[", "{}", '["tool_call_response"]', '[{"role": 1, "parts": 2}]', '[{"role": "tool", "parts": [7]}]',
     '[{"role":"tool","parts":[{"type":"tool_call_response"}]}]',
     '[{"role":"assistant","parts":[{"type":"tool_call"}]},{"role":"tool","parts":[{"type":"tool_call_response","id":[]}]}]'],
)  # fmt: skip
def test_messages_of_any_form_are_survived(messages: str) -> None:
    attributes = {"gen_ai.input.messages": messages, "gen_ai.output.messages": messages}
    assert len(facts(chat(1, attributes=attributes)).model_calls) == 1

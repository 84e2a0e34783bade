"""Every capture of a real program becomes the calls that its script made."""

from __future__ import annotations

from functools import cache

import pytest

from docs.captures import PAGE, Capture, calls, markdown, read
from pipeline.sessions import SessionModel, load_all
from tests.sessions.tables import capture_names

NAMES = capture_names()
FRAMEWORKS = [n for n in NAMES if not n.startswith(("claude-", "codex-", "gemini-"))]
AGENTS = [n for n in NAMES if n not in FRAMEWORKS]

SCRIPTED = {"A": 4, "B": 8, "E": 1, "I": 4, "M": 7, "S": 5}
"""Tool calls of each script."""
GUARDED = ("gemini-default", "gemini-noprompts", "gemini-traces")
"""Gemini's own guard ends the sessions B and M after four calls."""
NO_TOOLS = ("crewai-openllmetry-A", "crewai-openllmetry-B", "openai-genai-nocontent", "openai-official-A",
            "openai-official-B", "openai-stream-official")  # fmt: skip
"""Nothing in these says anything of a tool."""
NO_MODELS = ("adk-openinference", "crewai-openinference", "crewai-openllmetry-A", "crewai-openllmetry-B",
             "openaiagents-genai-A", "openaiagents-genai-B")  # fmt: skip
HIDDEN = ("adk-native-A", "adk-native-B", "langchain-openinference-nocontent", "langchain-openllmetry-nocontent",
          "openai-official21-A", "openai-official21-B", "pydanticai-v5-nocontent", "vercelai-nocontent",
          "gemini-noprompts")  # fmt: skip
"""Content is switched off: arguments are not sent, nor the sign of a failed command."""
OVER_LIMIT = {"crewai-openinference-B": 5, "crewai-openllmetry-full-B": 4}
"""CrewAI ends after five equal calls; the last result is in no later message."""


@cache
def model() -> SessionModel:
    return SessionModel(load_all())


@cache
def capture(name: str) -> Capture:
    return read(name, model())


def expected_tools(name: str) -> int:
    session = name.rsplit("-", 1)[1]
    if name.startswith(NO_TOOLS):
        return 0
    if name.startswith(GUARDED) and session in "BM":
        return 4
    return OVER_LIMIT.get(name, SCRIPTED[session])


def test_all_captures_are_here() -> None:
    assert len(NAMES) == 150
    assert len(AGENTS) == 53


@pytest.mark.parametrize("name", NAMES)
def test_each_scripted_tool_call_is_one_fact(name: str) -> None:
    calls = capture(name).tool_calls
    assert len(calls) == expected_tools(name)
    assert all(call.tool_name for call in calls)
    ids = [call.call_id for call in calls if call.call_id]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", NAMES)
def test_each_model_call_is_one_fact_with_its_tokens(name: str) -> None:
    session = name.rsplit("-", 1)[1]
    calls = capture(name).model_calls
    if name.startswith(NO_MODELS):
        assert not calls
        return
    answered = [call for call in calls if call.outcome == "ok"]
    expected = {"E": 1, "S": 6, "I": 5, "M": 8}.get(session, 5 if session == "A" else 9)
    if name.startswith(GUARDED) and session in "BM":
        expected = 4
    if name == "pydanticevals-A":
        expected = 6  # its data set has two cases
    if name == "crewai-openllmetry-full-B":
        expected = 5
    assert len(answered) == expected
    assert all(call.input_tokens > 0 and call.output_tokens > 0 for call in answered)
    assert all(call.request_model or call.response_model for call in calls)
    failed = [call for call in calls if call.outcome == "error"]
    assert bool(failed) == (session == "E")
    assert all(call.error_type in ("529", "503") for call in failed)


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith("-B") and expected_tools(n)])
def test_the_failing_command_fails_each_time_and_looks_the_same_each_time(name: str) -> None:
    calls = capture(name).tool_calls
    if name.startswith("smolagents"):
        calls = [call for call in calls if call.tool_name != "final_answer"]
    if name.startswith(HIDDEN):
        assert {call.outcome for call in calls} <= {"ok", "unset"}
    else:
        assert {call.outcome for call in calls} == {"error"}
        assert {call.arguments_strength for call in calls} <= {"full", "size"}
    assert len({call.arguments_signature for call in calls}) == 1
    assert len({call.result_signature for call in calls}) == 1


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith("-A")])
def test_the_healthy_run_fails_nowhere_and_repeats_nothing(name: str) -> None:
    calls = capture(name).tool_calls
    assert {call.outcome for call in calls} <= {"ok", "unset"}
    if calls and not name.startswith(HIDDEN):
        assert len({(call.tool_name, call.arguments_signature) for call in calls}) == len(calls)


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith("-M") and not n.startswith("gemini")])
def test_polling_is_six_equal_calls_and_a_failed_one(name: str) -> None:
    calls = sorted(capture(name).tool_calls, key=lambda call: call.start_time_unix_nano)
    assert [call.outcome for call in calls] == ["ok"] * 6 + ["error"]
    assert len({call.result_signature for call in calls[:6]}) == 1
    assert calls[6].result_signature != calls[0].result_signature
    if "default" not in name or "codex" in name:
        assert {call.tool_name for call in calls} == {"mcp__tracker__lookup"}


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("claude") and n.endswith("-I")])
def test_a_refused_call_is_denied_and_each_prompt_is_a_marker(name: str) -> None:
    found = capture(name)
    assert [call.outcome for call in found.tool_calls].count("denied") == 1
    assert [marker.kind for marker in found.markers] == ["prompt", "prompt", "end"]
    assert len({call.turn_id for call in found.tool_calls}) == 2


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith("claude") and n.endswith("-S")])
def test_a_subagents_calls_carry_its_name_and_parallel_calls_share_a_round(name: str) -> None:
    calls = capture(name).tool_calls
    of_subagent = [call for call in calls if call.agent_name]
    assert {call.tool_name for call in of_subagent} == {"Read", "Bash"}
    assert len({call.agent_name for call in of_subagent}) == 1
    last = sorted((c for c in calls if not c.agent_name), key=lambda c: c.start_time_unix_nano)[-2:]
    assert last[0].round_id == last[1].round_id != ""


@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith(GUARDED) and n.endswith(("-B", "-M"))])
def test_geminis_own_verdicts_are_markers(name: str) -> None:
    verdicts = [marker for marker in capture(name).markers if marker.kind == "verdict"]
    assert [(marker.detail, marker.count) for marker in verdicts] == [
        ("consecutive_identical_tool_calls", 1), ("consecutive_identical_tool_calls", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("name", AGENTS)
def test_an_agents_spans_make_no_series_and_its_session_is_one(name: str) -> None:
    found = capture(name)
    assert found.unclaimed == 0
    assert len({call.session_id for call in calls(found)}) == 1
    assert all(call.session_id for call in found.tool_calls)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_only_the_users_own_span_is_no_agents(name: str) -> None:
    assert capture(name).unclaimed == (1 if name.startswith("openai-") else 0)


@pytest.mark.parametrize("name", [n for n in FRAMEWORKS if expected_tools(n)])
def test_a_call_without_a_session_has_an_ancestor_among_the_links_as_far_as_one_is_sent(name: str) -> None:
    found = capture(name)
    linked = {link.span_id: link for link in found.links}
    for call in found.tool_calls:
        if not call.session_id and call.parent_span_id not in ("", call.span_id):
            assert call.parent_span_id in linked
    for link in found.links:
        assert not link.parent_span_id or link.parent_span_id in linked or link.session_id


def test_the_same_call_has_the_same_signature_whoever_tells_of_it() -> None:
    told = [
        {call.arguments_signature for call in capture(name).tool_calls if call.tool_name == "run_command"}
        for name in FRAMEWORKS
        if name.endswith("-B")
        and expected_tools(name)
        and not name.startswith((*HIDDEN, "langchain-openinference", "langchain-mixed"))
    ]
    assert len(told) > 25
    assert len(set.union(*told)) == 1


def test_texts_that_differ_from_call_to_call_are_not_in_what_is_compared() -> None:
    for name in NAMES:
        for call in capture(name).tool_calls:
            assert "Chunk ID" not in call.result
            assert "Wall time" not in call.result
            assert "langgraph_checkpoint_ns" not in call.arguments
            assert not call.call_id or call.call_id not in call.result


def test_docs_captures_is_what_the_generator_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(capture(name) for name in NAMES), (
        "stale: run `python -m docs.captures`"
    )

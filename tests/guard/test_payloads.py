"""What each agent hands its hook, in the shapes that its documentation shows, and the call that is read from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.hook.agents import AGENTS, agent_of
from cli.hook.payload import Call, call_of
from cli.hook.report import log_request
from schemas.signatures import of_content

HOOKS = Path(__file__).parents[1] / "fixtures" / "hooks"
Payload = dict[str, Any]
CLAUDE: Payload = {
    "session_id": "s", "prompt_id": "p", "transcript_path": "/t.jsonl", "cwd": "/repo", "permission_mode": "default",
}  # fmt: skip
CODEX: Payload = {
    "session_id": "s", "turn_id": "7", "transcript_path": None, "cwd": "/repo", "model": "gpt-5.5",
    "permission_mode": "default",
}  # fmt: skip
GEMINI: Payload = {"session_id": "s", "transcript_path": "/t.json", "cwd": "/repo", "timestamp": "2026-11-25T04:00:00Z"}
CURSOR: Payload = {
    "conversation_id": "s", "generation_id": "g", "model": "default", "cursor_version": "2.4.0",
    "workspace_roots": ["/repo"], "user_email": None,
}  # fmt: skip


def read(payload: Payload, named: str = "") -> tuple[str, Call]:
    """The agent that is told from the payload, and the call."""
    agent = agent_of(payload, named)
    assert agent is not None
    call = call_of(agent, payload, agent.events[payload["hook_event_name"]])
    assert call is not None
    return agent.name, call


@pytest.mark.parametrize(
    ("agent", "payload", "tool", "arguments", "outcome"),
    [
        ("claude-code", CLAUDE | {"hook_event_name": "PreToolUse", "tool_name": "Read", "tool_use_id": "toolu_1",
            "tool_input": {"file_path": "/repo/a.py"}}, "Read", {"file_path": "/repo/a.py"}, ("", "")),
        ("claude-code", CLAUDE | {"hook_event_name": "PostToolUse", "tool_name": "Bash", "tool_use_id": "toolu_1",
            "tool_input": {"command": "ls", "description": "List"}, "tool_response": {"stdout": "a", "stderr": "",
            "interrupted": False, "isImage": False}}, "Bash", {"command": "ls"}, ("true", "")),
        ("claude-code", CLAUDE | {"hook_event_name": "PostToolUse", "tool_name": "mcp__memory__create",
            "tool_input": {"name": "x"}, "tool_response": [{"type": "text", "text": "done"}]},
            "mcp__memory__create", {"name": "x"}, ("true", "")),
        ("claude-code", CLAUDE | {"hook_event_name": "PostToolUseFailure", "tool_name": "Bash",
            "tool_input": {"command": "false"}, "error": "Exit code 2\nboom", "is_interrupt": False},
            "Bash", {"command": "false"}, ("false", "exit_code_2")),
        ("claude-code", CLAUDE | {"hook_event_name": "PostToolUseFailure", "tool_name": "WebFetch",
            "tool_input": {"url": "http://x"}, "error": "stopped", "is_interrupt": True},
            "WebFetch", {"url": "http://x"}, ("false", "interrupted")),
        ("codex", CODEX | {"hook_event_name": "PreToolUse", "tool_name": "apply_patch", "tool_use_id": "call_1",
            "tool_input": {"command": "*** Begin Patch"}}, "apply_patch", {"command": "*** Begin Patch"}, ("", "")),
        ("codex", CODEX | {"hook_event_name": "PostToolUse", "tool_name": "Bash", "tool_use_id": "call_1",
            "tool_input": {"command": "make"}, "tool_response": "Process exited with code 2\nOutput:\nboom"},
            "Bash", {"command": "make"}, ("false", "exit_code_2")),
        ("codex", CODEX | {"hook_event_name": "PostToolUse", "tool_name": "mcp__docs__search",
            "tool_input": {"q": "x"}, "tool_response": {"content": [], "isError": True}},
            "mcp__docs__search", {"q": "x"}, ("false", "error")),
        ("gemini", GEMINI | {"hook_event_name": "BeforeTool", "tool_name": "read_file",
            "tool_input": {"path": "a.py"}}, "read_file", {"path": "a.py"}, ("", "")),
        ("gemini", GEMINI | {"hook_event_name": "AfterTool", "tool_name": "read_file", "tool_input": {"path": "a.py"},
            "tool_response": {"llmContent": "text", "returnDisplay": "", "error": None}},
            "read_file", {"path": "a.py"}, ("true", "")),
        ("gemini", GEMINI | {"hook_event_name": "AfterTool", "tool_name": "run_shell_command",
            "tool_input": {"command": "make", "description": "Build"},
            "tool_response": {"llmContent": "Command: make\nExit Code: 2", "returnDisplay": ""}},
            "run_shell_command", {"command": "make"}, ("false", "exit_code_2")),
        ("cursor", CURSOR | {"hook_event_name": "preToolUse", "tool_name": "Shell", "tool_use_id": "t1",
            "tool_input": {"command": "npm test", "working_directory": "/repo"}, "agent_message": "I test"},
            "Shell", {"command": "npm test", "working_directory": "/repo"}, ("", "")),
        ("cursor", CURSOR | {"hook_event_name": "postToolUseFailure", "tool_name": "Read", "tool_use_id": "t1",
            "tool_input": {"path": "a"}, "error_message": "no such file", "failure_type": "error", "duration": 5,
            "is_interrupt": False}, "Read", {"path": "a"}, ("false", "error")),
        ("cursor", CURSOR | {"hook_event_name": "beforeShellExecution", "command": "npm test", "cwd": "/repo"},
            "Shell", {"command": "npm test"}, ("", "")),
        ("cursor", CURSOR | {"hook_event_name": "afterShellExecution", "command": "npm test", "output": "ok",
            "duration": 12, "sandbox": False}, "Shell", {"command": "npm test"}, ("true", "")),
        ("cursor", CURSOR | {"hook_event_name": "beforeMCPExecution", "tool_name": "search",
            "tool_input": '{"q": "x"}', "url": "http://mcp"}, "search", {"q": "x"}, ("", "")),
        ("cursor", CURSOR | {"hook_event_name": "afterMCPExecution", "tool_name": "search", "tool_input": '{"q": "x"}',
            "result_json": '{"content": [{"type": "text", "text": "found"}]}', "duration": 3},
            "search", {"q": "x"}, ("true", "")),
    ],
    ids=lambda value: value["hook_event_name"] if isinstance(value, dict) and "hook_event_name" in value else "",
)  # fmt: skip
def test_a_documented_payload_is_read(
    agent: str, payload: Payload, tool: str, arguments: Payload, outcome: tuple[str, str]
) -> None:
    told, call = read(payload)
    assert (told, call.session_id, call.tool) == (agent, "s", tool)
    assert json.loads(call.arguments) == arguments
    assert call.arguments_signature.strength == "full"
    assert (call.success, call.error_type) == outcome


@pytest.mark.parametrize(
    ("agent", "tools", "outcome", "numbered"),
    [
        ("claude-code", ("Bash", "mcp__telltale__overview"), ("false", "exit_code_1"), True),
        ("codex", ("Bash", "mcp__telltale__overview"), ("", ""), True),  # its hook is not told the exit code
        ("gemini", ("run_shell_command", "mcp_telltale_overview"), ("false", "exit_code_1"), False),
        ("cursor", ("Shell", "MCP:overview"), ("false", "exit_code_1"), True),
    ],
)
def test_what_the_real_programs_hand_their_hooks_is_read(
    agent: str, tools: tuple[str, str], outcome: tuple[str, str], numbered: bool
) -> None:
    lines = (HOOKS / f"{agent}.jsonl").read_text(encoding="utf-8").splitlines()
    told = [read(json.loads(line)) for line in lines[:6]]
    assert {name for name, _ in told} == {agent}
    calls = [call for _, call in told]
    command, question = tools
    assert [call.tool for call in calls] == [command] * 4 + [question] * 2
    assert len({call.session_id for call in calls}) == 1
    assert len({call.arguments_signature for call in calls[:4]}) == 1
    ended = calls[1::2]
    assert [(call.success, call.error_type) for call in ended] == [
        outcome,
        outcome,
        ("" if not any(outcome) else "true", ""),
    ]
    assert ended[0].result_signature == ended[1].result_signature != ended[2].result_signature
    assert "Cannot find module" in ended[0].result
    assert all(bool(call.call_id) == numbered for call in calls)


def cursor_said(tool: str, arguments: Payload, output: Payload) -> Call:
    said = {"tool_name": tool, "tool_input": arguments, "tool_output": json.dumps(output)}
    return read(CURSOR | {"hook_event_name": "postToolUse"} | said)[1]


def test_of_what_cursor_read_only_the_length_is_known_and_of_a_search_nothing() -> None:
    lines = (HOOKS / "cursor.jsonl").read_text(encoding="utf-8").splitlines()
    reading, search = (read(json.loads(line))[1] for line in lines[6:])
    assert (reading.tool, reading.success, reading.result_size) == ("Read", "true", 12)
    assert reading.result_signature == of_content(None, 12)
    assert (search.tool, search.success, search.result_size) == ("Grep", "true", -1)
    assert search.result_signature.strength == "name"
    assert (reading.arguments_signature.strength, search.arguments_signature.strength) == ("full", "full")


@pytest.mark.parametrize(
    "output",
    [{"output": "12 passed", "exitCode": 0}, {"content": [], "isError": False}, {"success": True, "rows": 3}, {"n": 1}],
)
def test_a_result_that_says_something_else_is_told_in_full(output: Payload) -> None:
    call = cursor_said("anything", {"success": "maybe"}, output)
    assert call.result_signature.strength == "full"
    assert json.loads(call.result) == output


@pytest.mark.parametrize("length", [-1, True, "7", 1e99, 2**80, None, [3]])
def test_a_length_that_is_none_is_not_believed(length: Any) -> None:
    call = cursor_said("Read", {"file_path": "a"}, {"file_path": "a", "content_length": length})
    assert (call.result_signature.strength, call.result_size) == ("name", -1)


def test_calls_of_which_cursor_counts_the_arguments_are_equal_to_no_other() -> None:
    call = cursor_said("ComputerUse", {"actions_count": 1}, {"action_count": 1, "duration_ms": 30})
    assert (call.arguments, call.arguments_signature.strength) == ("", "name")
    attributes = reported(call)
    assert attributes.keys().isdisjoint({"arguments", "arguments.size", "arguments.signature"})


def test_what_cursor_refused_is_told_as_refused() -> None:
    said = {"tool_name": "Shell", "tool_input": {"command": "rm x"}, "error_message": "no", "is_interrupt": False}
    failed = CURSOR | {"hook_event_name": "postToolUseFailure"} | said
    refused = reported(read(failed | {"failure_type": "permission_denied"})[1])
    assert (refused["denied"], refused["success"]) == ("true", "false")
    assert "denied" not in reported(read(failed | {"failure_type": "error"})[1])


def test_a_length_is_reported_as_a_size_and_no_signature() -> None:
    call = cursor_said("Read", {"file_path": "a"}, {"file_path": "a", "content_length": 300})
    attributes = reported(call)
    assert attributes["result.size"] == "300"
    assert attributes.keys().isdisjoint({"result", "result.signature"})


def reported(call: Call) -> dict[str, str]:
    body = json.loads(log_request(AGENTS["cursor"], call, 1, content=True))
    [record] = body["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    return {one["key"]: one["value"]["stringValue"] for one in record["attributes"]}


def test_every_event_that_setup_registers_is_one_that_is_read() -> None:
    documented = {
        "claude-code": {"PreToolUse", "PostToolUse", "PostToolUseFailure"},
        "codex": {"PreToolUse", "PostToolUse"},
        "gemini": {"BeforeTool", "AfterTool"},
        "cursor": {
            "preToolUse", "postToolUse", "postToolUseFailure", "beforeShellExecution", "afterShellExecution",
            "beforeMCPExecution", "afterMCPExecution",
        },
    }  # fmt: skip
    assert {name: set(agent.events) for name, agent in AGENTS.items()} == documented


def test_before_and_after_one_call_have_the_same_arguments() -> None:
    """The guard asks before a call about what it reported after the ones before."""
    for base, before, after, said in (
        (CLAUDE, "PreToolUse", "PostToolUse", {"tool_response": {"stdout": ""}}),
        (CODEX, "PreToolUse", "PostToolUse", {"tool_response": ""}),
        (GEMINI, "BeforeTool", "AfterTool", {"tool_response": {"llmContent": ""}}),
        (CURSOR, "preToolUse", "postToolUse", {"tool_output": "{}"}),
    ):
        one = {"tool_name": "grep", "tool_input": {"b": 1, "a": [1.0, "é"]}}
        again = {"tool_name": "grep", "tool_input": {"a": [1, "é"], "b": 1.0}}
        first, second = (
            read(base | one | {"hook_event_name": before})[1],
            read(base | again | said | {"hook_event_name": after})[1],
        )
        assert first.arguments_signature == second.arguments_signature

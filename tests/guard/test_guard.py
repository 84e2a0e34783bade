"""`telltale guard` as the agents run it: the installed command, their hook payloads, a real process behind it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.hook import agents as hook_agents
from cli.hook.payload import call_of
from cli.hook.report import log_request
from cli.hook.run import options
from tests.e2e.running import CLEAN_ENVIRONMENT, Up, attributes, running, wait_until

PROGRAM = Path(sys.executable).with_name("telltale")
HOOKS = Path(__file__).parents[1] / "fixtures" / "hooks"
SECRET = "hunter2-is-in-the-arguments"
Payload = dict[str, Any]


def claude(session: str, call: int, *, before: bool, command: str = f"pytest # {SECRET}") -> Payload:
    """Claude Code 2.1: the model words its description anew each time; a failed call has an event of its own."""
    payload: Payload = {
        "session_id": session, "transcript_path": "/home/u/.claude/projects/p/t.jsonl", "cwd": "/repo",
        "permission_mode": "default", "hook_event_name": "PreToolUse", "tool_name": "Bash",
        "tool_input": {"command": command, "description": f"Run the tests, attempt {call}"},
        "tool_use_id": f"toolu_{call}",
    }  # fmt: skip
    if before:
        return payload
    return payload | {
        "hook_event_name": "PostToolUseFailure", "error": "Exit code 1\n1 failed", "is_interrupt": False,
        "duration_ms": 3,
    }  # fmt: skip


def codex(session: str, call: int, *, before: bool) -> Payload:
    """Codex: the header of a result differs each time."""
    payload: Payload = {
        "session_id": session, "turn_id": "1", "transcript_path": None, "cwd": "/repo", "model": "gpt-5.5",
        "permission_mode": "default", "hook_event_name": "PreToolUse", "tool_name": "Bash",
        "tool_input": {"command": f"node check.js # {SECRET}"}, "tool_use_id": f"call_{call}",
    }  # fmt: skip
    output = f"Chunk ID: {call:06x}\nWall time: 0.{call} seconds\nProcess exited with code 1\nOutput:\nboom\n"
    return payload if before else payload | {"hook_event_name": "PostToolUse", "tool_response": output}


def gemini(session: str, call: int, *, before: bool) -> Payload:
    """Gemini CLI: no call id; the process group differs each time."""
    payload: Payload = {
        "session_id": session, "transcript_path": "/t.json", "cwd": "/repo", "hook_event_name": "BeforeTool",
        "timestamp": "2026-11-25T04:00:00.000Z", "tool_name": "run_shell_command",
        "tool_input": {"command": f"make test # {SECRET}"},
    }  # fmt: skip
    shown = f"Command: make test\nOutput: boom\nExit Code: 2\nProcess Group PGID: {4000 + call}"
    response = {"llmContent": shown, "returnDisplay": "boom", "error": None}
    return payload if before else payload | {"hook_event_name": "AfterTool", "tool_response": response}


def cursor(session: str, call: int, *, before: bool) -> Payload:
    """Cursor: the tool's output is JSON in a text."""
    payload: Payload = {
        "conversation_id": session, "generation_id": "g", "workspace_roots": ["/repo"], "cursor_version": "2.4.0",
        "hook_event_name": "preToolUse", "tool_name": "Shell", "tool_use_id": f"tool_{call}", "cwd": "/repo",
        "tool_input": {"command": f"npm test # {SECRET}", "working_directory": "/repo"},
    }  # fmt: skip
    output = json.dumps({"exitCode": 1, "stdout": "1 failing"})
    return payload if before else payload | {"hook_event_name": "postToolUse", "tool_output": output, "duration": 3}


AGENTS = {"claude-code": claude, "codex": codex, "gemini": gemini, "cursor": cursor}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("guard")) as process:
        yield process


def guard(stdin: bytes | Payload, *arguments: str, url: str, otlp: str) -> tuple[int, Any]:
    """Run the hook; exit status and what it printed, as JSON."""
    text = stdin if isinstance(stdin, bytes) else json.dumps(stdin).encode()
    done = subprocess.run(
        [str(PROGRAM), "guard", "--patience-ms", "20000", *arguments],
        input=text, capture_output=True, timeout=60, check=False,
        env=CLEAN_ENVIRONMENT | {"TELLTALE_URL": url, "TELLTALE_OTLP_URL": otlp},
    )  # fmt: skip
    assert not done.stderr, done.stderr.decode()
    return done.returncode, json.loads(done.stdout) if done.stdout else None


def ask(up: Up, stdin: bytes | Payload, *arguments: str) -> Any:
    status, said = guard(stdin, *arguments, url=f"http://{up.ready['api']}", otlp=f"http://{up.ready['otlp_http']}")
    assert status == 0
    return said


def loop(up: Up, agent: str, session: str, calls: int = 5) -> None:
    """The agent makes one call again and again."""
    for call in range(calls):
        ask(up, AGENTS[agent](session, call, before=True), agent)
        ask(up, AGENTS[agent](session, call, before=False), agent)
    wait_until(lambda: [f for f in up.findings() if f["session_id"] == session and f["count"] == calls])


def text_of(said: Any) -> str:
    """What reaches the model."""
    specific = said.get("hookSpecificOutput", said)
    return str(specific.get("additionalContext") or specific.get("additional_context"))


@pytest.mark.parametrize("agent", AGENTS)
def test_a_looping_agent_is_told_what_it_repeats_and_content_stays_at_home(up: Up, agent: str) -> None:
    session = f"{agent}-stuck"
    loop(up, agent, session)
    speaks_before = agent in ("claude-code", "codex")
    said = ask(up, AGENTS[agent](session, 5, before=speaks_before))
    text = text_of(said)
    assert "5 times" in text
    assert "failed the same way each time" in text
    assert SECRET not in text
    assert "boom" not in text
    stored = up.rows(
        f"SELECT ArgumentsStrength, ResultStrength, Arguments, Result, Outcome FROM tool_calls"  # noqa: S608 - our own
        f" WHERE SessionId = '{session}'"
    )
    assert {tuple(row) for row in stored} == {("full", "full", "", "", "error")}
    assert up.rows(f"SELECT count() FROM otel_logs WHERE toString(LogAttributes) LIKE '%{SECRET}%'") == [[0]]  # noqa: S608


@pytest.mark.parametrize("agent", AGENTS)
def test_blocking_is_opt_in_and_refuses_the_repeated_call_alone(up: Up, agent: str) -> None:
    session = f"{agent}-blocked"
    loop(up, agent, session)
    again = AGENTS[agent](session, 6, before=True)
    said = ask(up, again, agent, "--block")
    denied = said.get("hookSpecificOutput", said)
    assert "deny" in (denied.get("permissionDecision"), denied.get("decision"), denied.get("permission"))
    other = again | {"tool_input": {"command": "git status"}}
    assert not ask(up, other, agent, "--block")
    assert "deny" not in json.dumps(ask(up, again, agent) or {})


def test_a_call_told_by_telemetry_too_counts_once(up: Up) -> None:
    session = "claude-both"
    for call in range(5):
        ask(up, claude(session, call, before=False))
        record = {
            "timeUnixNano": str(time.time_ns()),
            "attributes": [
                {"key": key, "value": {"stringValue": value}}
                for key, value in {
                    "event.name": "tool_result", "session.id": session, "tool_name": "Bash", "success": "false",
                    "tool_use_id": f"toolu_{call}", "error_type": "ShellError", "tool_input_size_bytes": "40",
                }.items()
            ],
        }  # fmt: skip
        scope = {"name": "com.anthropic.claude_code.events"}
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "claude-code"}}]}
        request = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": [record]}]}]}
        up.store("logs", json.dumps(request).encode())
    up.settle()
    mine = [f for f in up.findings() if f["session_id"] == session and f["status"] != "resolved"]
    assert [(f["count"], f["confidence"]) for f in mine] == [(5, "full")]
    assert up.rows(f"SELECT ToolCalls, ToolErrors FROM sessions WHERE SessionId = '{session}'") == [[5, 5]]  # noqa: S608
    assert up.rows("SELECT sum(Count) FROM series_1m WHERE ServiceName = 'claude-code' AND Name = 'Bash'")[0][0] <= 5
    listed = up.ask("/v1/calls", session=session, max_tokens=20_000)
    assert (listed["summary"]["calls"], listed["summary"]["failed"], listed["total"]) == (5, 5, 5)
    assert [call["told_by"] for call in listed["calls"]] == [["log", "hook"]] * 5
    assert up.ask("/v1/calls", session=session, order="slowest")["summary"]["calls"] == 5
    one = up.ask(f"/v1/calls/{listed['calls'][0]['id']}")
    assert one["call"]["ArgumentsStrength"] != "full"
    assert [(also["told_by"], also["arguments_known"]) for also in one["also_told"]] == [("hook", "full")]
    assert up.ask("/v1/calls/toolu_3")["call"]["Signal"] == "log"
    outline = up.ask(f"/v1/sessions/{session}")
    assert (outline["totals"]["tool_calls"], outline["told_by"]) == (5, ["hook", "log"])
    (repeated,) = [step for step in outline["steps"] if step["kind"] == "tool"]
    assert (repeated["times"], repeated["distinct_results"], "arguments_known" in repeated) == (5, 1, False)


def test_a_hook_that_knows_neither_the_tools_name_nor_the_services_tells_the_same_loop(up: Up) -> None:
    """Codex's hook says `Bash`, and its telemetry `exec_command` of the service `codex_exec`, some seconds later."""
    session, now = "01a22b74-8793-7b41-b7ef-a4cc771ca6f6", time.time_ns()
    payload = json.loads((HOOKS / "codex.jsonl").read_text(encoding="utf-8").splitlines()[1])
    agent = hook_agents.AGENTS["codex"]
    records = []
    for number in range(5):
        call = call_of(agent, payload | {"tool_use_id": f"call_{number}"}, "after")
        assert call is not None
        assert call.session_id == session
        at = now - (10 - number) * 1_000_000_000
        up.store("logs", log_request(agent, call, at, content=False))
        told = {
            "event.name": "codex.tool_result", "conversation.id": session, "tool_name": "exec_command",
            "call_id": f"call_{number}", "arguments": '{"cmd": "node missing-check.js"}', "duration_ms": "200",
            "success": "true", "output": f"Chunk ID: {number}\nProcess exited with code 1\nOutput:\nno such module",
        }  # fmt: skip
        records.append({"timeUnixNano": str(at - 50_000_000), "attributes": attributes(told)})
    up.settle()
    before = [f for f in up.findings() if f["session_id"] == session]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "codex_exec"}}]}
    scopes = [{"scope": {"name": "codex"}, "logRecords": records}]
    up.store("logs", json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": scopes}]}).encode())
    up.settle()
    after = [f for f in up.findings() if f["session_id"] == session]
    assert [(f["count"], f["status"]) for f in before] == [(5, "updated")]
    assert [(f["id"], f["count"]) for f in after] == [(before[0]["id"], 5)]
    listed = up.ask("/v1/calls", session=session, max_tokens=20_000)
    assert [(call["name"], call["told_by"]) for call in listed["calls"]] == [("exec_command", ["log", "hook"])] * 5


def test_where_an_agent_numbers_no_calls_one_that_only_its_hook_told_is_listed_too(up: Up) -> None:
    session, now = "gemini-both", time.time_ns()
    agent = hook_agents.AGENTS["gemini"]
    records = []
    for number, second in enumerate((60, 50, 40, 20)):
        call = call_of(agent, gemini(session, number, before=False), "after")
        assert call is not None
        up.store("logs", log_request(agent, call, now - second * 1_000_000_000, content=False))
        told = {
            "event.name": "gemini_cli.tool_call", "session.id": session, "function_name": "run_shell_command",
            "duration_ms": "300", "success": "true", "content_length": "40", "metadata": '{"exitCode": 2}',
        }  # fmt: skip
        records.append({"timeUnixNano": str(now - second * 1_000_000_000), "attributes": attributes(told)})
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "gemini-cli"}}]}
    scopes = [{"scope": {"name": "gemini-cli"}, "logRecords": records[:3]}]  # the fourth was lost on its way
    up.store("logs", json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": scopes}]}).encode())
    up.settle()
    listed = up.ask("/v1/calls", session=session, max_tokens=20_000)
    assert [call["told_by"] for call in listed["calls"]] == [["hook"], ["log"], ["log"], ["log"]]
    assert listed["summary"]["calls"] == 4
    outline = up.ask(f"/v1/sessions/{session}")
    assert sum(step["times"] for step in outline["steps"] if step["kind"] == "tool") == 4


BROKEN = {
    "nothing": b"",
    "no JSON": b"{",
    "no object": b"[1]",
    "an unknown event": b'{"hook_event_name": "Stop", "session_id": "s"}',
    "no session": b'{"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {}}',
    "wrong types": b'{"hook_event_name": "PostToolUse", "session_id": 7, "tool_name": ["x"], "tool_input": 3}',
    "an event that is no text": b'{"hook_event_name": {}, "session_id": "s", "tool_name": "x"}',
    "no UTF-8": b'{"hook_event_name": "PreToolUse", "session_id": "\xff"}',
    "a surrogate": b'{"hook_event_name": "PreToolUse", "session_id": "\\ud800", "tool_name": "x", "tool_input": {}}',
    "a header in the session": b'{"hook_event_name": "PreToolUse", "session_id": "a\\r\\nX: y", "tool_name": "x"}',
}


@pytest.mark.parametrize("stdin", BROKEN.values(), ids=BROKEN)
def test_broken_input_says_nothing_and_lets_the_agent_go_on(up: Up, stdin: bytes) -> None:
    assert ask(up, stdin) is None


@pytest.mark.parametrize("before", [True, False])
def test_where_nothing_answers_the_agent_goes_on(before: bool) -> None:
    for make in AGENTS.values():
        status, said = guard(make("s", 1, before=before), url="http://127.0.0.1:9", otlp="http://127.0.0.1:9")
        assert (status, said) == (0, None)


def test_wrong_usage_is_said() -> None:
    done = subprocess.run([str(PROGRAM), "guard", "--urk"], capture_output=True, check=False, env=os.environ)
    assert done.returncode == 64
    assert b"No such option" in done.stderr


def test_it_starts_without_what_the_other_commands_need() -> None:
    code = (
        "import sys; sys.argv = ['telltale', 'guard']\n"
        "from cli.start import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('click', 'asyncio', 'httpx', 'ssl', 'http.client', 'pyarrow', 'faust')\n"
        "print([module for module in heavy if module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], input="{}", capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["--otlp", "--otlp-http"])
def test_the_address_of_otlp_has_the_name_that_it_has_elsewhere_too(name: str) -> None:
    given = options(["claude-code", name, "http://127.0.0.1:5318"], {})
    assert given is not None
    assert given.otlp == "http://127.0.0.1:5318"

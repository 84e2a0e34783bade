"""`telltale import claude-code`: transcripts as Claude Code writes them become sessions, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.transcripts.claude_code import Reading
from tests.e2e.running import Up, running, telltale

STUCK = "3f753bda-d8af-42a4-8a43-fb8f8c793520"
HEALTHY = "9b1f6c1e-0000-4000-8000-000000000001"
SECRET = "sk-ant-api03-" + "a1B2" * 20
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class Transcript:
    """Lines of one session, five seconds apart."""

    def __init__(self, session: str, **about: Any) -> None:
        self.lines: list[dict[str, Any]] = [{"type": "file-history-snapshot", "messageId": "m", "snapshot": {}}]
        self._session = session
        self._about: dict[str, Any] = {
            "sessionId": session,
            "version": "2.1.330",
            "isSidechain": False,
            "cwd": "/repo",
        } | about
        self._at = START

    def _line(self, kind: str, message: dict[str, Any], **more: Any) -> None:
        self._at += timedelta(seconds=5)
        time = self._at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        uuid = f"uuid-{self._session[:2]}-{len(self.lines)}"
        self.lines.append({"type": kind, "uuid": uuid, "timestamp": time, "message": message, **self._about, **more})

    def prompt(self, text: str) -> Transcript:
        self._line("user", {"role": "user", "content": text})
        return self

    def call(
        self, number: int, tool: str, arguments: dict[str, Any], result: Any, *, failed: bool = False
    ) -> Transcript:
        """An answer in two lines, of which the second has the final usage, and the tool's result."""
        usage = {"input_tokens": 10, "cache_read_input_tokens": 4000, "cache_creation_input_tokens": 50}
        answer = {"id": f"msg_{number}", "role": "assistant", "model": "claude-opus-5-5"}
        said = [{"type": "text", "text": "I run it."}]
        asked = [{"type": "tool_use", "id": f"toolu_{number}", "name": tool, "input": arguments}]
        request = {"requestId": f"req_{number}"}
        self._line("assistant", answer | {"content": said, "usage": usage | {"output_tokens": 1}}, **request)
        self._line("assistant", answer | {"content": asked, "usage": usage | {"output_tokens": 60}}, **request)
        part = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": result, "is_error": failed}
        self._line("user", {"role": "user", "content": [part]}, toolUseResult="Error")
        return self

    def write(self, file: Path) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return file


def stuck(calls: int = 6) -> Transcript:
    transcript = Transcript(STUCK).prompt("The tests fail. Repair them.")
    for number in range(calls):
        arguments = {"command": "pytest -q", "description": "Run the tests"}
        transcript.call(number, "Bash", arguments, f"Exit code 1\n1 failed {SECRET}", failed=True)
    return transcript


def healthy() -> Transcript:
    transcript = Transcript(HEALTHY).prompt("Read the code.")
    for number in range(6):
        transcript.call(
            100 + number, "Read", {"file_path": f"/repo/{number}.py"}, [{"type": "text", "text": f"{number}"}]
        )
    return transcript


@pytest.fixture
def projects(tmp_path: Path) -> Path:
    folder = tmp_path / "projects" / "-repo"
    stuck().write(folder / f"{STUCK}.jsonl")
    healthy().write(folder / f"{HEALTHY}.jsonl")
    return tmp_path / "projects"


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with running(tmp_path) as process:
        yield process


def brought_in(up: Up, path: Path) -> str:
    """Import; what the command says of it."""
    done = telltale(
        "import", "claude-code", str(path), "--url", f"http://{up.ready['api']}", "--otlp",
        f"http://{up.ready['otlp_http']}",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    up.settle()
    return done.stderr


def test_a_stuck_session_is_found_in_a_transcript_with_its_content_redacted(up: Up, projects: Path) -> None:
    assert brought_in(up, projects) == "2 sessions: 12 tool calls, 12 model calls, 2 prompts\n"
    (finding,) = up.findings()
    assert (finding["session_id"], finding["count"], finding["confidence"]) == (STUCK, 6, "full")
    mine = f"WHERE SessionId = '{STUCK}'"
    calls = up.rows(f"SELECT ToolName, Arguments, Result, ErrorType, DurationNs, TurnId FROM tool_calls {mine}")  # noqa: S608
    assert len(calls) == 6
    assert calls[0][1] == '{"command":"pytest -q","description":"Run the tests"}'
    assert calls[0][2].startswith("Exit code 1\n1 failed ")
    assert SECRET not in calls[0][2]
    assert calls[0][3:] == ["exit_code_1", 5_000_000_000, "uuid-3f-1"]
    totals = up.rows(f"SELECT ModelCalls, InputTokens, OutputTokens, Prompts FROM sessions {mine}")  # noqa: S608
    assert totals == [[6, 60, 360, 1]]


def test_importing_twice_changes_nothing_and_a_grown_transcript_adds_what_is_new(up: Up, projects: Path) -> None:
    brought_in(up, projects)
    series = "SELECT sum(Count) FROM series_1m WHERE ServiceName = 'claude-code'"
    counts = f"SELECT (SELECT count() FROM tool_calls), ({series})"  # noqa: S608
    before = up.rows(counts)
    assert "0 tool calls, 0 model calls, 0 prompts; 26 events were known already" in brought_in(up, projects)
    assert up.rows(counts) == before
    assert up.rows("SELECT count() FROM otel_logs WHERE ScopeName LIKE 'com.anthropic%'") == [[26]]
    stuck(8).write(projects / "-repo" / f"{STUCK}.jsonl")
    assert "2 tool calls, 2 model calls, 0 prompts" in brought_in(up, projects)
    assert [f["count"] for f in up.findings() if f["status"] != "resolved" or f["count"] > 6] == [8]


def test_replay_prints_findings_without_a_server_and_names_bad_lines(projects: Path) -> None:
    file = projects / "-repo" / f"{STUCK}.jsonl"
    file.write_text(file.read_text() + '{"type": "user"\n[]\n{"type": "assistant"}\n')
    done = telltale("import", "claude-code", str(projects), "--replay")
    assert done.returncode == 3
    (finding,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (finding["session_id"], finding["count"]) == (STUCK, 6)
    bad = done.stderr.splitlines()
    assert f"{file}:21: not JSON" in bad[0]
    assert bad[1] == f"{file}:22: not a JSON object"
    assert bad[2] == f"{file}:23: a message without sessionId, timestamp or message"
    assert bad[3] == "2 sessions: 12 tool calls, 12 model calls, 2 prompts; 3 bad lines"


def test_where_nothing_answers_it_says_how_to_start(projects: Path) -> None:
    done = telltale("import", "claude-code", str(projects), "--url", "http://127.0.0.1:9")
    assert done.returncode == 2
    assert "start one with `telltale up`" in done.stderr


def read(*lines: dict[str, Any]) -> Reading:
    session = Reading()
    for line in lines:
        assert session.read(json.dumps(line).encode()) == ""
    return session


def test_a_subagent_has_its_name_and_belongs_to_the_turn_of_its_time() -> None:
    main = Transcript(STUCK).prompt("Go.").call(1, "Task", {"prompt": "look"}, "done")
    side = Transcript(STUCK, isSidechain=True, agentId="a1b2").prompt("look").call(2, "Read", {"file_path": "x"}, "y")
    told = read(*main.lines, *side.lines).records()
    assert [r.identity for r in told if r.kind == "prompt"] == ["uuid-3f-1"]
    (call,) = [r for r in told if r.identity == "toolu_2"]
    assert (call.attributes["agent_id"], call.attributes["prompt.id"]) == ("a1b2", "uuid-3f-1")


def test_a_refused_call_and_what_is_no_prompt() -> None:
    refused = "The user doesn't want to proceed with this tool use. The tool use was rejected."
    transcript = Transcript(STUCK).call(1, "Bash", {"command": "rm -r x"}, refused, failed=True)
    transcript.prompt("<command-name>/clear</command-name>").prompt("  ")
    told = read(*transcript.lines).records()
    events = [record.attributes["event.name"] for record in told]
    assert events == ["api_request", "tool_decision"]
    assert told[1].attributes["decision"] == "reject"


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [[]], {"content": 3}, {"content": [{"type": "tool_use"}]}])
def test_lines_of_any_shape_are_never_more_than_bad(value: Any) -> None:
    session = Reading()
    for kind in ("user", "assistant", "summary", None):
        line = {"type": kind, "sessionId": "s", "timestamp": "2026-11-20T09:00:00Z", "message": value}
        session.read(json.dumps(line).encode())
        session.read(json.dumps(line | {"timestamp": value}).encode())
    assert session.records() == []

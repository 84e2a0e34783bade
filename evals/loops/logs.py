"""Sessions as the coding agents tell them in log events: Claude Code, Codex, Gemini CLI."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from evals.loops.records import MODEL, Record, attributes
from evals.loops.sessions import ANSWER_NS, MS, Placed, hex_id

SHELLS: Final = frozenset({"Bash"})
MAX_VALUE: Final = 512
"""Claude Code cuts texts in its `tool_input` there."""


def claude_code(session: str, calls: Sequence[Placed]) -> Iterator[Record]:
    """With OTEL_LOG_TOOL_DETAILS=1: arguments with long values cut, sizes of results, texts of errors."""
    return _claude_code(session, calls, details=True)


def claude_code_default(session: str, calls: Sequence[Placed]) -> Iterator[Record]:
    """As it is installed: names and sizes."""
    return _claude_code(session, calls, details=False)


def _claude_code(session: str, calls: Sequence[Placed], *, details: bool) -> Iterator[Record]:
    number = 0

    def event(at: int, call: Placed, name: str, more: Mapping[str, Any]) -> Record:
        nonlocal number
        number += 1
        standard = {
            "session.id": session, "event.name": name, "event.timestamp": _iso(at), "event.sequence": number,
            "agent_id": call.did.agent,
        }  # fmt: skip
        body = _log(at, {**standard, **more}, f"claude_code.{name}")
        service = {"service.name": "claude-code", "service.version": "2.1.330"}
        return Record(at, "logs", "com.anthropic.claude_code.events", service, body)

    for call in calls:
        did = call.did
        if call.prompted:
            yield event(call.asked_at, call, "user_prompt", {"prompt_length": "20"})
        request_id = f"req_{hex_id(16, session, call.round_number)}"
        if call.first_of_round:
            answered = call.start - ANSWER_NS
            cost = call.tokens_in * 3e-6 + call.tokens_out * 15e-6
            yield event(answered, call, "api_request", {
                "model": MODEL, "cost_usd": cost, "duration_ms": (answered - call.asked_at) // MS,
                "input_tokens": call.tokens_in, "output_tokens": call.tokens_out, "request_id": request_id,
            })  # fmt: skip
        mcp = did.tool.startswith("mcp__")
        told = json.dumps(did.arguments, separators=(",", ":"))
        more: dict[str, Any] = {
            "tool_name": "mcp_tool" if mcp else did.tool, "tool_use_id": call.call_id, "request_id": request_id,
            "success": "false" if did.error else "true", "duration_ms": str((call.end - call.start) // MS),
            "tool_input_size_bytes": str(len(told.encode())),
            "tool_result_size_bytes": "" if did.error else str(len(did.result.encode())),
            "error_type": ("ShellError" if did.tool in SHELLS else "ToolError") if did.error else "",
        }  # fmt: skip
        if details:
            more["tool_input"] = json.dumps(_cut(did.arguments), ensure_ascii=False)
            more["error"] = ("Shell command failed" if did.tool in SHELLS else did.error) if did.error else ""
            if mcp:
                _, server, tool = did.tool.split("__", 2)
                more["tool_parameters"] = json.dumps({"mcp_server_name": server, "mcp_tool_name": tool})
        yield event(call.end, call, "tool_result", more)


def codex(session: str, calls: Sequence[Placed]) -> Iterator[Record]:
    """Everything in full; a failed command counts as success, and each output begins with a chunk id of its own."""

    def event(at: int, name: str, more: Mapping[str, Any]) -> Record:
        standard = {"event.name": name, "event.timestamp": _iso(at), "conversation.id": session, "model": MODEL}
        body = {"observedTimeUnixNano": str(at), "attributes": attributes({**standard, **more})}
        return Record(
            at, "logs", "codex_otel.log_only", {"service.name": "codex_exec", "service.version": "0.169"}, body
        )

    for call in calls:
        did = call.did
        if call.prompted:
            yield event(call.asked_at, "codex.user_prompt", {"prompt_length": "20"})
        if call.first_of_round:
            answered = call.start - ANSWER_NS
            yield event(answered, "codex.sse_event", {
                "event.kind": "response.completed", "duration_ms": str((answered - call.asked_at) // MS),
                "input_token_count": str(call.tokens_in), "output_token_count": str(call.tokens_out),
            })  # fmt: skip
        output = did.error or did.result
        if did.tool in SHELLS:
            chunk, wall, code = hex_id(6, call.call_id), call.number % 97 / 100, int(bool(did.error))
            output = f"Chunk ID: {chunk}\nWall time: {wall} seconds\nProcess exited with code {code}\nOutput:\n{output}"
        yield event(call.end, "codex.tool_result", {
            "tool_name": "exec_command" if did.tool in SHELLS else did.tool, "call_id": call.call_id,
            "arguments": json.dumps(did.arguments), "duration_ms": str((call.end - call.start) // MS),
            "success": "false" if did.error and did.tool not in SHELLS else "true", "output": output,
            "tool_result_seq": call.number + 1, "agent_name": f"/root/{did.agent}" if did.agent else "/root",
        })  # fmt: skip


def gemini_cli(session: str, calls: Sequence[Placed]) -> Iterator[Record]:
    """Arguments in full, of results only their length; a failed command is a success with an exit code."""

    def event(at: int, name: str, more: Mapping[str, Any]) -> Record:
        body = _log(at, {"session.id": session, "event.name": name, "event.timestamp": _iso(at), **more}, name)
        return Record(at, "logs", "gemini-cli", {"service.name": "gemini-cli", "service.version": "0.61"}, body)

    for call in calls:
        did = call.did
        if call.prompted:
            yield event(call.asked_at, "gemini_cli.user_prompt", {"prompt_length": 20})
        if call.first_of_round:
            answered = call.start - ANSWER_NS
            yield event(answered, "gemini_cli.api_response", {
                "model": MODEL, "duration_ms": (answered - call.asked_at) // MS, "status_code": 200,
                "input_token_count": call.tokens_in, "output_token_count": call.tokens_out,
            })  # fmt: skip
        in_shell = did.tool in SHELLS
        failed = bool(did.error) and not in_shell
        yield event(call.end, "gemini_cli.tool_call", {
            "function_name": "run_shell_command" if in_shell else did.tool.replace("mcp__", "mcp_").replace("__", "_"),
            "function_args": json.dumps(did.arguments, indent=2), "duration_ms": (call.end - call.start) // MS,
            "success": not failed, "decision": "accept", "error": did.error if failed else "",
            "error_type": "execution_failed" if failed else "", "content_length": len(did.error or did.result),
            "metadata": json.dumps({"exitCode": 1, "isError": True}) if did.error and in_shell else "",
        })  # fmt: skip


def _log(at: int, given: Mapping[str, Any], text: str) -> dict[str, Any]:
    return {"timeUnixNano": str(at), "observedTimeUnixNano": str(at), "body": {"stringValue": text},
            "attributes": attributes(given)}  # fmt: skip


def _cut(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value[:MAX_VALUE] + "…" if isinstance(value, str) and len(value) > MAX_VALUE else value
        for key, value in arguments.items()
    }


def _iso(unix_nano: int) -> str:
    moment = dt.datetime.fromtimestamp(unix_nano // MS / 1000, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

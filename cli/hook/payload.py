"""From what an agent hands its hook to one tool call, signed here, so that its content need not leave the machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from cli.hook.agents import BEFORE, FAILED, LENGTH, Agent
from schemas.signatures import NOTHING, Signature, of_content

MAX_NAME: Final = 256
MAX_LENGTH: Final = 2**53
_EXIT: Final = re.compile(
    r"^(?:process )?exit(?:ed)?(?: with)?(?: code| status)?[: ]+(-?\d{1,10})(?!\S)", re.IGNORECASE | re.MULTILINE
)
_EXIT_KEYS: Final = ("exitCode", "exit_code", "returncode", "returnCode")
_SHELL_TOOL: Final = "Shell"


class Call(NamedTuple):
    """One tool call as its hook saw it."""

    session_id: str
    turn_id: str
    agent_id: str
    """The subagent, "" is the main agent."""
    call_id: str
    tool: str
    arguments: str
    arguments_signature: Signature
    result: str
    result_signature: Signature
    result_size: int
    """-1 = not told."""
    success: str
    """`true`, `false`, or "" where the agent does not tell."""
    error_type: str
    """What went wrong; `permission_denied` where nothing did: it was refused."""
    duration_ms: float
    """-1 = not told."""


def call_of(agent: Agent, payload: Mapping[str, Any], when: str) -> Call | None:
    """The call, None where the payload does not name a session and a tool."""
    session, tool = _name(payload, agent.session), _tool(payload)
    if not session or not tool:
        return None
    given, arguments, signed = _arguments(payload), "", NOTHING
    if tool not in agent.counted:
        arguments = _text(_without(given, agent.comments.get(tool, frozenset())))
        signed = of_content(arguments, len(arguments))
    result, success, error_type = ("", "", "")
    signature, size = NOTHING, -1
    if when != BEFORE:
        said = _result(payload, when)
        success, error_type = _outcome(agent, payload, said, when)
        if _in_short(agent, given, said):
            size = _length(said)
            signature = of_content(None, size)
        else:
            result = _steady(agent, said)
            size = len(result)
            signature = of_content(result, size)
    return Call(
        session, _name(payload, agent.turn), _name(payload, "agent_id"), _name(payload, "tool_use_id"), tool,
        arguments, signed, result, signature, size, success, error_type, _number(payload),
    )  # fmt: skip


def _name(payload: Mapping[str, Any], key: str) -> str:
    value = payload.get(key) if key else ""
    return value[:MAX_NAME] if isinstance(value, str) else ""


def _number(payload: Mapping[str, Any]) -> float:
    for key in ("duration_ms", "duration"):
        value = payload.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12:
            return float(value)
    return -1.0


def _tool(payload: Mapping[str, Any]) -> str:
    """Cursor's events of a shell command name no tool."""
    return _name(payload, "tool_name") or (_SHELL_TOOL if "command" in payload else "")


def _arguments(payload: Mapping[str, Any]) -> Any:
    if "tool_input" in payload:
        return _parsed(payload["tool_input"])
    return {"command": payload.get("command")}


def _result(payload: Mapping[str, Any], when: str) -> Any:
    keys = ("error", "error_message") if when == FAILED else ("tool_response", "tool_output", "result_json", "output")
    for key in keys:
        if payload.get(key) is not None:
            return _parsed(payload[key])
    return None


def _in_short(agent: Agent, arguments: Any, said: Any) -> bool:
    """Whether a result repeats arguments and says that there was one, but not what: Cursor tells most of them so."""
    if not agent.in_short or not isinstance(said, dict) or said.keys().isdisjoint(agent.in_short):
        return False
    given = arguments if isinstance(arguments, dict) else {}
    return all(key in agent.in_short or given.get(key) == value for key, value in said.items())


def _length(said: Mapping[str, Any]) -> int:
    value = said.get(LENGTH)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_LENGTH else -1


def _outcome(agent: Agent, payload: Mapping[str, Any], said: Any, when: str) -> tuple[str, str]:
    """(success, error type). Codex and Gemini CLI call a failed command a success: its exit code tells."""
    code = _exit_code(said)
    if when == FAILED:
        kind = _name(payload, "failure_type") or ("interrupted" if payload.get("is_interrupt") is True else "error")
        return "false", f"exit_code_{code}" if code else kind
    if code and code.lstrip("-").strip("0"):
        return "false", f"exit_code_{code}"
    if isinstance(said, dict) and (said.get("error") or said.get("is_error") is True or said.get("isError") is True):
        return "false", "error"
    return ("" if agent.name == "codex" and not code else "true"), ""


def _exit_code(said: Any) -> str:
    if isinstance(said, dict):
        for key in _EXIT_KEYS:
            code = said.get(key)
            if isinstance(code, int) and not isinstance(code, bool):
                return str(code)[:11]
        inner = said.get("metadata")
        if isinstance(inner, dict):
            return _exit_code(inner)
        said = said.get("llmContent") or said.get("output")
    match = _EXIT.search(said) if isinstance(said, str) else None
    return match.group(1) if match else ""


def _steady(agent: Agent, said: Any) -> str:
    """The result as text, without what differs each time."""
    if isinstance(said, dict) and "llmContent" in said:  # Gemini CLI: what the model is shown
        said = said.get("error") or said["llmContent"]
    text = _text(_without(said, agent.volatile_keys))
    if agent.volatile_lines and any(mark in text for mark in agent.volatile_lines):
        kept = (line for line in text.split("\n") if not line.startswith(agent.volatile_lines))
        return "\n".join(kept)
    return text


def _without(value: Any, keys: frozenset[str]) -> Any:
    if not keys or not isinstance(value, dict):
        return value
    return {key: one for key, one in value.items() if key not in keys}


def _parsed(value: Any) -> Any:
    """JSON that stands in a text, as some fields of Cursor do, else the value itself."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except ValueError:
            return value
    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()

"""Claude Code's transcripts, JSON lines below `~/.claude/projects`, as its own telemetry tells the same.

A session is FOLDER/ID.jsonl; its subagents write FOLDER/ID/subagents/agent-*.jsonl, older versions
FOLDER/agent-*.jsonl. A line is a message: an answer of the model (one line for each part of it, all with the same
usage), a prompt, or the results of tools. Lines of other kinds tell nothing that telemetry tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from cli.transcripts.records import Record
from schemas.times import iso_unix_nano

SERVICE: Final = "claude-code"
SCOPE: Final = "com.anthropic.claude_code.events"
MAX_PENDING: Final = 100_000
"""Calls of one session whose result is still awaited."""

_EXIT: Final = re.compile(r"(?:Error: )?Exit code (\d{1,5})\b")
_REFUSED: Final = ("The user doesn't want to proceed with this tool use", "The user doesn't want to take this action")
_COMMAND: Final = re.compile(r"<(?:command-name|local-command-stdout|local-command-stderr|bash-stdout|bash-input)>")
_TOKENS: Final = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_creation_tokens",
}


class _Call(NamedTuple):
    """A call whose result has not come yet."""

    name: str
    arguments: str
    started_unix_nano: int
    request_id: str


class Reading:
    """Reads the lines of one session, in any order of its files; `records` gives what they tell, in order of time."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._calls: dict[str, _Call] = {}
        self._requests: dict[str, int] = {}
        """Request -> where its record stands: a later line of the same answer has the final usage."""

    def read(self, line: bytes) -> str:
        """Read one line; returns why it could not be used, "" = it was."""
        try:
            said = orjson.loads(line)
        except ValueError as error:
            return f"not JSON: {error}"
        if not isinstance(said, dict):
            return "not a JSON object"
        if said.get("type") not in ("user", "assistant"):
            return ""  # titles, snapshots of files, summaries, ...
        time, message = _time(said.get("timestamp")), said.get("message")
        if not _name(said, "sessionId") or time < 0 or not isinstance(message, dict):
            return "a message without sessionId, timestamp or message"
        if said["type"] == "assistant":
            self._answer(said, message, time)
        else:
            self._from_user(said, message, time)
        return ""

    def records(self) -> list[Record]:
        """Everything read so far, in order of time, each with the prompt that it follows."""
        turn, told = "", []
        for record in sorted(self._records, key=lambda record: record.time_unix_nano):
            turn = record.identity if record.kind == "prompt" else turn
            told.append(replace(record, attributes={**record.attributes, "prompt.id": turn}))
        return told

    def _answer(self, said: dict[str, Any], message: dict[str, Any], time: int) -> None:
        request = _name(said, "requestId") or _name(message, "id")
        for part in _parts(message):
            if part.get("type") == "tool_use" and _name(part, "id") and len(self._calls) < MAX_PENDING:
                arguments = orjson.dumps(part.get("input") or {}).decode()
                self._calls[_name(part, "id")] = _Call(_name(part, "name"), arguments, time, request)
        usage = message.get("usage")
        if not request or not isinstance(usage, dict) or _name(message, "model") == "<synthetic>":
            return
        tokens = {to: usage[key] for key, to in _TOKENS.items() if _is_count(usage.get(key))}
        told = {"model": _name(message, "model"), "request_id": request, **tokens}
        record = _record(said, time, "model", "api_request", told)
        if request in self._requests:
            self._records[self._requests[request]] = record
        else:
            self._requests[request] = len(self._records)
            self._records.append(record)

    def _from_user(self, said: dict[str, Any], message: dict[str, Any], time: int) -> None:
        parts = _parts(message)
        results = [part for part in parts if part.get("type") == "tool_result"]
        for part in results:
            self._result(said, part, time)
        text = "\n".join(_name(part, "text", 1_000_000) for part in parts if part.get("type") == "text")
        subagent = said.get("isSidechain") is True
        if results or subagent or said.get("isMeta") is True or not text.strip() or _COMMAND.match(text.lstrip()):
            return
        prompt = _name(said, "promptId") or _name(said, "uuid")
        told = {"prompt_length": len(text), "prompt": text, "prompt.id": prompt}
        self._records.append(_record(said, time, "prompt", "user_prompt", told))

    def _result(self, said: dict[str, Any], part: dict[str, Any], time: int) -> None:
        call_id = _name(part, "tool_use_id")
        call = self._calls.pop(call_id, None)
        if call is None:
            return  # told already, or its call stands in a part of the transcript that is gone
        text = _text(part.get("content"))
        failed = part.get("is_error") is True
        told: dict[str, str | int] = {
            "tool_name": call.name,
            "tool_use_id": call_id,
            "request_id": call.request_id,
            "tool_input": call.arguments,
            "tool_input_size_bytes": len(call.arguments.encode()),
        }
        if failed and text.startswith(_REFUSED):
            told |= {"decision": "reject", "source": "user_reject", "tool_parameters": call.arguments}
            self._records.append(_record(said, time, "tool", "tool_decision", told))
            return
        told |= {"success": "false" if failed else "true", "telltale.result": text}
        told |= {"duration_ms": max(0, time - call.started_unix_nano) // 1_000_000}
        if failed:
            code = _EXIT.match(text)
            told |= {"error": text, "error_type": f"exit_code_{code[1]}" if code else "ToolError"}
        self._records.append(_record(said, time, "tool", "tool_result", told))


def _record(said: dict[str, Any], time: int, kind: str, event: str, told: dict[str, Any]) -> Record:
    """One event; what it is told apart by stands in its own attributes."""
    identity = {"tool": "tool_use_id", "model": "request_id", "prompt": "prompt.id"}[kind]
    about = {
        "event.name": event,
        "session.id": _name(said, "sessionId"),
        "agent_id": _name(said, "agentId") if said.get("isSidechain") is True else "",
    }
    return Record(time, kind, str(told[identity]), _name(said, "version"), about | told)


def sessions(paths: Sequence[Path]) -> Iterator[tuple[str, list[Path]]]:
    """(name, its files) of every session below the paths, the main file of each first."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        files: Iterable[Path] = [path] if path.is_file() else sorted(path.rglob("*.jsonl"))
        for file in files:
            name = _session_of(file)
            group = found.setdefault(name, [])
            if file.name.startswith("agent-"):
                group.append(file)
            else:
                group.insert(0, file)
    yield from found.items()


def _session_of(file: Path) -> str:
    if file.parent.name == "subagents":
        return file.parent.parent.name
    if not file.name.startswith("agent-"):
        return file.stem
    try:
        with file.open("rb") as lines:
            said = orjson.loads(lines.readline(1_000_000))
    except (OSError, ValueError):
        return file.stem
    return (_name(said, "sessionId") if isinstance(said, dict) else "") or file.stem


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _text(content: Any) -> str:
    """What a tool answered; of pictures only that there is one."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part for part in content if isinstance(part, dict)]
    return "\n".join(
        _name(part, "text", 16_000_000) if part.get("type") == "text" else f"[{_name(part, 'type')}]" for part in parts
    )


def _name(said: dict[str, Any], key: str, longest: int = 256) -> str:
    value = said.get(key)
    return value[:longest] if isinstance(value, str) else ""


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _time(text: Any) -> int:
    """Nanoseconds since 1970, -1 where it is no time."""
    return iso_unix_nano(text) if isinstance(text, str) else -1

"""How each agent's hooks tell of a tool call, as data. Names of events and fields are those of their documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

API_URL: Final = "http://127.0.0.1:4320"
OTLP_URL: Final = "http://127.0.0.1:4318"
PATIENCE_MS: Final = 60
"""How long the running Telltale may take; with the start of the interpreter the whole stays under 100 ms."""

BEFORE: Final = "before"
AFTER: Final = "after"
FAILED: Final = "failed"


LENGTH: Final = "content_length"
"""Key of a result that is told in short: how long it was."""


class Agent(NamedTuple):
    """One agent with hooks."""

    name: str
    """As it is written on the command line, and as `agent.system` of what is reported."""
    service: str
    """`service.name` of what is reported: that of the agent's own telemetry where it has one."""
    events: Mapping[str, str]
    """`hook_event_name` -> `before`, `after` or `failed`."""
    says_before: bool
    """What the hook answers before a call reaches the model; else it is said after the call."""
    session: str = "session_id"
    turn: str = ""
    volatile_keys: frozenset[str] = frozenset()
    """Keys of a result that differ each time whatever the tool did."""
    volatile_lines: tuple[str, ...] = ()
    """Beginnings of lines of a result's text that do."""
    comments: Mapping[str, frozenset[str]] = {}
    """Tool -> keys of its arguments in which the model says what it does, in new words each time."""
    in_short: frozenset[str] = frozenset()
    """Keys of a result that say that there was one, in place of what it said."""
    counted: frozenset[str] = frozenset()
    """Tools of whose arguments only a number is told."""


AGENTS: Final[Mapping[str, Agent]] = {
    agent.name: agent
    for agent in (
        Agent(
            "claude-code", "claude-code",
            {"PreToolUse": BEFORE, "PostToolUse": AFTER, "PostToolUseFailure": FAILED},
            says_before=True, turn="prompt_id",
            volatile_keys=frozenset({"durationMs", "durationSeconds", "duration_ms", "totalDurationMs", "mtimeMs"}),
            comments={"Bash": frozenset({"description"})},
        ),
        Agent(
            "codex", "codex", {"PreToolUse": BEFORE, "PostToolUse": AFTER}, says_before=True, turn="turn_id",
            volatile_keys=frozenset({"duration_seconds", "chunk_id", "wall_time"}),
            volatile_lines=("Chunk ID: ", "Wall time"),
        ),
        Agent(
            "gemini", "gemini-cli", {"BeforeTool": BEFORE, "AfterTool": AFTER}, says_before=False,
            volatile_lines=("Process Group PGID: ", "Background PIDs: "),
            comments={"run_shell_command": frozenset({"description"})},
        ),
        Agent(
            "cursor", "cursor",
            {
                "preToolUse": BEFORE, "postToolUse": AFTER, "postToolUseFailure": FAILED,
                "beforeShellExecution": BEFORE, "afterShellExecution": AFTER,
                "beforeMCPExecution": BEFORE, "afterMCPExecution": AFTER,
            },
            says_before=False, session="conversation_id", turn="generation_id",
            volatile_keys=frozenset({"duration", "executionTime", "pid"}),
            comments={"Shell": frozenset({"description"})},
            in_short=frozenset({LENGTH, "success", "deleted", "status_code", "diagnostics_count", "resources_count"}),
            counted=frozenset({"ComputerUse", "WriteShellStdin"}),
        ),
    )
}  # fmt: skip


def agent_of(payload: Mapping[str, object], named: str) -> Agent | None:
    """The agent: as it was named on the command line, else the one whose event it is; Codex tells its `turn_id`."""
    if named:
        return AGENTS.get(named)
    event = payload.get("hook_event_name")
    known = [agent for agent in AGENTS.values() if isinstance(event, str) and event in agent.events]
    if len(known) > 1:
        return AGENTS["codex" if "turn_id" in payload else "claude-code"]
    return known[0] if known else None

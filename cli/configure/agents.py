"""What each agent needs in its settings, as data: telemetry, the MCP server, the hooks of the guard."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from cli.hook.agents import API_URL, OTLP_URL

SERVER: Final = "telltale"
"""The name of our MCP server in every agent's settings; whatever stands under it is ours to replace."""
HOOK_TIMEOUT_S: Final = 5


class Target(NamedTuple):
    """Where the running Telltale is, and how it is called."""

    program: str = "telltale"
    url: str = API_URL
    otlp_http: str = OTLP_URL
    otlp_grpc: str = "http://127.0.0.1:4317"
    block: bool = False

    def mcp(self) -> list[str]:
        """Arguments that start the MCP server over standard input and output."""
        return ["mcp", *(["--url", self.url] if self.url != API_URL else [])]

    def guard(self, agent: str) -> str:
        """The hook's command line."""
        words = [self.program, "guard", agent]
        words += ["--block"] if self.block else []
        words += ["--url", self.url] if self.url != API_URL else []
        words += ["--otlp", self.otlp_http] if self.otlp_http != OTLP_URL else []
        return shlex.join(words)


class Change(NamedTuple):
    """One value of a settings file."""

    path: tuple[str, ...]
    value: Any
    ours: bool = False
    """It may be replaced without asking: nobody but us puts something there."""
    appended: bool = False
    """The value is added to the list at `path`, in place of an earlier one that runs our guard."""


class File(NamedTuple):
    """One settings file and what is to stand in it."""

    where: Path
    form: str
    """`json`, `toml`, or `jsonc`: JSON for a reader that takes `//` for a comment wherever it stands."""
    changes: tuple[Change, ...]


class Places(NamedTuple):
    """Where settings are looked for."""

    home: Path
    project: Path | None
    """A repository whose own settings are meant, None = the user's."""
    codex_home: Path

    def user(self, *parts: str) -> Path:
        """A file of the project where one is meant, else of the user's home."""
        return (self.project or self.home).joinpath(*parts)


def claude_code(target: Target, places: Places, guard: bool) -> tuple[File, ...]:
    """Claude Code: environment and hooks in settings.json, MCP servers in a file of their own."""
    telemetry = {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": target.otlp_http,
        "OTEL_LOG_TOOL_DETAILS": "1",
    }
    changes = [Change(("env", name), value) for name, value in telemetry.items()]
    hook = {"type": "command", "command": target.guard("claude-code"), "timeout": HOOK_TIMEOUT_S}
    events = ("PreToolUse", "PostToolUse", "PostToolUseFailure") if guard else ()
    changes += [Change(("hooks", event), {"matcher": "*", "hooks": [hook]}, appended=True) for event in events]
    server = {"type": "stdio", "command": target.program, "args": target.mcp()}
    servers = places.project / ".mcp.json" if places.project else places.home / ".claude.json"
    return (
        File(places.user(".claude", "settings.json"), "json", tuple(changes)),
        File(servers, "json", (Change(("mcpServers", SERVER), server, ours=True),)),
    )


def codex(target: Target, places: Places, guard: bool) -> tuple[File, ...]:
    """Codex: all of it in config.toml."""

    def exporter(signal: str) -> dict[str, Any]:
        return {"otlp-http": {"endpoint": f"{target.otlp_http}/v1/{signal}", "protocol": "binary"}}

    names = {"exporter": "logs", "trace_exporter": "traces", "metrics_exporter": "metrics"}
    changes = [Change(("otel", name), exporter(signal)) for name, signal in names.items()]
    server = {"command": target.program, "args": target.mcp()}
    changes.append(Change(("mcp_servers", SERVER), server, ours=True))
    hook = {"type": "command", "command": target.guard("codex"), "timeout": HOOK_TIMEOUT_S}
    events = ("PreToolUse", "PostToolUse") if guard else ()
    changes += [Change(("hooks", event), {"hooks": [hook]}, appended=True) for event in events]
    folder = places.project / ".codex" if places.project else places.codex_home
    return (File(folder / "config.toml", "toml", tuple(changes)),)


def gemini(target: Target, places: Places, guard: bool) -> tuple[File, ...]:
    """Gemini CLI: all of it in settings.json; its hooks count milliseconds."""
    telemetry = {"enabled": True, "target": "local", "otlpProtocol": "grpc", "otlpEndpoint": target.otlp_grpc}
    changes = [Change(("telemetry", name), value) for name, value in telemetry.items()]
    server = {"command": target.program, "args": target.mcp()}
    changes.append(Change(("mcpServers", SERVER), server, ours=True))
    hook = {
        "type": "command",
        "name": "telltale-guard",
        "command": target.guard("gemini"),
        "timeout": HOOK_TIMEOUT_S * 1000,
    }
    events = ("BeforeTool", "AfterTool") if guard else ()
    changes += [Change(("hooks", event), {"hooks": [hook]}, appended=True) for event in events]
    return (File(places.user(".gemini", "settings.json"), "json", tuple(changes)),)


def cursor(target: Target, places: Places, _guard: bool) -> tuple[File, ...]:
    """Cursor: it exports no telemetry, so its hooks are the way in, with or without the guard asked for."""
    server = {"command": target.program, "args": target.mcp()}
    hook = {"command": target.guard("cursor"), "timeout": HOOK_TIMEOUT_S}
    events = ("preToolUse", "postToolUse", "postToolUseFailure")
    hooks = [Change(("hooks", event), hook, appended=True) for event in events]
    return (
        File(places.user(".cursor", "mcp.json"), "json", (Change(("mcpServers", SERVER), server, ours=True),)),
        File(places.user(".cursor", "hooks.json"), "jsonc", (Change(("version",), 1), *hooks)),
    )


SETUPS: Final[Mapping[str, Callable[[Target, Places, bool], tuple[File, ...]]]] = {
    "claude-code": claude_code,
    "codex": codex,
    "gemini": gemini,
    "cursor": cursor,
}

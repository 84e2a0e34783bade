"""`telltale setup` on settings files that are there already: what it adds, what it keeps, what it leaves alone."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

Setup = Callable[..., CompletedProcess[str]]

CODEX = """\
# my own settings
model = "gpt-5.5"   # the good one

[otel]
environment = "laptop"
log_user_prompt = false

[mcp_servers.tracker]
command = "tracker"

[[hooks.PreToolUse]]
matcher = "^Bash$"
[[hooks.PreToolUse.hooks]]
type = "command"
command = "my-own-check"

[profiles.fast]
model = "gpt-5.5-mini"
"""
CLAUDE = {
    "permissions": {"allow": ["Bash(ls:*)"]},
    "env": {"EDITOR": "vi"},
    "hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": "my-own-check"}]}]},
    "name": "é",
}


@pytest.fixture
def setup(run: Any, tmp_path: Path) -> Setup:
    """Runs the installed command in a home of its own."""
    return lambda *arguments: run("setup", *arguments, HOME=str(tmp_path), CODEX_HOME="")


def put(where: Path, text: str) -> Path:
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text(text, encoding="utf-8")
    return where


def test_without_write_it_shows_the_difference_and_touches_nothing(setup: Setup, tmp_path: Path) -> None:
    where = put(tmp_path / ".codex/config.toml", CODEX)
    done = setup("codex", "--guard")
    assert (done.returncode, where.read_text()) == (0, CODEX)
    assert '+exporter = {otlp-http = {endpoint = "http://127.0.0.1:4318/v1/logs", protocol = "binary"}}' in done.stdout
    assert "--write does it" in done.stderr
    assert [one.name for one in where.parent.iterdir()] == ["config.toml"]


def test_toml_keeps_comments_order_and_the_hooks_of_others(setup: Setup, tmp_path: Path) -> None:
    where = put(tmp_path / ".codex/config.toml", CODEX)
    where.chmod(0o600)
    assert setup("codex", "--guard", "--write").returncode == 0
    text = where.read_text()
    told = tomllib.loads(text)
    assert "# my own settings" in text
    assert "# the good one" in text
    assert told["otel"]["environment"] == "laptop"
    assert told["otel"]["exporter"]["otlp-http"]["endpoint"] == "http://127.0.0.1:4318/v1/logs"
    assert set(told["mcp_servers"]) == {"tracker", "telltale"}
    assert told["mcp_servers"]["telltale"]["args"] == ["mcp"]
    commands = [hook["command"] for group in told["hooks"]["PreToolUse"] for hook in group["hooks"]]
    assert commands[0] == "my-own-check"
    assert commands[1].endswith("telltale guard codex")
    assert told["profiles"] == {"fast": {"model": "gpt-5.5-mini"}}
    assert where.stat().st_mode & 0o777 == 0o600
    (backup,) = where.parent.glob("*.bak")
    assert backup.read_text() == CODEX


def test_json_keeps_what_is_there_and_its_indentation(setup: Setup, tmp_path: Path) -> None:
    where = put(tmp_path / ".claude/settings.json", json.dumps(CLAUDE, indent="\t", ensure_ascii=False))
    put(tmp_path / ".claude.json", json.dumps({"numStartups": 3, "mcpServers": {"tracker": {"command": "tracker"}}}))
    assert setup("claude-code", "--guard", "--write").returncode == 0
    text = where.read_text(encoding="utf-8")
    told = json.loads(text)
    assert '\n\t"permissions"' in text
    assert '"é"' in text
    assert told["env"] | CLAUDE["env"] == told["env"]
    assert told["env"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
    assert [group["matcher"] for group in told["hooks"]["PreToolUse"]] == ["Bash", "*"]
    assert set(told["hooks"]) == {"PreToolUse", "PostToolUse", "PostToolUseFailure"}
    servers = json.loads((tmp_path / ".claude.json").read_text())
    assert set(servers["mcpServers"]) == {"tracker", "telltale"}
    assert servers["numStartups"] == 3


@pytest.mark.parametrize("agent", ["claude-code", "codex", "gemini", "cursor"])
def test_a_second_run_changes_nothing(setup: Setup, tmp_path: Path, agent: str) -> None:
    put(tmp_path / ".codex/config.toml", CODEX)
    put(tmp_path / ".claude/settings.json", json.dumps(CLAUDE))
    assert setup(agent, "--guard", "--write").returncode == 0
    files = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    again = setup(agent, "--guard", "--write")
    assert again.returncode == 0
    assert all(line.startswith("nothing to change in ") for line in again.stdout.splitlines())
    assert {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()} == files


def as_cursor_reads(text: str) -> Any:
    """Its hook runtime takes the rest of a line after `//` for a comment, in strings too (`@cursor/sdk` 1.0.18)."""
    return json.loads(re.sub(r"/\*[\s\S]*?\*/", "", re.sub(r"//.*$", "", text, flags=re.MULTILINE)))


ELSEWHERE = ("--url", "http://127.0.0.1:5320", "--otlp-http", "http://127.0.0.1:5318")


def test_cursor_reads_its_hooks_as_they_were_written(setup: Setup, tmp_path: Path) -> None:
    file = tmp_path / ".cursor/hooks.json"
    theirs = {"command": "audit --to https://audit.example///x", "timeout": 5}
    put(file, json.dumps({"version": 1, "hooks": {"stop": [theirs]}}))
    assert setup("cursor", "--guard", "--write", *ELSEWHERE).returncode == 0
    read = as_cursor_reads(file.read_text())
    assert read == json.loads(file.read_text())
    assert read["hooks"]["stop"] == [theirs]
    assert "--otlp http://127.0.0.1:5318" in read["hooks"]["postToolUse"][0]["command"]


def test_hooks_that_cursor_misreads_are_written_anew(setup: Setup, tmp_path: Path) -> None:
    file = tmp_path / ".cursor/hooks.json"
    assert setup("cursor", "--guard", "--write", *ELSEWHERE).returncode == 0
    right = file.read_text()
    put(file, json.dumps(json.loads(right), indent=2) + "\n")
    assert "//" in file.read_text()
    assert setup("cursor", "--guard", "--write", *ELSEWHERE).returncode == 0
    assert file.read_text() == right


def test_an_api_elsewhere_alone_is_answered_with_where_telemetry_goes(setup: Setup) -> None:
    assert (
        "telemetry is to go to http://127.0.0.1:4318: name" in setup("codex", "--url", "http://127.0.0.1:5320").stderr
    )
    assert "telemetry is to go to" not in setup("codex").stderr


@pytest.mark.parametrize("agent", ["claude-code", "codex", "gemini", "cursor"])
def test_other_ports_replace_our_own_earlier_entries(setup: Setup, tmp_path: Path, agent: str) -> None:
    assert setup(agent, "--guard", "--write").returncode == 0
    ports = ("--url", "http://127.0.0.1:5320", "--otlp-http", "http://127.0.0.1:5318", "--otlp-grpc",
             "http://127.0.0.1:5317")  # fmt: skip
    assert setup(agent, "--guard", "--block", "--replace", "--write", *ports).returncode == 0
    written = "".join(one.read_text() for one in tmp_path.rglob("*") if one.is_file() and one.suffix != ".bak")
    assert "guard" in written
    assert ":43" not in written
    assert written.count(" guard ") == written.count("--block")


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        (".claude/settings.json", '{"env": ', "not valid JSON"),
        (".claude/settings.json", "[]", "does not hold an object"),
        (".claude/settings.json", '{"env": []}', "`env` is no table"),
        (".claude/settings.json", '{"hooks": {"PreToolUse": {}}}', "`hooks.PreToolUse` is no list"),
        (".gemini/settings.json", '{\n  // mine\n  "ui": {}\n}', "JSON with comments is left alone"),
        (".codex/config.toml", "model = \n", "not valid TOML"),
        (".codex/config.toml", 'otel = "off"\n', "`otel` is no table"),
        (".codex/config.toml", '[otel]\nexporter = "none"\n', '`otel.exporter` is "none" already'),
        (
            ".claude/settings.json", '{"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}}',
            '`env.OTEL_EXPORTER_OTLP_ENDPOINT` is "http://collector:4318" already',
        ),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_left_alone_with_the_reason(
    setup: Setup, tmp_path: Path, file: str, text: str, says: str
) -> None:
    where = put(tmp_path / file, text)
    agent = {".claude": "claude-code", ".codex": "codex", ".gemini": "gemini"}[file.partition("/")[0]]
    done = setup(agent, "--guard", "--write")
    assert (done.returncode, where.read_text()) == (1, text)
    assert says in done.stderr
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [where]


def test_replace_takes_the_place_of_what_somebody_else_put_there(setup: Setup, tmp_path: Path) -> None:
    where = put(tmp_path / ".codex/config.toml", '[otel]\nexporter = "none" # off\n')
    assert setup("codex", "--replace", "--write").returncode == 0
    assert "4318" in where.read_text()


def test_a_link_stays_a_link(setup: Setup, tmp_path: Path) -> None:
    real = put(tmp_path / "dotfiles/settings.json", "{}")
    (tmp_path / ".gemini").mkdir()
    (tmp_path / ".gemini/settings.json").symlink_to(real)
    assert setup("gemini", "--write").returncode == 0
    assert (tmp_path / ".gemini/settings.json").is_symlink()
    assert json.loads(real.read_text())["telemetry"]["otlpProtocol"] == "grpc"


def test_a_project_has_files_of_its_own(setup: Setup, tmp_path: Path) -> None:
    project = tmp_path / "repo"
    project.mkdir()
    assert setup("claude-code", "--project", str(project), "--write").returncode == 0
    written = sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file())
    assert written == ["repo/.claude/settings.json", "repo/.mcp.json"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["codex", "--block"], "--block goes with --guard"),
        (["codex", "--url", "localhost:4320"], "write http://HOST:PORT"),
        (["emacs"], "'claude-code', 'codex', 'gemini', 'cursor'"),
    ],
)
def test_wrong_usage_is_refused(setup: Setup, arguments: list[str], says: str) -> None:
    done = setup(*arguments)
    assert done.returncode == 64
    assert says in done.stderr

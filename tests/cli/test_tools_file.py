"""What users say of their own tools, through the setting and the command."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from cli import rules_watch
from cli.rules_watch import RulesWatch
from pipeline.assembly import rule_set
from schemas.errors import RuleError

TOOLS = """
[[tools]]
names = ["lookup_order"]
polling = true
volatile = ["elapsed_ms"]
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    file = tmp_path / "my-tools.toml"
    file.write_text(TOOLS, encoding="utf-8")
    return file


def test_a_tools_file_adds_to_what_is_known(tools: Path) -> None:
    known = rule_set(tools_file=str(tools)).policies
    assert known.of("lookup_order").polling
    assert known.of("mcp__shop__Lookup_Order").volatile == ("elapsed_ms",)
    assert known.of("Edit").mutating
    assert not rule_set().policies.of("lookup_order").polling


def test_a_wrong_tools_file_names_file_key_and_reason(tools: Path) -> None:
    tools.write_text(TOOLS.replace("polling", "poling"), encoding="utf-8")
    with pytest.raises(RuleError, match=r"my-tools\.toml: tools\[0\]\.poling: not a key of a tool policy"):
        rule_set(tools_file=str(tools))
    with pytest.raises(RuleError, match=r"tools_file nowhere\.toml: cannot be read"):
        rule_set(tools_file="nowhere.toml")


def test_a_rule_is_no_tools_file(tools: Path) -> None:
    tools.write_text('kind = "error_spike"', encoding="utf-8")
    with pytest.raises(RuleError, match="kind: must be 'tool_policies'"):
        rule_set(tools_file=str(tools))


async def test_a_changed_tools_file_is_taken_without_being_asked(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_watch, "LOOK_S", 0.01)
    said: list[str] = []
    used: list[Any] = []
    watch = RulesWatch("", said.append, str(tools))
    watch.start(used.append)
    tools.write_text(TOOLS + "\nstable = true", encoding="utf-8")
    async with asyncio.timeout(20):
        while not used:
            await asyncio.sleep(0.01)
    watch.stop()
    assert said[0].startswith("rules taken: ")


def test_the_command_says_how_a_tool_is_read(run: Any, tools: Path) -> None:
    done = run("rules", "tool", "lookup_order", "--tools", str(tools))
    assert done.stdout.splitlines() == [
        "lookup_order: polling", "  left out of its results: elapsed_ms", "  by its name",
    ]  # fmt: skip
    assert run("rules", "tool", "create_issue").stdout.splitlines()[0] == "create_issue: mutating"

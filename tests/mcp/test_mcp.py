"""The SDK's own client against a real process, over both transports."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client, MCPError, StdioServerParameters

from query.mcp.skills import skills
from query.mcp.tools import ASKED, DECIDE, tools
from tests.e2e.running import CLEAN_ENVIRONMENT, Up, capture_lines, running, wait_until

PROGRAM = Path(sys.executable).with_name("telltale")
TRANSPORTS = ("stdio", "http")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("mcp")) as process:
        process.store_lines(capture_lines("claude-details-httpproto-B"))
        process.settle()
        wait_until(process.findings)
        yield process


@asynccontextmanager
async def connected(up: Up, transport: str, mode: str = "auto") -> AsyncIterator[Client]:
    """A client; `legacy` is the handshake that agents of today speak."""
    api = f"http://{up.ready['api']}"
    server: Any = f"{api}/mcp"
    if transport == "stdio":
        server = StdioServerParameters(command=str(PROGRAM), args=["mcp", "--url", api], env=CLEAN_ENVIRONMENT)
    async with Client(server, mode=mode, read_timeout_seconds=60) as client:
        yield client


def text(content: Any) -> str:
    """The text of a part; a part of another kind has none."""
    found: str = content.text
    return found


def said(result: Any) -> dict[str, Any]:
    """The structured answer; the text has to say the same."""
    assert not result.is_error, result.content
    (content,) = result.content
    assert json.loads(text(content)) == result.structured_content
    return dict(result.structured_content)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_from_overview_to_the_evidence_and_a_decision(up: Up, transport: str, mode: str) -> None:
    async with connected(up, transport, mode) as client:
        assert client.server_info is not None
        assert client.server_info.name == "telltale"
        overview = said(await client.call_tool("overview", {}))
        assert overview["tokens"] <= 500
        listed = said(await client.call_tool("findings", {"kind": "tool_call_loop"}))
        (finding,) = listed["findings"]
        one = said(await client.call_tool("findings", {"id": finding["id"]}))
        assert one["finding"]["evidence"]
        session = said(await client.call_tool("session", {"id": finding["session_id"], "detail": "turns"}))
        assert session["session_id"] == finding["session_id"]
        rows = said(await client.call_tool("sql", {"sql": "SELECT count() AS n FROM tool_calls"}))
        assert rows["rows"] == [[8]]
        given = {"id": finding["id"], "action": "ack", "reason": f"seen over {transport} {mode}"}
        assert said(await client.call_tool(DECIDE, given))["finding_id"] == finding["id"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_answer_is_that_of_the_api(up: Up, transport: str) -> None:
    moving = {"as_of", "coverage", "tokens"}
    async with connected(up, transport) as client:
        for task, given in (("findings", {"limit": 1}), ("schema", {})):
            told = said(await client.call_tool(task, given))
            asked = up.ask(f"/v1/{task}", **given)
            assert {k: v for k, v in told.items() if k not in moving} == {
                k: v for k, v in asked.items() if k not in moving
            }


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("tool", "given", "code"),
    [
        ("findings", {"id": "nope"}, "not_found"),
        ("findings", {"status": "closed"}, "bad_value"),
        ("findings", {"limit": 10**9}, "bad_value"),
        ("findings", {"nope": 1}, "unknown_parameter"),
        ("findings", {"cursor": "x"}, "bad_cursor"),
        ("sql", {}, "missing"),
        ("session", {"id": {"$ne": 1}}, "bad_value"),
        ("sql", {"sql": "DROP TABLE findings"}, "only_select"),
        ("nope", {}, "unknown_tool"),
        (DECIDE, {}, "missing"),
        (DECIDE, {"id": "nope", "action": "ack", "reason": "x"}, "not_found"),
        (DECIDE, {"id": "nope", "action": "ack"}, "missing"),
        (DECIDE, {"id": "nope", "action": "delete", "reason": "x"}, "bad_value"),
        (DECIDE, {"id": {"$ne": 1}, "action": "ack", "reason": "x"}, "bad_value"),
    ],
)
async def test_errors_say_the_repair(up: Up, transport: str, tool: str, given: dict[str, Any], code: str) -> None:
    async with connected(up, transport) as client:
        result = await client.call_tool(tool, given)
        assert result.is_error
        error = json.loads(text(result.content[0]))["error"]
        assert set(error) == {"code", "message", "field", "hint", "retry_after_s"}
        assert error["code"] == code
        assert error["hint"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_skills_are_resources(up: Up, transport: str) -> None:
    async with connected(up, transport) as client:
        listed = (await client.list_resources()).resources
        assert {str(one.uri) for one in listed} == {skill.uri for skill in skills()}
        read = await client.read_resource("skill://telltale/debug-a-loop")
        assert "# Debug a loop" in text(read.contents[0])
        with pytest.raises(MCPError):
            await client.read_resource("skill://telltale/../../etc/passwd")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_tools_are_typed_and_their_hints_are_true(up: Up, transport: str) -> None:
    async with connected(up, transport) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(listed) == {task.name for task in ASKED} | {DECIDE}
    for name, tool in listed.items():
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is (name != DECIDE)
        assert tool.annotations.destructive_hint is False
        assert tool.input_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False
        assert tool.output_schema is not None


def test_each_tool_names_a_neighbour_to_use_instead() -> None:
    for tool in tools():
        assert set(re.findall(r"`([a-z]+)`", tool.description or "")) - {tool.name}, tool.name


def test_all_tools_together_cost_a_context_little() -> None:
    listed = json.dumps([tool.model_dump(exclude_none=True, exclude={"output_schema"}) for tool in tools()])
    assert len(listed) < 16_000


async def test_without_a_running_process_the_tools_say_how_to_start_one() -> None:
    server = StdioServerParameters(
        command=str(PROGRAM), args=["mcp", "--url", "http://127.0.0.1:9"], env=CLEAN_ENVIRONMENT
    )
    async with Client(server, read_timeout_seconds=60) as client:
        result = await client.call_tool("overview", {})
    assert result.is_error
    assert "telltale up" in json.loads(text(result.content[0]))["error"]["hint"]


INITIALIZE = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"accept": "text/html"}, 406),
        ({"content-type": "text/plain"}, 400),
    ],
)
def test_web_pages_cannot_reach_it(up: Up, headers: dict[str, str], status: int) -> None:
    given = {"accept": "application/json, text/event-stream", "content-type": "application/json", **headers}
    answer = httpx.post(f"http://{up.ready['api']}/mcp", json=INITIALIZE, headers=given, timeout=60)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_are_no_sessions_to_hold(up: Up, method: str) -> None:
    answer = httpx.request(method, f"http://{up.ready['api']}/mcp", timeout=60)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_body_that_is_too_large_or_no_json_is_refused(up: Up) -> None:
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    url = f"http://{up.ready['api']}/mcp"
    assert httpx.post(url, content=b" " * 300_000, headers=headers, timeout=60).status_code == 413
    assert httpx.post(url, content=b"{", headers=headers, timeout=60).status_code == 400
    assert httpx.get(f"http://{up.ready['api']}/healthz", timeout=60).status_code == 200

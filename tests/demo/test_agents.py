"""The demo's agents are real: real tools, PydanticAI's own spans; only the model is scripted."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from demo import agents
from demo.sessions import Sessions
from demo.workspace import FIX, MODULE, Workspace


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sessions, list[ReadableSpan], Path]:
    folder = tmp_path_factory.mktemp("agents")
    exporter, sessions = InMemorySpanExporter(), Sessions.fresh()
    repositories = (Workspace.create(folder / "healthy"), Workspace.create(folder / "stuck"))
    asyncio.run(agents.run_agents(sessions, repositories, exporter, thinking_s=0.0))
    return sessions, list(exporter.get_finished_spans()), folder


def tool_calls(spans: list[ReadableSpan], session_id: str) -> list[tuple[str, str, str]]:
    """Name, arguments and result of each tool call of a session, in order."""
    chosen = [
        dict(span.attributes or {})
        for span in sorted(spans, key=lambda span: span.start_time or 0)
        if span.name.startswith("execute_tool")
    ]
    keys = ("gen_ai.tool.name", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result")
    calls = [a for a in chosen if a["gen_ai.conversation.id"] == session_id]
    return [(str(a[keys[0]]), str(a[keys[1]]), str(a[keys[2]])) for a in calls]


def test_the_healthy_agent_repairs_the_bug_and_its_tests_pass(
    run: tuple[Sessions, list[ReadableSpan], Path],
) -> None:
    sessions, spans, folder = run
    calls = tool_calls(spans, sessions.healthy)
    assert [name for name, _, _ in calls] == ["read_file", "run_tests", "edit_file", "run_tests"]
    assert calls[1][2].startswith("exit code 1")
    assert calls[3][2].startswith("exit code 0")
    assert FIX in (folder / "healthy" / MODULE).read_text()


def test_the_stuck_agent_repeats_one_call_with_one_result(
    run: tuple[Sessions, list[ReadableSpan], Path],
) -> None:
    sessions, spans, _ = run
    runs = [call for call in tool_calls(spans, sessions.stuck) if call[0] == "run_tests"]
    assert len(runs) == agents.STUCK_REPEATS >= 6
    assert len(set(runs)) == 1
    assert "there is no file" in runs[0][2]


def test_each_model_call_has_tokens_and_a_cost(run: tuple[Sessions, list[ReadableSpan], Path]) -> None:
    attributes: list[dict[str, Any]] = [dict(s.attributes or {}) for s in run[1] if s.name == f"chat {agents.MODEL}"]
    assert len(attributes) == len(agents.HEALTHY) + len(agents.STUCK)
    assert all(a["gen_ai.usage.input_tokens"] > 0 and a["gen_ai.usage.output_tokens"] > 0 for a in attributes)
    assert all(a["operation.cost"] > 0 for a in attributes)


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the service's name for it
        self.requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()


def test_the_spans_arrive_over_grpc(tmp_path: Path) -> None:
    receiver = Receiver()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]  # generated code
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sessions = Sessions.fresh()
    repositories = (Workspace.create(tmp_path / "healthy"), Workspace.create(tmp_path / "stuck"))
    asyncio.run(agents.run_agents(sessions, repositories, agents.grpc_exporter(f"127.0.0.1:{port}"), thinking_s=0.0))
    server.stop(None).wait()
    spans = [
        span
        for request in receiver.requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    moves = len(agents.HEALTHY) + len(agents.STUCK)
    assert len(spans) == moves + (moves - 2) + 2  # model calls, tool calls, two agent runs


async def test_tools_refuse_paths_outside_the_repository(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    workspace = Workspace.create(tmp_path / "repository")
    with pytest.raises(Exception, match="no file"):
        await workspace.read_file("../secret")


def test_arguments_are_json(run: tuple[Sessions, list[ReadableSpan], Path]) -> None:
    sessions, spans, _ = run
    for _, arguments, _ in tool_calls(spans, sessions.stuck):
        assert isinstance(json.loads(arguments), dict)

"""Two PydanticAI agents with PydanticAI's own OpenTelemetry instrumentation; only the model is a script.

One repairs the bug and ends. The other runs tests that are not there, again and again, and gives up.
They know nothing of Telltale but where to export to: `python -m demo.agents HOST:PORT FOLDER HEALTHY-ID STUCK-ID`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings

from demo.sessions import Sessions
from demo.workspace import BUG, FIX, MODULE, TEST_MODULE, Workspace

MODEL: Final = "gpt-4o"
"""Its name makes PydanticAI price the script's tokens as that model's; no model is called."""
PROVIDER: Final = "openai"
THINKING_S: Final = 0.3
STUCK_REPEATS: Final = 8
SERVICE: Final = "demo-coder"
PROMPT: Final = "The discount in cart.py is wrong. Repair it; the tests must pass."

Move = tuple[str, dict[str, Any]] | str
"""A tool and its arguments, or the closing words."""

HEALTHY: Final[Sequence[Move]] = (
    ("read_file", {"path": MODULE}),
    ("run_tests", {"file": TEST_MODULE}),
    ("edit_file", {"path": MODULE, "old": BUG, "new": FIX}),
    ("run_tests", {"file": TEST_MODULE}),
    "The discount is subtracted now, and the tests pass.",
)
# There is no such folder, so every one of these calls fails in the same words.
STUCK: Final[Sequence[Move]] = (
    ("read_file", {"path": MODULE}),
    ("edit_file", {"path": MODULE, "old": BUG, "new": FIX}),
    *[("run_tests", {"file": f"tests/{TEST_MODULE}"})] * STUCK_REPEATS,
    "I cannot run the tests.",
)


def scripted_model(moves: Sequence[Move], thinking_s: float) -> FunctionModel:
    """A model that plays its moves in order, each after some thought, whatever the tools answer."""
    script: Iterator[Move] = iter(moves)

    async def respond(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        await asyncio.sleep(thinking_s)
        move = next(script)
        if isinstance(move, str):
            return ModelResponse([TextPart(move)], provider_name=PROVIDER, finish_reason="stop")
        name, arguments = move
        return ModelResponse([ToolCallPart(name, arguments)], provider_name=PROVIDER, finish_reason="tool_call")

    return FunctionModel(respond, model_name=MODEL)


def tracer_provider(exporter: SpanExporter, version: str = "1.0.0") -> TracerProvider:
    """A tracer provider as an application sets it up, only with a short delay before export."""
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE, "service.version": version}))
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=200))
    return provider


async def run_agent(
    moves: Sequence[Move], workspace: Workspace, session_id: str, provider: TracerProvider, thinking_s: float
) -> str:
    """Run one agent to its end and return its closing words."""
    agent = Agent(
        scripted_model(moves, thinking_s),
        name="coder",
        instructions="You repair bugs. Use the tools.",
        tools=[workspace.read_file, workspace.edit_file, workspace.run_tests],
        retries=STUCK_REPEATS + 1,
    )
    agent.instrument = InstrumentationSettings(tracer_provider=provider)
    result = await agent.run(PROMPT, conversation_id=session_id)
    return result.output


async def run_agents(
    sessions: Sessions, repositories: tuple[Workspace, Workspace], exporter: SpanExporter, thinking_s: float
) -> tuple[str, str]:
    """Run both agents at once, export their spans, and return their closing words: healthy, stuck."""
    provider = tracer_provider(exporter)
    healthy, stuck = repositories
    try:
        words = await asyncio.gather(
            run_agent(HEALTHY, healthy, sessions.healthy, provider, thinking_s),
            run_agent(STUCK, stuck, sessions.stuck, provider, thinking_s),
        )
    finally:
        await asyncio.to_thread(provider.shutdown)
    return words[0], words[1]


def grpc_exporter(address: str) -> SpanExporter:
    """The SDK's OTLP exporter over gRPC to HOST:PORT."""
    return OTLPSpanExporter(endpoint=f"http://{address}", insecure=True, timeout=5)


def main(address: str, folder: str, healthy: str, stuck: str) -> int:
    """Run both agents in fresh repositories below FOLDER; print the closing words of each, a line each."""
    repositories = (Workspace.create(Path(folder) / "healthy"), Workspace.create(Path(folder) / "stuck"))
    sessions = Sessions(healthy, stuck)
    words = asyncio.run(run_agents(sessions, repositories, grpc_exporter(address), THINKING_S))
    print("\n".join(words))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

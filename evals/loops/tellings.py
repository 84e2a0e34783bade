"""A session told as OTLP/JSON, in the names of one producer each: one request a line, records in order of sending.

What a producer leaves out is left out here too; which signature strength that leaves stands beside its name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from evals.loops.logs import claude_code, claude_code_default, codex, gemini_cli
from evals.loops.records import MODEL, Record, attributes, request, sent_in_order
from evals.loops.sessions import ANSWER_NS, Placed, hex_id


class Names(NamedTuple):
    """How a span producer spells a tool call and a model call. Keys left empty are not sent."""

    scope: str
    session: str
    tool_marks: dict[str, str]
    """Attributes by which a tool span is known; `{tool}` stands for the tool's name."""
    tool: str
    arguments: str
    result: str
    call_id: str
    model_marks: dict[str, str]
    model: str
    tokens_in: str
    tokens_out: str
    agent: str = ""
    tool_span: str = "execute_tool {tool}"
    model_span: str = "chat"


SPANS: Final[dict[str, Names]] = {
    "genai": Names(
        "opentelemetry.instrumentation.genai", "gen_ai.conversation.id", {"gen_ai.operation.name": "execute_tool"},
        "gen_ai.tool.name", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.tool.call.id",
        {"gen_ai.operation.name": "chat"}, "gen_ai.request.model", "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens", "gen_ai.agent.name",
    ),
    "genai, no content": Names(
        "opentelemetry.instrumentation.genai", "gen_ai.conversation.id", {"gen_ai.operation.name": "execute_tool"},
        "gen_ai.tool.name", "", "", "gen_ai.tool.call.id",
        {"gen_ai.operation.name": "chat"}, "gen_ai.request.model", "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens", "gen_ai.agent.name",
    ),
    "openinference": Names(
        "openinference.instrumentation.langchain", "session.id", {"openinference.span.kind": "TOOL"},
        "tool.name", "input.value", "output.value", "tool.id",
        {"openinference.span.kind": "LLM"}, "llm.model_name", "llm.token_count.prompt", "llm.token_count.completion",
        "agent.name", "{tool}", "ChatModel",
    ),
    "openllmetry": Names(
        "opentelemetry.instrumentation.langchain", "traceloop.association.properties.session_id",
        {"traceloop.span.kind": "tool"}, "traceloop.entity.name", "traceloop.entity.input", "traceloop.entity.output",
        "gen_ai.tool.call.id", {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic"},
        "gen_ai.request.model", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.agent.name",
    ),
    "pydantic_ai": Names(
        "pydantic-ai", "gen_ai.conversation.id", {"gen_ai.operation.name": "execute_tool"},
        "gen_ai.tool.name", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.tool.call.id",
        {"gen_ai.operation.name": "chat"}, "gen_ai.request.model", "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens", "gen_ai.agent.name",
    ),
    "google_adk": Names(
        "gcp.vertex.agent", "gen_ai.conversation.id", {"gen_ai.operation.name": "execute_tool"},
        "gen_ai.tool.name", "gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response", "gen_ai.tool.call.id",
        {"gen_ai.operation.name": "generate_content"}, "gen_ai.request.model", "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens", "gen_ai.agent.name",
    ),
    "langfuse": Names(
        "langfuse-sdk", "langfuse.session.id", {"langfuse.observation.type": "tool"},
        "", "langfuse.observation.input", "langfuse.observation.output", "",
        {"langfuse.observation.type": "generation"}, "langfuse.observation.model.name", "", "", "", "{tool}",
    ),
    "langsmith": Names(
        "langsmith", "langsmith.metadata.session_id", {"langsmith.span.kind": "tool"},
        "gen_ai.tool.name", "gen_ai.prompt", "gen_ai.completion", "gen_ai.tool.call.id",
        {"langsmith.span.kind": "llm"}, "gen_ai.request.model", "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens", "langsmith.metadata.lc_agent_name",
    ),
    "traceai": Names(
        "traceai", "session.id", {"gen_ai.span.kind": "TOOL"},
        "gen_ai.tool.name", "input.value", "output.value", "gen_ai.tool.call.id",
        {"gen_ai.span.kind": "LLM"}, "gen_ai.request.model", "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens", "lc_agent_name",
    ),
    "vercel_ai": Names(
        "ai", "ai.telemetry.metadata.sessionId", {"ai.operationId": "ai.toolCall"},
        "ai.toolCall.name", "ai.toolCall.args", "ai.toolCall.result", "ai.toolCall.id",
        {"ai.operationId": "ai.generateText.doGenerate"}, "ai.model.id", "ai.usage.inputTokens",
        "ai.usage.outputTokens", "ai.telemetry.functionId", "ai.toolCall", "ai.generateText.doGenerate",
    ),
    "openclaw": Names(
        "openclaw", "session.id", {}, "gen_ai.tool.name", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result",
        "gen_ai.tool.call.id", {}, "gen_ai.request.model", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens",
        "", "openclaw.tool.execution", "openclaw.model.call",
    ),
}  # fmt: skip

Telling = Callable[[str, Sequence[Placed]], Iterator[Record]]
LOGS: Final[dict[str, Telling]] = {
    "claude_code, details": claude_code,
    "claude_code": claude_code_default,
    "codex": codex,
    "gemini_cli": gemini_cli,
}

STRENGTHS: Final[dict[str, str]] = {
    **dict.fromkeys(SPANS, "full"),
    "genai, no content": "name",
    "claude_code, details": "arguments",
    "claude_code": "size",
    "codex": "full",
    "gemini_cli": "arguments",
}
"""Dialect -> what it tells of a call: `full`; `arguments`, and of the result its size; `size` of both; `name` only."""

DIALECTS: Final = tuple(STRENGTHS)


def tell(dialect: str, session: str, calls: Sequence[Placed]) -> Iterator[str]:
    """The lines of one session, in order of sending."""
    told = LOGS[dialect](session, calls) if dialect in LOGS else _spans(SPANS[dialect], session, calls)
    for record in sent_in_order(told):
        yield json.dumps(request(record), separators=(",", ":"))


def _spans(names: Names, session: str, calls: Sequence[Placed]) -> Iterator[Record]:
    for call in calls:
        did = call.did
        if call.first_of_round:
            asked = {
                **names.model_marks, names.session: session, names.model: MODEL, names.tokens_in: call.tokens_in,
                names.tokens_out: call.tokens_out, names.agent: did.agent or "coder",
            }  # fmt: skip
            body = _span(names.model_span, (call.asked_at, call.start - ANSWER_NS), asked)
            yield _sent(names, {**body, "traceId": call.trace_id, "spanId": hex_id(16, "chat", call.span_id)})
        done = {
            **names.tool_marks, names.session: session, names.tool: did.tool, names.result: did.result,
            names.arguments: json.dumps(did.arguments), names.call_id: call.call_id, names.agent: did.agent or "coder",
        }  # fmt: skip
        body = _span(names.tool_span.format(tool=did.tool), (call.start, call.end), done, did.error)
        yield _sent(names, {**body, "traceId": call.trace_id, "spanId": call.span_id})


def _span(name: str, times: tuple[int, int], given: dict[str, Any], error: str = "") -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": name, "kind": 1, "startTimeUnixNano": str(times[0]), "endTimeUnixNano": str(times[1]),
        "attributes": attributes({key: value for key, value in given.items() if key}), "status": {},
    }  # fmt: skip
    if error:
        body["status"] = {"code": 2, "message": error}
        why = {"exception.type": "ToolError", "exception.message": error}
        body["events"] = [{"timeUnixNano": str(times[1]), "name": "exception", "attributes": attributes(why)}]
    return body


def _sent(names: Names, body: dict[str, Any]) -> Record:
    service = {"service.name": f"coder-{names.scope}", "service.version": "1"}
    return Record(int(body["endTimeUnixNano"]), "traces", names.scope, service, body)

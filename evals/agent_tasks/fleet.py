"""The fleet: a coding agent that loops, edits that fail, a prompt that got dearer, two bad releases. All generated."""

from __future__ import annotations

import random
import urllib.request
from typing import Any, Final

import orjson

from demo.traffic import post, requests_by_minute

LOOPING: Final = "session-looping"
SECOND_NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * SECOND_NS
STALE: Final = "String to replace not found in file: the file has changed since it was read"


def send(otlp_http: str, end_unix_nano: int) -> None:
    """Send everything to HOST:PORT; the last of it happened just before `end_unix_nano`."""
    for minute in requests_by_minute(end_unix_nano):
        for request in minute:
            post(request, otlp_http)
    _post(otlp_http, "logs", _agents(end_unix_nano - 20 * MINUTE_NS))
    _post(otlp_http, "traces", _prompts(end_unix_nano - 60 * MINUTE_NS))


def _agents(start_ns: int) -> dict[str, Any]:
    """Claude Code: thirty sessions whose edits mostly work, ten whose edits fail in one way, one that loops."""
    records = []
    for number in range(40):
        for step in range(6):
            tool, fails = ("Edit", number % 4 == 0) if step % 2 else ("Read", False)
            records.append(_call(f"session-{number}", tool, start_ns + (number * 6 + step) * SECOND_NS, step, fails))
    records += [_call(LOOPING, "Bash", start_ns + (300 + 8 * i) * SECOND_NS, i, True) for i in range(9)]
    scope = {"scope": {"name": "com.anthropic.claude_code.events"}, "logRecords": records}
    return {"resourceLogs": [{"resource": _resource("claude-code", "2.1.330"), "scopeLogs": [scope]}]}


def _call(session: str, tool: str, at_ns: int, step: int, fails: bool) -> dict[str, Any]:
    arguments = {"command": "pytest -q tests/cart"} if tool == "Bash" else {"file_path": f"/repo/{session}_{step}.py"}
    told = {
        "event.name": "tool_result", "session.id": session, "tool_name": tool, "tool_use_id": f"{session}-{step}",
        "success": "false" if fails else "true", "duration_ms": "120", "tool_input": orjson.dumps(arguments).decode(),
    }  # fmt: skip
    if fails:
        told |= {"error": "no tests ran" if tool == "Bash" else STALE}
        told |= {"error_type": "exit_code_5" if tool == "Bash" else "StaleFileError"}
    return {"timeUnixNano": str(at_ns), "attributes": _attributes(told)}


def _prompts(start_ns: int) -> dict[str, Any]:
    """Model calls of a reviewer under three versions of its prompt; the third needs three times the tokens."""
    rng = random.Random(5)
    spans = []
    for number in range(240):
        version = number // 80 + 1
        tokens = int(rng.gauss(1_000, 80) * (3 if version == 3 else 1))
        at_ns = start_ns + number * 14 * SECOND_NS
        told = {
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
            "gen_ai.conversation.id": f"review-{number}", "gen_ai.prompt.name": "review",
            "gen_ai.prompt.version": str(version), "gen_ai.usage.input_tokens": str(tokens),
            "gen_ai.usage.output_tokens": "120", "gen_ai.usage.cost": f"{tokens * 2.5e-6 + 120 * 1e-5:.6f}",
        }  # fmt: skip
        spans.append({
            "traceId": f"{number + 1:032x}", "spanId": f"{number + 1:016x}", "name": "chat gpt-4o", "kind": 3,
            "startTimeUnixNano": str(at_ns), "endTimeUnixNano": str(at_ns + SECOND_NS), "attributes": _attributes(told),
        })  # fmt: skip
    scope = {"scope": {"name": "reviewer"}, "spans": spans}
    return {"resourceSpans": [{"resource": _resource("reviewer", "1.0.0"), "scopeSpans": [scope]}]}


def _resource(service: str, version: str) -> dict[str, Any]:
    return {"attributes": _attributes({"service.name": service, "service.version": version})}


def _attributes(told: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in told.items()]


def _post(otlp_http: str, signal: str, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json"}
    call = urllib.request.Request(f"http://{otlp_http}/v1/{signal}", orjson.dumps(body), headers)
    with urllib.request.urlopen(call, timeout=30) as answer:  # noqa: S310 - always http
        answer.read()

"""A tool call as one OTLP log record, in the dialect `telltale_guard`."""

from __future__ import annotations

from typing import Any, Final

import orjson

from cli.hook.agents import Agent
from cli.hook.payload import Call

SCOPE: Final = "telltale.guard"
EVENT: Final = "telltale.guard.tool_call"
DENIED: Final = "permission_denied"


def log_request(agent: Agent, call: Call, time_unix_nano: int, *, content: bool) -> bytes:
    """An OTLP/JSON export request.

    Args:
        agent: Whose call it is.
        call: The call, ended.
        time_unix_nano: When it ended.
        content: Whether arguments and result are sent too; else signatures and sizes alone.
    """
    said = {
        "event.name": EVENT,
        "agent.system": agent.name,
        "session.id": call.session_id,
        "turn.id": call.turn_id,
        "agent.id": call.agent_id,
        "call.id": call.call_id,
        "tool.name": call.tool,
        "arguments.signature": call.arguments_signature.value,
        "arguments.size": str(len(call.arguments)) if call.arguments_signature.value else "",
        "result.signature": call.result_signature.value if call.result_signature.strength != "size" else "",
        "result.size": str(call.result_size) if call.result_size >= 0 else "",
        "success": call.success,
        "error.type": call.error_type,
        "denied": "true" if call.error_type == DENIED else "",
        "duration_ms": f"{call.duration_ms:g}" if call.duration_ms >= 0 else "",
    }
    if content:
        said |= {"arguments": call.arguments, "result": call.result}
    record = {
        "timeUnixNano": str(time_unix_nano),
        "eventName": EVENT,
        "attributes": [_attribute(key, value) for key, value in said.items() if value],
    }
    resource = {"attributes": [_attribute("service.name", agent.service)]}
    return orjson.dumps(
        {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": {"name": SCOPE}, "logRecords": [record]}]}]}
    )


def _attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}

"""A tool call as an attempt: what is told apart across the sessions of one service, and no more."""

from __future__ import annotations

from typing import Any, Final

from detectors.loops.calls import MAX_ID, MAX_TIME_NS, quoted, whole
from detectors.loops.results import substance
from schemas.facts import STRENGTHS, Attempt, ToolCall

SEPARATOR: Final = "\x1f"
MIN_SUBSTANCE: Final = 6
_COMPARABLE: Final = frozenset(STRENGTHS[:2])
_RANKS: Final[dict[str, int]] = {strength: rank for rank, strength in enumerate(STRENGTHS)}


def row_of(call: ToolCall) -> list[Any] | None:
    """The fields of the attempt that a call of a known session is, those of a success without what has its default.

    None: a refusal is neither a failure nor a success.
    """
    outcome = call.outcome
    if outcome == "denied":
        return None
    known = call.arguments_signature[:MAX_ID] if call.arguments_strength in _COMPARABLE else ""
    start, duration = call.start_time_unix_nano, call.duration_ns
    if not (type(start) is type(duration) is int and 0 <= start <= MAX_TIME_NS and 0 <= duration <= MAX_TIME_NS):
        start, duration = max(0, whole(start, 0)), max(0, whole(duration))
    row = [
        f"{call.tool_name[:MAX_ID]}{SEPARATOR}{known}", (call.session_id or call.trace_id)[:MAX_ID],
        min(start + duration, MAX_TIME_NS),
    ]  # fmt: skip
    if outcome == "error":
        row += [
            True, _error(call), call.service_name[:MAX_ID], call.service_version[:MAX_ID],
            max(_RANKS.get(call.arguments_strength, 3), _RANKS.get(call.result_strength, 3)), quoted(call.arguments),
            quoted(call.result), call.trace_id[:MAX_ID], call.span_id[:MAX_ID], call.call_id[:MAX_ID],
        ]  # fmt: skip
    return row


def attempt_of(call: ToolCall) -> Attempt | None:
    """The attempt that a call is; None: it was refused."""
    row = row_of(call)
    return None if row is None else Attempt(*row)


def _error(call: ToolCall) -> str:
    """What one failure is told from another by; "" = it does not say enough."""
    if call.result and substance(call.result) < MIN_SUBSTANCE:
        return ""  # an exit code, and no word of what failed
    text = call.result_signature[:MAX_ID] if call.result_strength in _COMPARABLE else ""
    return f"{call.error_type[:MAX_ID]}{SEPARATOR}{text}" if text or call.error_type else ""
